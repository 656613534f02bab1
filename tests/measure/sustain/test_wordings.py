"""Placebo and longer wording match the constraints in length, and ask for nothing and for the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from adhere.constraints import parse
from adhere.measure.sustain.problem_sets import DOMAINS, pocket
from adhere.measure.sustain.wordings import AGAIN, OPENINGS, TIES, TRUTHS, _tied, lost, placebo, reworded
from adhere.problems import MathProblem, Problem, load

DATA = Path(__file__).parents[4] / "shared" / "data"
FILES = (
    "gsm8k/test.jsonl",
    "math500/test.jsonl",
    "multihop/hotpotqa_distractor_dev_200.jsonl",
    "multihop/musique_ans_dev_200.jsonl",
    "humaneval/HumanEval.jsonl.gz",
    "mbpp/sanitized-mbpp.json",
)


def test_a_placebo_states_no_constraint() -> None:
    for sentence in (*TRUTHS, *OPENINGS, *AGAIN, *TIES):
        assert parse(sentence) == ()
        assert not any(character.isdigit() for character in sentence)


@pytest.mark.parametrize("length", [14, 23, 31, 47, 80, 150, 400, 560])
def test_a_placebo_is_as_long_as_the_constraint_and_says_nothing_twice(length: int) -> None:
    for seed in range(5):
        said = placebo(length, random.Random(seed))
        assert abs(len(" ".join(said)) - length) <= 2
        assert len(set(said)) == len(said)


def test_placebos_differ_between_problems() -> None:
    assert len({tuple(placebo(60, random.Random(seed))) for seed in range(10)}) > 3


def test_a_longer_wording_of_the_pocket_world_is_the_same_problem() -> None:
    for domain in DOMAINS:
        for number, problem in enumerate(pocket(domain, 30, seed=5).problems):
            wanted = 20 + number
            text = reworded(problem, wanted)
            assert text is not None
            assert abs(len(text) - len(problem.prompt) - wanted) <= 10
            assert lost(problem, text) is None


@pytest.mark.parametrize("file", FILES)
def test_longer_wordings_of_real_problems_lose_nothing_and_come_near(file: str) -> None:
    if not (DATA / file).exists():
        pytest.skip("the data sets are not here")
    for number, problem in enumerate(load(DATA / file, limit=60, seed=1).problems):
        wanted = 25 + number % 30
        text = reworded(problem, wanted)
        assert text is not None
        assert abs(len(text) - len(problem.prompt) - wanted) <= 15
        assert lost(problem, text) is None


def test_a_name_keeps_its_capital_and_no_question_becomes_a_statement() -> None:
    problem = MathProblem("Omar has 9 bags. The bags hold 7 cards each. How many cards are there?", "63")
    text = _tied(problem.prompt, 4)
    assert "known that Omar has" in text
    assert "known that the bags hold" in text
    assert text.endswith(" How many cards are there?")
    assert lost(problem, text) is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Sam has 4 red cards and Ana has 7. Who has more?", "number"),
        ("Sam has 4 red cards and Bob has 5. Who has more?", "name"),
        ("He has 4 red cards and she has 5. Who has more?", "name"),
        ('Sam has 4 "red" cards and Ana has 5. Who has more?', "quotation"),
        ("Sam has 4 red cards, and in the year 1990 Ana has 5. Who has more?", "number"),
    ],
)
def test_a_rewording_that_changes_the_problem_is_found_out(text: str, what: str) -> None:
    problem: Problem = MathProblem("With Sam are 4 red cards and with Ana 5. Who has more?", "Ana")
    assert what in (lost(problem, text) or "")


def test_a_rewording_that_touches_code_is_found_out() -> None:
    from adhere.problems import CodeProblem

    problem = CodeProblem("Make it pass:\n\nassert f(2) == 4\n", "f", ["assert f(2) == 4"])
    assert lost(problem, "Please make it pass:\n\nassert f(2) == 4\n") is None
    assert "code" in (lost(problem, "Please make it pass:\n\nassert f(2) is 4\n") or "")


def _pieces(text: str) -> int:
    """A tokenizer that has only short words whole."""
    return sum(1 if len(word) < 4 else len(word) // 2 for word in text.split())


@pytest.mark.parametrize("length", [5, 9, 20, 140])
def test_a_placebo_is_matched_in_the_unit_it_is_told(length: int) -> None:
    for seed in range(5):
        said = placebo(length, random.Random(seed), _pieces)
        assert abs(_pieces(" ".join(said)) - length) <= 1


def test_a_longer_wording_is_matched_in_the_unit_it_is_told() -> None:
    problem = pocket("math", 3, seed=5).problems[0]
    text = reworded(problem, 12, _pieces)
    assert text is not None
    assert 6 <= _pieces(text) - _pieces(problem.prompt) <= 24
