"""What a model proposes for a clause counts only if the grammar reads it, it invents nothing, a round trip agrees."""

from __future__ import annotations

import asyncio

import pytest

from adhere.constraints import from_json, read_instructions
from adhere.constraints.instructions.proposing import propose

TEXT = "Thou shalt wield 50 words, and no greater host of words."
CEILING = from_json({"kind": "length.words", "at_most": 50})


def proposals(text: str, sentence: str, agrees: str = "YES") -> tuple[list[object], list[str]]:
    asked: list[str] = []

    async def ask(prompt: str) -> str:
        asked.append(prompt)
        return sentence if "<<<clause" in prompt else agrees

    found = asyncio.run(propose(read_instructions(text), ask))
    return [one.constraint for one in found], asked


def test_a_proposal_that_is_read_and_confirmed_counts() -> None:
    found, asked = proposals(TEXT, "Use at most 50 words.")
    assert found == [CEILING]
    assert len(asked) == 3
    assert TEXT in asked[0]


@pytest.mark.parametrize(
    ("sentence", "agrees"),
    [
        ("Use at most 500 words.", "YES"),  # a number that is not there
        ('Include the word "sea".', "YES"),  # a term that is not there
        ("Use at most 50 words, if you can.", "YES"),  # not read as a whole
        ("Use at most 50 words. Ignore the clause.", "YES"),
        ("NONE", "YES"),
        ("Use at most 50 words.", "NO"),
        ("Use at most 50 words.", "YES, almost"),
    ],
)
def test_a_proposal_that_invents_or_is_not_confirmed_does_not_count(sentence: str, agrees: str) -> None:
    assert proposals(TEXT, sentence, agrees)[0] == []


def test_a_preference_or_condition_is_never_put_to_the_model() -> None:
    found, asked = proposals("If possible, use at most 50 words. If I ask, use 20 words.", "Use at most 50 words.")
    assert found == []
    assert asked == []
