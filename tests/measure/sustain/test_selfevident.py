"""Constraints that are inserted are met by the solution, and tell nothing about it."""

from __future__ import annotations

from collections import Counter

import pytest

from adhere.constraints import Constraint, Exclude, Include, Words, conflicts, parse
from adhere.constraints.families.numbers import Numbers
from adhere.measure.sustain.problem_sets import DOMAINS, pocket
from adhere.measure.sustain.selfevident import choose, hint, quotes
from adhere.problems import CodeProblem, MathProblem, Problem, QAProblem
from adhere.problems.multihop import Hop

MATH = MathProblem("Sam has 32 cards and finds 3. How many?", "35", id="m")
QA = QAProblem(
    "Where does the sister of Ana live?",
    ("Rome",),
    hops=(Hop("sister", ("Eva Brown",)), Hop("city", ("Rome",))),
    id="q",
)
CODE = CodeProblem("Write f(x) that doubles x.", "f", [((2,), 4)], id="c", reference="def f(x):\n    return x * 2")


def _solutions() -> list[tuple[Problem, str]]:
    found: list[tuple[Problem, str]] = []
    for domain in DOMAINS:
        for problem in pocket(domain, 25, seed=4).problems:
            answer = problem.reference
            if domain == "math":
                answer = getattr(problem, "solution")  # noqa: B009
            elif domain == "multihop":
                answer = " ".join(step.text for step in getattr(problem, "hops")) + f" The answer is {answer}."  # noqa: B009
            found.append((problem, answer))
    return found


def test_every_constraint_chosen_is_met_by_the_solution_and_none_contradicts_another() -> None:
    for problem, answer in _solutions():
        choice = choose(problem, answer, 16, seed=1)
        assert len(choice.constraints) >= 8, problem.prompt
        assert len(set(choice.constraints)) == len(choice.constraints)
        assert all(constraint.check(answer).met for constraint in choice.constraints)
        assert not conflicts(choice.constraints)
        assert all(parse(constraint.describe()) for constraint in choice.constraints)


def test_a_longer_arm_holds_the_shorter_one_and_its_first_four_are_of_four_kinds() -> None:
    for problem, answer in _solutions()[::5]:
        long = choose(problem, answer, 16, seed=1).constraints
        assert choose(problem, answer, 4, seed=1).constraints == long[:4]
        assert len({constraint.kind for constraint in long[:4]}) == 4
        assert len({constraint.kind.partition(".")[0] for constraint in long[:4]}) == 4


def test_over_many_problems_every_kind_comes_first_now_and_then_and_another_seed_gives_another_order() -> None:
    firsts = Counter(choose(problem, answer, 1, seed=1).constraints[0].kind for problem, answer in _solutions())
    assert len(firsts) >= 8
    assert max(firsts.values()) < len(_solutions()) / 2
    problem, answer = _solutions()[0]
    assert len({choose(problem, answer, 16, seed=seed).constraints for seed in range(5)}) > 1


@pytest.mark.parametrize(
    ("constraint", "problem"),
    [
        (Include(terms=("35",)), MATH),
        (Words(at_most=35), MATH),
        (Numbers(at_least=35, at_most=35), MATH),
        (Include(terms=("rome",)), QA),
        (Include(terms=("brown",)), QA),
        (Include(terms=("lambda",)), CODE),
        (Include(terms=("x * 2",)), CODE),
    ],
)
def test_a_constraint_that_gives_the_answer_away_is_dropped(constraint: Constraint, problem: Problem) -> None:
    assert hint(constraint, problem) is not None


@pytest.mark.parametrize(
    ("constraint", "problem"),
    [
        (Words(at_most=34), MATH),
        (Include(terms=("cards",)), MATH),
        (Include(terms=("sister",)), QA),
        (Exclude(terms=("doubles",)), CODE),
        (Include(terms=("return",)), CODE),
    ],
)
def test_a_constraint_that_tells_nothing_is_kept(constraint: Constraint, problem: Problem) -> None:
    assert hint(constraint, problem) is None


def test_an_answer_that_was_read_must_not_be_stated_either() -> None:
    assert hint(Include(terms=("seventeen",)), MATH, read="seventeen") is not None


def test_what_is_dropped_is_counted_with_an_example() -> None:
    answer = "32 + 3 = 35. So Sam has thirty-five cards, 35."
    given = Include(terms=("35",))
    choice = choose(MATH, answer, 4, more=(given, Include(terms=("absent",))))
    assert given not in choice.constraints
    assert choice.dropped["names_answer"] >= 1
    assert choice.examples["names_answer"]
    assert all(constraint.check(answer).met for constraint in choice.constraints)


def test_of_parameters_with_fixed_values_nothing_is_quoted() -> None:
    from adhere.constraints import induce

    lower = next(one for one in induce("no capital here") if one.kind == "case.letters")
    assert quotes(lower) == []
    assert quotes(Include(terms=("sea", "sky"))) == ["sea", "sky"]
