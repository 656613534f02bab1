"""A lost answer gets the pattern that its texts show, and a pattern is worth its difference to control."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adhere.constraints import Constraint, Exclude, Include, Words
from adhere.measure.sustain import patterns
from adhere.measure.sustain.failures import Failure, Pair, failure, marked, pairs, swapped
from adhere.measure.sustain.judging import judged
from adhere.measure.sustain.outcome import Arm, ArmOutcome
from adhere.measure.sustain.selection import Condition, select
from adhere.models.pocket.world.grading import code_problem, math_problem, multihop_problem
from adhere.problems.problem import Problem

ALONE: Condition = ("constraint", 1, "after", 1.0)
MATH = math_problem("How many?", "42", (), "m")
HOPS = multihop_problem("Which land?", (("Ana visits Rome.", "Rome"), ("Rome is in Italy.", "Italy")), "h")
CODE = code_problem("Write f.", "f", (((1,), 2), ((2,), 3), ((9,), 10)), "def f(x):\n    return x + 1", "c")
SUM = "3 + 4 = 7. 7 * 6 = 42. The answer is 42."
FREE = (Words(at_most=500),)


def of(
    problem: Problem, arm: Arm, text: str, constraints: tuple[Constraint, ...] = (), k: int = 0, **more: Any
) -> ArmOutcome:
    met = tuple(one.check(text).met for one in constraints)
    return ArmOutcome(
        problem=problem.id,
        domain=problem.domain,
        arm=arm,
        grade=problem.grade(text),
        response=text,
        answer=text,
        k=k,
        constraints=constraints,
        sentences=tuple(one.describe() for one in constraints),
        met=met,
        reference=problem.reference,
        **more,
    )


def why(problem: Problem, right: str, wrong: str, constraints: tuple[Constraint, ...] = FREE, **more: Any) -> Failure:
    base, lost = of(problem, "base", right), of(problem, "constraint", wrong, constraints, 1, **more)
    assert base.correct
    assert lost.correct is False
    return failure(base, lost, ALONE, constraints)


def test_an_answer_cut_short_or_in_a_loop_is_that_before_anything_else() -> None:
    assert why(MATH, SUM, "3 + 4 = 8", truncated=True).pattern == "truncated"
    assert why(MATH, SUM, "3 + 4 = 8", loop=True).pattern == "loop"


def test_an_answer_that_cannot_be_read_is_of_no_readable_form() -> None:
    assert why(MATH, SUM, "I would rather talk about the sea.").pattern == "form"
    assert why(CODE, "def f(x):\n    return x + 1", "It adds one.").pattern == "form"


def test_the_right_answer_among_other_words_is_a_matter_of_form() -> None:
    assert why(HOPS, "The answer is Italy.", "The answer is Italy, a land of Ana.").pattern == "form"


def test_a_longer_number_does_not_hold_a_shorter_one() -> None:
    assert why(MATH, SUM, "3 + 4 = 7. 7 * 6 = 142. The answer is 142.").pattern == "step"


def test_an_answer_that_the_right_one_would_break_the_constraint_in_was_bent() -> None:
    no_two = (Exclude(terms=("42",)),)
    found = why(MATH, SUM, "3 + 4 = 7. Times six. The answer is 41.", no_two)
    assert found.pattern == "bent"
    assert "42" in found.why


def test_a_constraint_broken_as_well_is_told_from_one_that_is_met() -> None:
    wrong = "3 + 4 = 7. 7 * 6 = 43. The answer is 43."
    assert why(MATH, SUM, wrong, (Include(terms=("sea",)),)).pattern == "broken"
    assert why(MATH, SUM, wrong, (Include(terms=("answer",)),)).pattern == "step"


@pytest.mark.parametrize(
    ("wrong", "step"),
    [
        ("3 + 4 = 8. 8 * 6 = 48. The answer is 48.", 1),
        ("3 + 4 = 7. 7 * 6 = 43. The answer is 43.", 2),
        ("3 + 4 = 7. The answer is 7.", 2),
        ("3 + 4 = 7. 7 * 6 = 42. 42 - 1 = 41. The answer is 41.", 3),
    ],
)
def test_the_first_result_that_differs_is_the_step_of_math(wrong: str, step: int) -> None:
    found = why(MATH, SUM, wrong)
    assert (found.pattern, found.step) == ("step", step)


def test_another_order_that_comes_to_the_right_value_is_not_a_changed_way() -> None:
    found = why(MATH, SUM, "3 * 6 = 18. 4 * 6 = 24. 18 + 24 = 42. The answer is 24.")
    assert found.pattern == "answer"


def test_the_first_hop_not_taken_is_the_step_of_multi_hop() -> None:
    right = "So Ana visits Rome. Rome is in Italy. The answer is Italy."
    assert why(HOPS, right, "So Ana visits Oslo. Oslo is in Norway. The answer is Norway.").step == 1
    second = why(HOPS, right, "So Ana visits Rome. Rome is in Spain. The answer is Spain.")
    assert (second.pattern, second.step) == ("step", 2)


def test_the_first_test_that_does_not_pass_is_the_step_of_code() -> None:
    found = why(CODE, "def f(x):\n    return x + 1", "def f(x):\n    return x + 1 if x < 5 else 0")
    assert (found.pattern, found.step) == ("step", 3)
    assert "f(9) == 10" in found.why


def test_a_bare_wrong_answer_is_left_open() -> None:
    assert why(HOPS, "The answer is Italy.", "The answer is Spain.").pattern == "open"
    assert why(MATH, "The answer is 42.", "The answer is 41.").pattern == "open"


def test_the_answer_is_swapped_where_it_is_stated_last() -> None:
    lost = of(MATH, "control", "41 or so. The answer is 41.")
    assert swapped(lost, "42") == "41 or so. The answer is 42."


def test_the_diff_gives_both_texts_back_and_marks_what_differs() -> None:
    before, after = "3 + 4 = 7. It is 42.", "3 + 4 = 8. It is 48."
    one, other = marked(before, after)
    assert "".join(text for text, _ in one) == before
    assert "".join(text for text, _ in other) == after
    assert [text for text, mark in one if mark] == ["7", "42"]
    assert [text for text, mark in other if mark] == ["8", "48"]
    assert marked("", "a")[0] == ()


def _run(under: str, control: str, name: str) -> list[ArmOutcome]:
    problem = math_problem("How many?", "42", (), name)
    constraints = (Include(terms=("answer",)),)
    return [
        of(problem, "base", SUM),
        of(problem, "control", control),
        of(problem, "constraint", under, constraints, 1),
    ]


SLIP = "3 + 4 = 8. 8 * 6 = 48. The answer is 48."


def test_what_the_control_loses_the_same_way_is_taken_off() -> None:
    made = [one for k in range(4) for one in _run(SLIP, SLIP, f"both{k}")]
    made += [one for k in range(3) for one in _run("The sea, 48", SUM, f"more{k}")]
    made += _run(SUM, SUM, "fine")
    found = patterns.lost(select(made))
    shares = {one.pattern: one for one in found.shares}
    assert shares["step"].lost.estimate == pytest.approx(4 / 8)
    assert shares["step"].net.estimate == 0.0
    assert shares["broken"].net.estimate == pytest.approx(3 / 8)
    assert "truncated" not in shares
    total = sum(one.net.estimate for one in found.shares)
    assert total == pytest.approx(3 / 8)  # the patterns' differences add up to the interference
    named = {(one.what, one.subject["pattern"]): one for one in patterns.findings(found, "m")}
    control = named["sustain.lost", "step"].control
    assert control is not None
    assert control.estimate == pytest.approx(4 / 8)


def test_a_control_is_judged_against_the_constraints_it_was_not_asked_for() -> None:
    [only] = pairs(select(_run(SUM, "48", "x")).trials, ALONE)
    assert only.under is None
    assert only.control is not None
    assert only.control.control
    assert only.control.pattern == "broken"


def test_problems_lost_at_neither_arm_are_no_failures() -> None:
    assert patterns.lost(select(_run(SUM, SUM, "x"))).shares == ()


def _pair(under: Failure) -> Pair:
    return Pair("p", "math", ALONE, under, None)


class _Judge:
    """Finds a statement true if it says `word`."""

    def __init__(self, word: str) -> None:
        self._word = word
        self.texts: list[str] = []

    async def holds(self, text: str, statement: str) -> bool | None:
        self.texts.append(text)
        return self._word in statement


def test_a_judge_decides_what_is_open_and_is_tried_on_what_is_not() -> None:
    opened = why(MATH, "The answer is 42.", "The answer is 41.")
    known = why(MATH, SUM, SLIP)
    found, tried = asyncio.run(judged([_pair(opened), _pair(known)], _Judge("requirement")))
    first, second = found[0].under, found[1].under
    assert first is not None
    assert (first.pattern, first.judged) == ("bent", True)
    assert second == known  # what a rule told stays
    assert (tried.same, tried.other, tried.silent) == (0, 1, 0)
    finding = tried.finding("judge")
    assert finding.estimate == 1.0
    assert finding.interval is not None


def test_a_judge_that_cannot_tell_leaves_it_open() -> None:
    opened = why(MATH, "The answer is 42.", "The answer is 41.")
    found, tried = asyncio.run(judged([_pair(opened)], _Judge("no statement says this")))
    assert found == [_pair(opened)]
    assert tried.error is None
