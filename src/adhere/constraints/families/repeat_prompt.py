"""Repeat: the answer begins with the request, word for word, and then goes on."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator

from adhere.constraints.constraint import BROKEN, HOLDS, AtEnd, Check, Constraint, Monitor, Span, Verdict
from adhere.constraints.registry import register


def _request(value: str) -> str:
    if not value.strip():
        raise ValueError("the request to repeat is empty")
    return value.strip()


@register
class RepeatPrompt(Constraint):
    """The answer begins with this request (in either case, white space counting once) and something follows it.

    The reference is content with the request alone, and with a word that goes on where the request ends.
    """

    kind: ClassVar[str] = "structure.repeat_prompt"
    empty_meets: ClassVar[bool] = True
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", "b", " ", "a b", " b", " more", "x")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\bFirst,? repeat this request word for word,? then (?:give your )?answer: "
            r"[\"“](?P<prompt>[^\n]{1,4000})[\"”]\Z"
        ),
        re.compile(
            r"^[^\n]{0,80}?\brepeat (?:the |all )?(?:exact,? |entire |whole ){0,3}"
            r"(?:request|prompt|question|sentence|text)(?P<place> above| below| itself)?\b[^\n]{0,240}",
            re.I | re.M,
        ),
    )

    prompt: Annotated[str, AfterValidator(_request)]

    def describe(self) -> str:
        return f'First repeat this request word for word, then give your answer: "{self.prompt}"'

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _RepeatMonitor(self.prompt)

    def _by_reference(self, text: str) -> Check:
        met = text.strip().lower().startswith(self.prompt.lower())
        return Check(Verdict.of(met), "the request is repeated" if met else "the request is not repeated")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(prompt="Write a poem."), cls(prompt="a b")

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        if "prompt" in match.re.groupindex:
            return cls(prompt=match["prompt"])
        before, after = match.string[: match.start()].strip(), match.string[match.end() :].strip()
        request = after if match["place"] == " below" or not before else before
        return cls(prompt=request) if request else None


class _RepeatMonitor(Monitor):
    """Compares letter by letter until the request has been repeated, then waits for what follows it."""

    def __init__(self, prompt: str) -> None:
        super().__init__()
        self._prompt = " ".join(prompt.split()).casefold()
        self._done = 0
        """Characters of the request that have been repeated."""
        self._space = False
        self._started = False

    def _read(self, chunk: str) -> None:
        if self.verdict.decided:
            return
        prompt = self._prompt
        for at, c in enumerate(chunk):
            if c.isspace():
                self._space = self._started
                continue
            expected = prompt[self._done] if self._done < len(prompt) else ""
            if not expected:
                joined = not self._space and (prompt[-1].isalnum() and c.isalnum())
                self._decide(BROKEN if joined else HOLDS, at + 1)
                return
            if (expected == " ") != self._space:
                self._decide(BROKEN, at + 1)
                return
            start = self._done + self._space
            folded = c.casefold()
            if not prompt.startswith(folded, start):
                self._decide(BROKEN, at + 1)
                return
            self._done = start + len(folded)
            self._space, self._started = False, True

    def _conclude(self) -> Check:
        wanted = "the request repeated, then an answer"
        if self.verdict is HOLDS:
            return Check(HOLDS, "the request is repeated", wanted=wanted)
        if self.verdict is BROKEN:
            assert self.at is not None
            reason = f"the request is repeated up to character {self._done} of {len(self._prompt)}"
            return Check(BROKEN, reason, self._done, wanted, (Span(self.at - 1, self.at),))
        reason = "nothing follows the request" if self._done == len(self._prompt) else "the request is not repeated"
        return Check(BROKEN, reason, self._done, wanted)
