"""No Markdown: the answer is plain text, without the signs of Markdown."""

from __future__ import annotations

import re
from typing import ClassVar

from adhere.constraints.bases.parameterless import Parameterless
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Monitor, Span
from adhere.constraints.reading.readers import Line, LineReader
from adhere.constraints.registry import register

_OF_LINES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a heading", re.compile(r" {0,3}#{1,6}[ \t]+\S")),
    ("a code fence", re.compile(r" {0,3}(?:```|~~~)")),
    ("a list item", re.compile(r"\s{0,12}[-*+][ \t]+\S")),
    ("a quotation", re.compile(r" {0,3}>[ \t]?\S")),
    ("a rule", re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")),
    ("a table", re.compile(r"\s{0,3}\|?\s*:?-{2,}:?\s*\|[\s|:-]*$")),
)
_WITHIN: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("bold text", re.compile(r"\*\*[^\s*][^*\n]{0,500}\*\*|(?<!\w)__[^\s_][^_\n]{0,500}__(?!\w)")),
    ("italic text", re.compile(r"(?<![\w*])\*[^\s*][^*\n]{0,500}(?<![\s*])\*(?![\w*])")),
    ("italic text", re.compile(r"(?<!\w)_[^\s_][^_\n]{0,500}(?<![\s_])_(?!\w)")),
    ("code", re.compile(r"`[^`\n]{1,500}`")),
    ("a link", re.compile(r"!?\[[^\]\n]{1,300}\]\([^)\s]{1,2000}\)")),
)


@register
class WithoutMarkdown(Parameterless):
    """The answer is plain text: no headings, fences, list items marked "-", "*" or "+", quotations, rules, tables, bold
    or italic text, code, links. A numbered line is plain text too. Both profiles judge alike.
    """

    kind: ClassVar[str] = "excludes.markdown"
    pieces: ClassVar[tuple[str, ...]] = (
        "# a\n",
        "**a**",
        "*",
        "a",
        "- a\n",
        "`a`",
        "[a](b)",
        "\n",
        "1. a\n",
        "_a_",
        " ",
    )
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\b(?:do not|don't|never) use (?:any )?Markdown(?: formatting)?\b", re.I),
        re.compile(r"\bwithout (?:using |any )*Markdown(?: formatting)?\b", re.I),
    )

    def describe(self) -> str:
        return "Do not use any Markdown formatting."

    def monitor(self) -> Monitor:
        return _MarkdownMonitor()


class _MarkdownMonitor(Monitor):
    def __init__(self) -> None:
        super().__init__()
        self._lines = LineReader()
        self._what = ""
        self._span = Span(0, 0)

    def fork(self) -> Monitor:  # type: ignore[override]
        other = super().fork()
        other._lines = self._lines.fork()
        return other

    def _read(self, chunk: str) -> None:
        self._take(self._lines.read(chunk))

    def _take(self, lines: list[Line]) -> None:
        for line in lines:
            if self._what:
                return
            matches = [(what, pattern.match(line.text)) for what, pattern in _OF_LINES if line.starts]
            matches += [(what, pattern.search(line.text)) for what, pattern in _WITHIN]
            for what, match in matches:
                if match:
                    at = self.length + line.start
                    self._what, self._span = what, Span(at + match.start(), at + match.end())
                    self._decide(BROKEN, line.end)
                    break

    def _conclude(self) -> Check:
        self._take(self._lines.finish())
        if self._what:
            return Check(BROKEN, f"{self._what} found", found=self._what, wanted="no Markdown", spans=(self._span,))
        return Check(HOLDS, "no Markdown found", wanted="no Markdown")
