"""The loose verdict of IFEval: an answer follows an instruction if one of eight loosened texts does.

The eight are the answer as it stands, without its asterisks, without its first line, without its last, without both,
and each of these three without asterisks. An empty text follows nothing; in the fixed profile, nor does one that says
nothing ("***").

They are made when they are first asked for, and those that are the same are checked once: most answers follow at once,
and most texts have no asterisk.
"""

from __future__ import annotations

from collections.abc import Iterator

from adhere.constraints.constraint import BROKEN, Check, Constraint
from adhere.constraints.reading.text_forms import says_nothing

EMPTY = Check(BROKEN, "the answer is empty", at=0)


class Loosened:
    """The loosened texts of one answer, to be gone through as often as it has instructions."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._others: tuple[str, ...] | None = None
        self.says_nothing = says_nothing(text)

    def __iter__(self) -> Iterator[str]:
        """The answer itself, then what differs from it; nothing empty, nothing twice."""
        if self.text.strip():
            yield self.text
        yield from self.others()

    def others(self) -> tuple[str, ...]:
        """All but the answer itself, in the reference's order."""
        if self._others is None:
            whole = self.text
            first, last = whole.find("\n"), whole.rfind("\n")
            texts = [""] * 3
            if first >= 0:
                texts = [whole[first + 1 :].strip(), whole[:last].strip(), whole[first + 1 : last].strip()]
            if "*" in whole:
                texts = [whole.replace("*", ""), *texts, *(text.replace("*", "") for text in texts)]
            self._others = tuple(text for text in dict.fromkeys(texts) if text != whole and text and not text.isspace())
        return self._others


def strict(constraint: Constraint, answer: Loosened) -> Check:
    """The verdict on the answer as it stands."""
    return constraint.check(answer.text) if answer.text.strip() else EMPTY


def loose(constraint: Constraint, answer: Loosened, stands: Check | None = None) -> Check:
    """The check of the first text that meets the constraint, or else of the answer as it stands.

    `stands` is the strict check, where it has been made already.
    """
    stands = stands or strict(constraint, answer)
    if stands.met:
        return stands
    texts = answer.others()
    if constraint.profile == "fixed" and not constraint.empty_meets:
        texts = tuple(text for text in texts if not says_nothing(text))
    checks = (constraint.check(text) for text in texts)
    return next((check for check in checks if check.met), stands)
