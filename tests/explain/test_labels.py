"""Labels: cases, balance, verdicts token by token."""

from __future__ import annotations

from collections import Counter

import pytest

from adhere.constraints.families.length import Words
from adhere.constraints.families.terms import Exclude, Include
from adhere.core.errors import UserError
from adhere.explain.cases.labels import (
    BROKEN,
    HOLDS,
    OPEN,
    SKILLS,
    LabelledCase,
    Prompt,
    Response,
    balance,
    cases,
    decided,
    skill_names,
    verdicts,
)

AT_MOST_3 = Words(at_most=3)
NO_SEA = Exclude(terms=("sea",))


def _case(skill: str, met: bool, stratum: str, number: int) -> LabelledCase:
    return LabelledCase(number, skill, met, stratum, number)


def test_a_case_is_met_only_if_every_constraint_of_its_skill_is() -> None:
    prompt = Prompt(1, (("user", "?"),), (Include(terms=("sea",)), Include(terms=("sand",)), AT_MOST_3), "describe")
    found = cases([Response(prompt, (), "The sea shines.", True), Response(prompt, (), "sea sand", True)])
    assert [(case.response, case.skill, case.met) for case in found] == [
        (0, "inclusion", False),
        (0, "word_count", True),
        (1, "inclusion", True),
        (1, "word_count", True),
    ]
    assert found[0].stratum == "describe/word_count"


def test_an_empty_answer_meets_nothing_and_a_logged_verdict_is_believed() -> None:
    prompt = Prompt(1, (("user", "?"),), (AT_MOST_3,))
    assert not cases([Response(prompt, (), " \n", True)])[0].met
    assert cases([Response(prompt, (), "one two three four", True, (("word_count", True),))])[0].met


def test_balance_keeps_both_classes_equal_within_each_kind_of_item() -> None:
    found = [_case("sentiment", False, "turn", k) for k in range(40)]
    found += [_case("sentiment", True, "turn", 100 + k) for k in range(9)]
    found += [_case("sentiment", True, "describe", 200 + k) for k in range(50)]  # never fails: tells the task, no more
    kept = balance(found, 100)
    assert Counter((case.stratum, case.met) for case in kept) == {("turn", True): 9, ("turn", False): 9}
    assert Counter(case.met for case in balance(found, 10)) == {True: 5, False: 5}


def test_balance_puts_the_violated_case_before_its_met_partner() -> None:
    found = [_case(skill, bool(k % 3), "x", k) for skill in ("json", "topic") for k in range(30)]
    kept = balance(found, 12)
    for broken, met in zip(kept[::2], kept[1::2], strict=True):
        assert (broken.met, met.met) == (False, True)
        assert broken.skill == met.skill


def test_the_verdict_changes_at_the_token_that_decides() -> None:
    text = "a b c d e"
    told = verdicts([AT_MOST_3], text, [2, 4, 6, 8, 9])
    assert told.tolist() == [OPEN, OPEN, OPEN, BROKEN, BROKEN]
    assert decided(told) == 3


def test_several_constraints_are_broken_by_the_first_and_hold_by_the_last() -> None:
    text = "sea and sand here"
    ends = [3, 7, 12, 17, 17]
    assert verdicts([Include(terms=("sea",)), Include(terms=("sand",))], text, ends).tolist()[-1] == HOLDS
    first = verdicts([Include(terms=("sand",)), NO_SEA], text, ends)
    assert first[0] == OPEN or first[0] == BROKEN
    assert first[1] == BROKEN


def test_what_only_the_end_decides_is_decided_at_the_end_token() -> None:
    text = "a b"
    told = verdicts([AT_MOST_3], text, [1, 3, 3])
    assert told.tolist() == [OPEN, OPEN, HOLDS]
    assert decided(told) == 2
    cut = verdicts([AT_MOST_3], text, [1, 3])
    assert cut.tolist() == [OPEN, OPEN], "an answer that was cut off is not finished"


def test_skill_names_take_aliases_and_say_the_nearest() -> None:
    assert skill_names("json, words") == ("word_count", "json")
    assert skill_names(None) == SKILLS
    with pytest.raises(UserError, match="nearest: sentiment"):
        skill_names("sentimant")
