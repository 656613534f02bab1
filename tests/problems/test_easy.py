"""Easy problems are graded by the word they ask for, however it is wrapped, and never by luck of mentioning all."""

from __future__ import annotations

import pytest

from adhere.core.errors import UserError
from adhere.problems.coding import CodeProblem
from adhere.problems.easy import KINDS, Kind, ShortAnswerProblem, easy_problems

QUESTIONS: tuple[Kind, ...] = ("one-hop", "two-hop", "capitals")


@pytest.mark.parametrize("kind", KINDS)
def test_problems_are_the_same_again_and_no_two_are_alike(kind: Kind) -> None:
    problems = easy_problems(kind, 30, seed=2)
    assert len({problem.prompt for problem in problems}) == len({problem.id for problem in problems}) == 30
    assert problems == easy_problems(kind, 30, seed=2)
    assert [one.prompt for one in problems[:10]] == [one.prompt for one in easy_problems(kind, 10, seed=2)]
    assert problems != easy_problems(kind, 30, seed=3)


@pytest.mark.parametrize("kind", QUESTIONS)
def test_the_right_word_is_right_in_a_sentence_and_a_rival_before_it_is_wrong(kind: Kind) -> None:
    for problem in easy_problems(kind, 40):
        assert isinstance(problem, ShortAnswerProblem)
        right, wrong = problem.reference, problem.rivals[0]
        assert problem.grade(f"It is {right.upper()}, of course.").correct
        assert not problem.grade(f"It is {wrong}, not {right}.").correct
        assert not problem.grade("I do not know.").readable
        assert not problem.grade(f"x{right}x").readable


def test_the_answer_of_every_text_stands_in_it_and_two_hops_have_a_trap() -> None:
    for problem in easy_problems("one-hop", 60):
        assert isinstance(problem, ShortAnswerProblem)
        assert problem.reference in problem.context[0][1]
    for problem in easy_problems("two-hop", 60):
        assert isinstance(problem, ShortAnswerProblem)
        text = problem.context[0][1]
        assert problem.reference in text
        assert any(rival in text for rival in problem.rivals)
        assert problem.hops[0].names[0] in text


def test_a_city_whose_name_is_in_anothers_counts_as_the_longer_one() -> None:
    problem = ShortAnswerProblem(question="?", answers=("Mexico City",), instruction="", rivals=("Mexico",))
    assert problem.grade("The capital is Mexico City.").correct


def test_every_function_asked_for_is_defined_by_its_tests() -> None:
    problems = easy_problems("functions", 60)
    assert len(problems) == 60
    for problem in problems:
        assert isinstance(problem, CodeProblem)
        assert problem.entry_point + "(" in problem.prompt
        assert len(problem.cases) == 2


def test_an_unknown_kind_is_one_line_that_names_the_known() -> None:
    with pytest.raises(UserError, match="one-hop, two-hop, capitals, functions"):
        easy_problems("three-hop", 5)  # type: ignore[arg-type]
