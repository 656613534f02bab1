"""Questions whose answer is one word of a known class: a city, a job, a color.

Rules:

- The answer is the first word of the class that the response names. Small models answer in a sentence ("Anna lives in
  Oslo."), which exact match would fail, and name the alternatives afterwards.
- A response that names no word of the class cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from adhere.problems.multihop import QAProblem, f1
from adhere.problems.problem import Grade, unreadable


@dataclass(frozen=True)
class ShortAnswerProblem(QAProblem):
    """A question with the wrong answers it could be given.

    Args:
        rivals: words of the answer's class that are wrong.
    """

    rivals: Sequence[str] = ()

    def grade(self, response: str) -> Grade:
        """Whether the right word is named before any other of its class; its score is 1 or 0."""
        named = self._first_named(response)
        if named is None:
            return unreadable("none of the possible answers is named")
        correct = named in self.answers
        verdict = "is" if correct else "is not"
        return Grade(
            correct=correct,
            answer=named,
            reason=f"the first answer named, {named!r}, {verdict} {self.reference!r}",
            outcome="correct" if correct else "wrong",
            score=max(f1(named, gold) for gold in self.answers) if correct else 0.0,
            steps=self._steps(response, named),
        )

    def _first_named(self, response: str) -> str | None:
        first: tuple[int, int, str] | None = None
        for word in (*self.answers, *self.rivals):
            match = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", response, re.IGNORECASE)
            if match and (first is None or (match.start(), -len(word)) < first[:2]):
                first = match.start(), -len(word), word
        return None if first is None else first[2]
