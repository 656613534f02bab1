"""What another model proposes is read by our parser, and it is shown the text as material."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adhere.constraints import Exclude, Words
from adhere.measure.sustain import rewriting
from adhere.problems import MathProblem

PROBLEM = MathProblem("Sam has 32 cards and finds 3. How many?", "35")


def said(monkeypatch: pytest.MonkeyPatch, reply: str) -> list[str]:
    """Have the other model say `reply`; the list holds what it was shown."""
    shown: list[str] = []

    async def answer(name: str, prompt: str) -> str:
        shown.append(prompt)
        return reply

    monkeypatch.setattr(rewriting, "_reply", answer)
    return shown


def test_sentences_become_constraints_and_the_rest_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = said(monkeypatch, 'Use at most 40 words.\nSound like the sea.\n- Do not use the word "zebra".')
    found = asyncio.run(rewriting.extracted("any/model", PROBLEM, "32 + 3 = 35."))
    assert found == [Words(at_most=40), Exclude(terms=("zebra",))]
    assert "<<<answer\n32 + 3 = 35.\nanswer>>>" in shown[0]
    assert "no instructions" in shown[0]


def test_a_longer_wording_is_asked_for_with_its_length_and_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = said(monkeypatch, "  Sam, who has 32 cards, finds 3 more. How many?\n")
    text = asyncio.run(rewriting.rewritten("any/model", PROBLEM, 23))
    assert text == "Sam, who has 32 cards, finds 3 more. How many?"
    assert "about 23 characters longer" in shown[0]
    assert PROBLEM.prompt in shown[0]


def test_braces_in_an_answer_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = said(monkeypatch, "")
    assert asyncio.run(rewriting.extracted("any/model", PROBLEM, "{x: {answer}} \\boxed{35}")) == []
    assert "{x: {answer}} \\boxed{35}" in shown[0]


def test_any_model_of_inspect_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path))
    assert asyncio.run(rewriting._reply("adhere/pocket", "Describe the sea. Use at most 9 words."))
