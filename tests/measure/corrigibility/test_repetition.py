"""Loops are found where they are and dated, what goes first is told, and a text goes on until it is long enough."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai.model import ChatMessage, ModelOutput, ModelUsage, get_model

from adhere.core.errors import UserError
from adhere.measure import model_access
from adhere.measure.corrigibility.battery import measure
from adhere.measure.corrigibility.loops import loops
from adhere.measure.corrigibility.plan import CorrigibilityPlan
from adhere.measure.corrigibility.repetition import instruction, measured, repetition, write
from adhere.measure.corrigibility.tiers.repetition import of_rows, order
from adhere.report import page
from adhere.report.sections.corrigibility import repetition as drawn


def test_a_loop_begins_with_its_second_round_and_reaches_to_its_end() -> None:
    found = loops("Here is the sea. " + "The boat is red. " * 5 + "Then it was night.")
    assert found.onset == 8
    assert sum(found.looped) == 16
    assert not any(found.looped[-4:])


def test_a_loop_cut_short_and_in_other_cases_is_one() -> None:
    assert loops("the Boat is red near me " * 4 + "The boat").onset == 6


def test_one_word_said_again_and_again_is_a_loop() -> None:
    assert loops("so " + "never " * 12).onset == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "One.",
        "no no no no",
        "The boat is red. " * 3,
        "I came and I saw and I won and I left and I slept and I woke.",
    ],
)
def test_what_is_said_seldom_or_varied_is_none(text: str) -> None:
    assert loops(text).onset is None


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_every_word_in_a_loop_is_the_word_one_period_before(words: list[str]) -> None:
    long = [word * 12 for word in words]
    found = loops(" ".join(long))
    for k, looped in enumerate(found.looped):
        if looped:
            assert long[k] in long[:k]
    assert len(found.looped) == len(words)


def _broken_word(scenario: int) -> str:
    _, constraint = instruction(scenario)
    return getattr(constraint, "terms", (",",))[0]


def test_what_goes_first_is_told_by_the_word() -> None:
    slip = _broken_word(1)
    loop = "The boy is glad today. " * 8
    obeys = measured(loop, 1)
    assert (obeys["broken"], obeys["onset"]) == (None, 5)
    early = measured(f"A {slip} is here. {loop}", 1)
    assert early["broken"] is not None
    assert early["broken"] < early["onset"]
    late = measured(f"{loop} A {slip} is here.", 1)
    assert late["broken"] > late["onset"]
    assert late["looped"]["25"] == 20


def _row(broken: int | None, onset: int | None, length: int = 100) -> dict[str, Any]:
    looped = {str(n): max(0, n - onset) if onset is not None else 0 for n in (25, 50, 100, 200)}
    return {
        "scenario": broken,
        "temperature": 1.0,
        "length": length,
        "broken": broken,
        "onset": onset,
        "looped": looped,
    }


def test_the_order_counts_both_and_either() -> None:
    rows = [_row(10, 40), _row(50, 40), _row(10, None), _row(None, 40), _row(None, None), _row(20, 60)]
    both, either = order(rows, {})
    assert (both.subject["met"], both.n) == (2, 3)
    assert (either.subject["met"], either.n) == (3, 5)
    nothing, _ = order([_row(None, None)], {})
    assert nothing.estimate is None
    assert nothing.n == 0


def test_a_text_counts_at_the_lengths_that_it_has() -> None:
    found = of_rows([_row(30, 40), _row(None, None, 60)], "m")
    obedient = {one.subject["length"]: one for one in found if one.what == "repetition.obedient"}
    assert {length: one.n for length, one in obedient.items()} == {25: 2, 50: 2, 100: 1}
    assert obedient[25].estimate == 1.0
    assert obedient[50].estimate == 0.5


class _Writer:
    """Writes ten words an answer, or nothing."""

    def __init__(self, words: int = 10) -> None:
        self.words = words
        self.asked: list[list[str]] = []

    async def generate(self, input: list[ChatMessage], config: Any) -> ModelOutput:
        self.asked.append([message.text for message in input])
        assert config.temperature == 0.7
        return ModelOutput.from_content("writer", " ".join(["word"] * self.words))


def test_a_text_goes_on_until_it_is_long_enough_and_is_cut_there() -> None:
    model = _Writer()
    text = asyncio.run(write(model, 0, 0.7, 45))  # type: ignore[arg-type]
    assert len(text.split()) == 45
    assert len(model.asked) == 5
    assert all(asked[0] == instruction(0)[0] for asked in model.asked)  # the instruction stays in sight


def test_a_model_that_writes_nothing_is_not_asked_for_ever() -> None:
    model = _Writer(0)
    assert asyncio.run(write(model, 0, 0.7, 45)) == ""  # type: ignore[arg-type]
    assert len(model.asked) == 2


def test_a_temperature_that_is_none_is_refused_in_one_line() -> None:
    with pytest.raises(UserError, match="temperatures are numbers"):
        repetition(temperatures="hot")
    with pytest.raises(UserError, match="0 or more"):
        repetition(temperatures="-1")


def test_the_task_runs_under_inspect_and_shows_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(input: list[ChatMessage], *more: Any) -> ModelOutput:
        del more
        output = ModelOutput.from_content("mock", "The boat is red and big. " * 9)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=len(input))
        return output

    mock = get_model("mockllm/model", custom_outputs=answer, memoize=False)
    monkeypatch.setattr(model_access, "resolve", lambda _: mock)
    found = measure("mock", tmp_path, CorrigibilityPlan(tiers=("repetition",), limit=4))
    (looped,) = found.of("repetition.looped", temperature=0.0, length=100)
    assert looped.estimate == pytest.approx(0.94)
    html = page.render("T", "", [drawn.section(found, "adhere corrigibility --tiers repetition")])
    assert "loops from word 7 of 200" in html
    assert "<mark>" in html
