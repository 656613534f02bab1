"""Title: the answer has a title in double angular brackets, as in <<poem of joy>>."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Self

from adhere.constraints.bases.parameterless import Parameterless
from adhere.constraints.constraint import BROKEN, HOLDS, AtEnd, Check, Monitor, Span
from adhere.constraints.reading.readers import Line, LineReader
from adhere.constraints.registry import register

_TIGHT = re.compile(r"(?<![A-Za-z0-9<])<<(?![\s<])([^<>]{0,300}[^<>\s])>>(?![A-Za-z0-9>])")
_ALONE = re.compile(r"[\W_]*?<<([^<>]{0,300}[^<>\s][^<>]{0,20})>>[\W_]*")
_REFERENCE = re.compile(r"<<[^\n]+>>")


def _title(line: str) -> re.Match[str] | None:
    """A title that touches its brackets, or that stands alone on its line: an operator in code does neither."""
    return (_TIGHT.search(line) or _ALONE.fullmatch(line)) if "<<" in line else None


@register
class Title(Parameterless):
    """The answer has a title in double angular brackets. The reference takes "cout << x >> y" for one."""

    kind: ClassVar[str] = "format.title"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\btitle,? (?:that is |which is )?(?:wrapped|enclosed|written|contained|put|placed)?[^.\n]{0,20}?"
            r"(?:double angular|double angle) brackets(?:,? (?:such as|like|i\.e\.|e\.g\.)[, ]*<<[^<>\n]*>>)?",
            re.I,
        ),
        re.compile(r"\btitle[^.\n]{0,40}<<[^<>\n]*>>", re.I),
    )

    def describe(self) -> str:
        return "Include a title in double angular brackets, such as <<title>>."

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _TitleMonitor()

    def _by_reference(self, text: str) -> Check:
        met = "<<" in text and any(found.lstrip("<").rstrip(">").strip() for found in _REFERENCE.findall(text))
        return Check(HOLDS, "a title found", wanted=WANTED) if met else Check(BROKEN, "no title found", wanted=WANTED)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        if "<<" in text and cls().check(text).met:
            yield cls()


WANTED = "a title in double angular brackets"


class _TitleMonitor(Monitor):
    def __init__(self) -> None:
        super().__init__()
        self._lines = LineReader()
        self._found: tuple[str, Span] | None = None

    def fork(self) -> Self:
        other = super().fork()
        other._lines = self._lines.fork()
        return other

    def _read(self, chunk: str) -> None:
        if not self._found:
            self._take(self._lines.read(chunk))

    def _take(self, lines: list[Line]) -> None:
        for line in lines:
            match = None if line.fenced else _title(line.text)
            if match and not self._found:
                at = self.length + line.start
                self._found = match[1].strip(), Span(at + match.start(1) - 2, at + match.end(1) + 2)
                self._decide(HOLDS, line.end)

    def _conclude(self) -> Check:
        if not self._found:
            self._take(self._lines.finish())
        if not self._found:
            return Check(BROKEN, "no title found", wanted=WANTED)
        title, span = self._found
        return Check(HOLDS, f"the title is {title!r}", found=title, wanted=WANTED, spans=(span,))
