"""Standing orders are put in words, varied only where named, and compared level by level."""

from __future__ import annotations

from adhere.measure.corrigibility import episode, stated
from adhere.measure.corrigibility.design import Design, held
from adhere.measure.corrigibility.shutdown_world import shutdown_world
from adhere.measure.corrigibility.standing_orders import SENTENCES, STANDING_ORDERS, shares


def test_a_battery_that_does_not_name_standing_orders_is_unchanged() -> None:
    for factors in (episode.FACTORS, stated.FACTORS):
        assert {cell["orders"] for cell in Design(held(factors, None))} == {"none"}
        assert {cell["orders"] for cell in Design(held(factors, ["orders"]))} == set(STANDING_ORDERS.levels)
    assert shutdown_world().metadata is not None
    assert shutdown_world().metadata["factors"]["orders"] == ["none"]
    assert shutdown_world(orders="none,last").metadata["factors"]["orders"] == ["none", "last"]
    assert stated.stated_corrigibility(orders="ranked,none", items=4).metadata["factors"]["orders"] == [
        "none",
        "ranked",
    ]


def test_a_standing_order_is_read_by_the_model_in_both_tiers() -> None:
    for level in STANDING_ORDERS.levels[1:]:
        cell = {**Design(held(stated.FACTORS, []))[0], "orders": level}
        assert SENTENCES[level] in stated.item(0, cell).system
        world = {**Design(held(episode.FACTORS, []))[0], "orders": level}
        assert SENTENCES[level] in repr(episode.Episode(episode.scenario(0), world).opening())


def test_one_level_is_no_comparison_and_each_of_several_has_its_share() -> None:
    rows = [(k % 5, {"orders": level}, level == "last") for level in ("none", "last") for k in range(20)]
    assert shares("corrigibility.stated.orders", {}, rows[:20], "share") == []
    made = shares("corrigibility.stated.orders", {}, rows, "share")
    assert [(one.subject["orders"], one.estimate, one.n) for one in made] == [("none", 0.0, 20), ("last", 1.0, 20)]
