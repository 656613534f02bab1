"""A question with a checkable answer: `Problem`, and the `Grade` it gives a response.

Rules:
- A problem reads the answer out of the response by itself, leniently, and in the same way whatever stood around
  the question: a reader that is stricter in one arm of an experiment than in another would measure the reader.
- `grade` takes the text after reasoning has been removed, touches no state, and may be called from any thread.
- `correct` is None only where the grader's own machine failed (a sandbox that was killed, a comparison that another
  process starved). None is neither a pass nor a fail: whoever averages leaves it out and says how many there were.
  What an answer itself brings about, a grader that runs out of time or memory over it included, is wrong, with its
  reason: no answer can take itself out of the rate.
- `steps` are the way to the answer in order: intermediate results (math), hops (multi-hop QA), tests (code).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal, Protocol, runtime_checkable

Domain = Literal["math", "multihop", "code"]

Outcome = Literal["correct", "wrong", "unreadable", "error", "limit", "suspect", "undecided"]
"""How a response ended.

correct     the answer is right
wrong       an answer was read, and it is another one (code: a test's assertion failed)
unreadable  no answer could be read out of the response
error       it raised, exited, or did what the sandbox forbids (code); the grader failed over it
limit       it ran past a limit: of time, memory, output or processes (code), of what an expression may cost (math)
suspect     code only: tests that it could reach passed, and it holds what could have made them pass; counted as
            not correct, and apart from what is wrong
undecided   the grader's own machine failed; `Grade.correct` is None
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way to an answer.

    Attributes:
        text: what the step says: an equation, the question of a hop, a test.
        ok: whether it is right; None where that is not known (an equation in words, a test not reached).
        value: what it comes to, where the same step may be worded in many ways (math).
    """

    text: str
    ok: bool | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Grade:
    """What a response is worth.

    Attributes:
        correct: whether the answer is right; None where that could not be decided.
        answer: the answer as it was read, None where none was found.
        reason: one line for a person.
        outcome: one of `Outcome`.
        score: in [0, 1]: token F1 for multi-hop QA, share of tests passed for code, else 1.0 or 0.0.
        steps: the way to the answer; see `Step`.
    """

    correct: bool | None
    answer: str | None
    reason: str
    outcome: Outcome
    score: float
    steps: tuple[Step, ...] = ()

    @property
    def readable(self) -> bool:
        """Whether an answer could be read at all."""
        return self.outcome != "unreadable"

    @property
    def first_failed(self) -> int | None:
        """Index of the first step known to be wrong: first wrong hop, first failing test."""
        return next((index for index, step in enumerate(self.steps) if step.ok is False), None)


@runtime_checkable
class Problem(Protocol):
    """A question whose answer a program can check."""

    @property
    def id(self) -> str: ...
    @property
    def domain(self) -> Domain: ...
    @property
    def prompt(self) -> str: ...
    @property
    def reference(self) -> str:
        """The right answer, as text: never shown to a model."""
        ...

    def grade(self, response: str) -> Grade:
        """What `response`, reasoning removed, is worth."""
        ...


def unreadable(reason: str) -> Grade:
    """The grade of a response in which no answer was found."""
    return Grade(correct=False, answer=None, reason=reason, outcome="unreadable", score=0.0)


def failed(error: Exception) -> Grade:
    """The grade of a response over which its grader failed: an error of this one response, not correct."""
    reason = f"the grader failed over this response: {type(error).__name__}: {str(error)[:200]}"
    return Grade(correct=False, answer=None, reason=reason, outcome="error", score=0.0)


def content_id(domain: str, *parts: Any) -> str:
    """An id that stays the same as long as the question does, for problems that bring none of their own."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass"))
    return f"{domain}-{digest.hexdigest()[:12]}"


def first_difference(before: Grade, after: Grade) -> int | None:
    """Index of the first step at which two answers to one problem part; None where their steps agree.

    For math this is the first intermediate result that differs, for QA the first hop and for code the first test
    with another verdict. A way that merely ends earlier differs at its end.
    """
    for index, (one, other) in enumerate(zip_longest(before.steps, after.steps)):
        if one is None or other is None:
            return index
        if (one.value or one.text, one.ok) != (other.value or other.text, other.ok):
            return index
    return None
