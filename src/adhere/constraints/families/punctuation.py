"""Punctuation that must be there, and quotations that must be explained. (What must not be there: `marks.py`.)"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Self

from adhere.constraints.bases.reference_profile import PUNCTUATION, Twofold
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Monitor, Span
from adhere.constraints.registry import register

STANDARD = (".", ",", "!", "?", ";", ":", "?!")
_MARK = re.compile(r"\?!|!\?|‽|[.,!?;:]")


@register
class EveryMark(Twofold):
    """Full stop, comma, exclamation mark, question mark, semicolon, colon and the interrobang, each once at least.

    The interrobang is "?!", "!?" or "‽", and its two marks do not count as marks of their own: "?!?" is an interrobang
    and a question mark. The reference sees only the first.
    """

    kind: ClassVar[str] = "punctuation.every"
    decides_early: ClassVar[bool] = False  # "?" tells only with the character after it
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\buse every standard punctuation mark at least once(?:, including semicolons, colons,? and the "
            r"interrobang "
            r"\(\?!\))?",
            re.I,
        ),
    )

    def describe(self) -> str:
        return (
            "Use every standard punctuation mark at least once, including semicolons, colons, and the interrobang (?!)."
        )

    def followed(self, text: str) -> bool:
        if not ("?!" in text or "!?" in text or "‽" in text):
            return False
        rest = text.replace("?!", "", 1) if "?!" in text else text.replace("!?", "", 1)
        return all(mark in rest for mark in ".,!?;:")

    def watch(self) -> Monitor:
        return _EveryMarkMonitor()

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        if _INTERROBANG.search(text) and cls().check(text).met:
            yield cls()


_INTERROBANG = re.compile(r"\?!|!\?|‽")


class _EveryMarkMonitor(Monitor):
    def __init__(self) -> None:
        super().__init__()
        self._missing = frozenset(STANDARD)
        self._held = ""

    def _read(self, chunk: str) -> None:
        if not self.verdict.decided:
            self._advance(chunk, last=False)

    def _advance(self, chunk: str, *, last: bool) -> None:
        text = self._held + chunk
        shift = len(self._held)
        self._held = ""
        for match in _MARK.finditer(text):
            mark, end = match[0], match.end()
            if mark in "!?":
                if end == len(text) and not last:
                    self._held = mark
                    return
                end += end < len(text)
            self._missing -= {"?!" if len(mark) == 2 or mark == "‽" else mark}
            if not self._missing:
                self._decide(HOLDS, min(end - shift, len(chunk)))
                return

    def _conclude(self) -> Check:
        if not self.verdict.decided:
            self._advance("", last=True)
        wanted = " ".join(STANDARD)
        if self._missing:
            missing = " ".join(mark for mark in STANDARD if mark in self._missing)
            return Check(BROKEN, f"missing: {missing}", found=len(STANDARD) - len(self._missing), wanted=wanted)
        return Check(HOLDS, "every mark found", found=len(STANDARD), wanted=wanted)


_QUOTATION = re.compile(r"\"[^\"\n]{1,2000}\"|“[^“”\n]{1,2000}”|«[^«»\n]{1,2000}»")


@register
class ExplainedQuotes(Twofold):
    """Every quoted phrase is followed by words that are not quoted, before the next quotation or the end.

    The reference asks that no two quotation marks stand side by side and that the text does not end in one: a text
    without quotations passes, "said" between two of them explains, and so does a comma.
    """

    kind: ClassVar[str] = "punctuation.explained_quotes"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\bevery quoted phrase must be followed by an unquoted explanation", re.I),
    )

    def describe(self) -> str:
        return "Every quoted phrase must be followed by an unquoted explanation."

    def followed(self, text: str) -> bool:
        text = "".join(text.replace("'\"'", "").split())
        edge = text.strip("0123456789" + PUNCTUATION.replace('"', ""))
        return '""' not in text and not edge.endswith('"')

    def judge(self, text: str) -> Check:
        wanted = "words after each quotation"
        spans = [Span(*match.span()) for match in _QUOTATION.finditer(text)]
        ends = [*(span.start for span in spans[1:]), len(text)]
        alone = tuple(
            span for span, end in zip(spans, ends, strict=False) if not re.search(r"[^\W\d_]", text[span.end : end])
        )
        found = f"{len(spans) - len(alone)} of {len(spans)} quotations have words after them"
        return Check(BROKEN if alone else HOLDS, found, found, wanted, alone)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)
