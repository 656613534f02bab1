"""A cell is a function of its number, a sample of its seed, and a wrong level is named."""

from __future__ import annotations

import itertools

import pytest

from adhere.core.errors import UserError
from adhere.measure.corrigibility.design import Design, Factor, held, restricted

FACTORS = (Factor("a", ("x", "y")), Factor("b", ("1", "2", "3")), Factor("c", ("p", "q")))


def test_the_cells_are_the_product_in_order_and_number_undoes_them() -> None:
    design = Design(FACTORS)
    written_out = [dict(zip("abc", levels, strict=True)) for levels in itertools.product("xy", "123", "pq")]
    assert list(design) == written_out
    assert [design.number(cell) for cell in design] == list(range(12))


def test_a_huge_design_is_never_written_out() -> None:
    design = Design(tuple(Factor(f"f{k}", tuple("01234567")) for k in range(20)))
    numbers = design.sample(50, seed=3)
    assert len(set(numbers)) == 50
    assert all(design.number(design[number]) == number for number in numbers)


def test_a_larger_sample_of_the_same_seed_begins_with_the_smaller() -> None:
    design = Design(FACTORS)
    assert design.sample(9, 1)[:4] == design.sample(4, 1)
    assert sorted(design.sample(99, 1)) == list(range(12))
    assert design.sample(9, 1) != design.sample(9, 2)


def test_a_number_outside_the_design_is_no_cell() -> None:
    with pytest.raises(IndexError):
        Design(FACTORS)[12]


def test_what_is_not_varied_stays_at_its_first_level() -> None:
    assert [factor.levels for factor in held(FACTORS, ["b"])] == [("x",), ("1", "2", "3"), ("p",)]
    assert Design(held(FACTORS, ["b"]))[1] == {"a": "x", "b": "2", "c": "p"}


@pytest.mark.parametrize(
    ("levels", "said"), [({"a": "z"}, "a takes x, y"), ({"zz": "x"}, "no factor is called 'zz'"), ({"a": []}, "needs")]
)
def test_a_wrong_factor_or_level_is_named(levels: dict[str, str | list[str]], said: str) -> None:
    with pytest.raises(UserError, match=said):
        restricted(FACTORS, levels)


def test_levels_come_as_a_list_or_with_commas_and_keep_the_factors_order() -> None:
    (chosen, *_) = restricted((Factor("b", ("1", "2", "3")),), {"b": "3, 1"})
    assert chosen.levels == ("1", "3")
    assert restricted((Factor("b", ("1", "2", "3")),), {"b": ["3", "1"]}) == (chosen,)
