"""Layout: what stands at the beginning of a line, how far it is indented, and where there is white space at all."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, ClassVar, Self

from pydantic import Field

from adhere.constraints.bases.bounds import NUMBER, number
from adhere.constraints.bases.reference_profile import Twofold, bare
from adhere.constraints.bases.reference_profile import sentences as punkt_sentences
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Monitor, Span
from adhere.constraints.reading.marks import BULLETS
from adhere.constraints.reading.segments import lines, sentences
from adhere.constraints.registry import register


@register
class NoWhiteSpace(Twofold):
    """No white space anywhere."""

    kind: ClassVar[str] = "layout.no_white_space"
    decides_early: ClassVar[bool] = True
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\bnot contain any white ?space|\b(?:without|no|don't use|do not use)(?: any)? white ?space", re.I),
    )

    def describe(self) -> str:
        return "The output should not contain any whitespace."

    def followed(self, text: str) -> bool:
        return not any(map(str.isspace, text))

    def watch(self) -> Monitor:
        return _WhiteSpaceMonitor()

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        if text and not _SPACE.search(text):
            yield cls()


_SPACE = re.compile(r"\s")


class _WhiteSpaceMonitor(Monitor):
    def _read(self, chunk: str) -> None:
        if not self.verdict.decided and (match := _SPACE.search(chunk)):
            self._decide(BROKEN, match.end())

    def _conclude(self) -> Check:
        if self.at is None:
            return Check(HOLDS, "no white space", found=0, wanted="no white space")
        return Check(BROKEN, "white space", wanted="no white space", spans=(Span(self.at - 1, self.at),))


@register
class WordPerLine(Twofold):
    """Each word stands on a line of its own.

    The reference only compares two numbers, and takes a line of blanks for one: such a line makes up for two words on
    another.
    """

    kind: ClassVar[str] = "layout.word_per_line"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = ("a", " ", "\n")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\b(?:write|put) each word on (?:a new|its own) line", re.I),
    )

    def describe(self) -> str:
        return "Write each word on a new line."

    def followed(self, text: str) -> bool:
        text = bare(text).strip()
        return sum(line != "" for line in text.split("\n")) == len(text.split())

    def watch(self) -> Monitor:
        return _WordPerLineMonitor()

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        if len(lines(text)) > 2 and cls().check(text).met:
            yield cls()


_NEXT = re.compile(r"(?P<line>[\r\n])|(?P<gap>[^\S\r\n])|(?P<ink>[^\W_])")


class _WordPerLineMonitor(Monitor):
    """A word is what stands between white space and has a letter or a digit."""

    def __init__(self) -> None:
        super().__init__()
        self._word = False
        """Whether the line has a word already."""
        self._gap = False
        """Whether white space came after it."""

    def _read(self, chunk: str) -> None:
        if self.verdict.decided:
            return
        for match in _NEXT.finditer(chunk):
            if match["line"]:
                self._word = self._gap = False
            elif match["gap"]:
                self._gap = self._word
            elif self._gap:
                self._decide(BROKEN, match.end())
                return
            else:
                self._word = True

    def _conclude(self) -> Check:
        wanted = "one word on each line"
        if self.at is not None:
            return Check(BROKEN, "two words on a line", wanted=wanted, spans=(Span(self.at - 1, self.at),))
        return Check(HOLDS, wanted, wanted=wanted)


@register
class Stairs(Twofold):
    """Each line is indented further than the one before; blank lines do not count.

    The reference loses track where two blank lines follow each other: one of them stays, and breaks the stairs or makes
    up for them.
    """

    kind: ClassVar[str] = "layout.stairs"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\bcreate stairs by incrementally indenting each new line", re.I),
    )

    def describe(self) -> str:
        return "Create stairs by incrementally indenting each new line."

    def followed(self, text: str) -> bool:
        # The reference removes blank lines from the list that it walks: the line after each is skipped, and where blank
        # lines are equal the first that is left goes.
        rows = text.split("\n")
        places: dict[str, deque[int]] = {}
        for place, row in enumerate(rows):
            if not row.strip():
                places.setdefault(row, deque()).append(place)
        gone: set[int] = set()
        at = 0
        while at < len(rows):
            if blank := places.get(rows[at]):
                gone.add(blank.popleft())
                at += 1
            at += 1
        kept = [row for place, row in enumerate(rows) if place not in gone]
        steps = [len(line) - len(line.lstrip(" ")) for line in kept]
        return all(one < other for one, other in pairwise(steps))

    def judge(self, text: str) -> Check:
        wanted = "each line further in than the one before"
        before, width = -1, -1
        spans = lines(text)
        for index, span in enumerate(spans):
            line = text[span.start : span.end].expandtabs()
            width = len(line) - len(line.lstrip())
            if width <= before:
                return Check(
                    BROKEN, f"line {index + 1} is not further in than line {index}", wanted=wanted, spans=(span,)
                )
            before = width
        return Check(HOLDS, f"{len(spans)} steps", found=len(spans), wanted=wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)


_INSTEAD = r"\banswer with a list of items,? instead of bullet points use"
_MARKER = re.compile(rf"\s{{0,40}}([{re.escape(BULLETS)}]|\d{{1,3}}[.)])\s")


@register
class ListMarker(Twofold):
    """A list of two items or more, whose lines start with a marker of its own instead of bullet points.

    The reference is content with the marker anywhere, twice ("-" in "well-known" and "re-use").
    """

    kind: ClassVar[str] = "layout.list_marker"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(rf"{_INSTEAD} [\"“](?P<marker>[^\"“”\n]{{1,40}})[\"”]", re.I),
        re.compile(rf"{_INSTEAD} (?P<marker>[^\s\"“”]{{1,40}}?)(?=\.?(?:\s|$))", re.I),
    )

    marker: Annotated[str, Field(min_length=1, pattern=r"^\S[^\n]*$")]

    def describe(self) -> str:
        return f'Answer with a list of items, instead of bullet points use "{self.marker}".'

    def followed(self, text: str) -> bool:
        return text.count(self.marker) >= 2

    def judge(self, text: str) -> Check:
        wanted = f'a list marked with "{self.marker}"'
        items: list[Span] = []
        for span in lines(text):
            line = text[span.start : span.end]
            if line.lstrip().startswith(self.marker):
                items.append(span)
            elif bullet := _MARKER.match(line):
                return Check(
                    BROKEN, f'an item marked with "{bullet[1]}"', found=bullet[1], wanted=wanted, spans=(span,)
                )
        met = len(items) >= 2
        return Check(HOLDS if met else BROKEN, f"{len(items)} items", len(items), wanted, tuple(items))

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(marker="!?!?"), cls(marker="-"), cls(marker="...")

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(marker=match["marker"])


_STAR = re.compile(r"\s{0,40}\*(?!\*)\s{0,40}\S")
_DASH = re.compile(r"\s{0,40}[-–]\s{0,40}\S")


@register
class SubBullets(Twofold):
    """Bullet points that begin with "*", each followed by sub-bullets that begin with "-" before the next.

    The reference cuts the text at every asterisk and looks for a dash anywhere: bold type breaks it, a hyphen mends
    it, and a text without bullet points passes.
    """

    kind: ClassVar[str] = "layout.sub_bullets"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\binclude bullet points denoted by [\"“]?\*[\"”]? and at least one sub-bullet point denoted by "
            r"[\"“]?-[\"”]? "
            r"for each bullet point",
            re.I,
        ),
    )

    def describe(self) -> str:
        return (
            "Include bullet points denoted by * and at least one sub-bullet point denoted by - for each bullet point."
        )

    def followed(self, text: str) -> bool:
        return all("-" in bullet for bullet in text.split("*")[1:])

    def judge(self, text: str) -> Check:
        wanted = 'points marked "*", each with sub-points marked "-"'
        bullets: list[tuple[Span, int]] = []
        for span in lines(text):
            line = text[span.start : span.end]
            if _STAR.match(line):
                bullets.append((span, 0))
            elif bullets and _DASH.match(line):
                bullets[-1] = (bullets[-1][0], bullets[-1][1] + 1)
        alone = tuple(span for span, subs in bullets if not subs)
        if not bullets:
            return Check(BROKEN, "no bullet points", found=0, wanted=wanted)
        if alone:
            return Check(
                BROKEN, f"{len(alone)} of {len(bullets)} points have no sub-point", len(bullets), wanted, alone
            )
        return Check(HOLDS, f"{len(bullets)} points with sub-points", len(bullets), wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)


@register
class SentencesThenBullets(Twofold):
    """At least two sentences that end in a full stop, then at least two bullet points marked "*".

    The reference lets no blank line stand between sentences or between bullet points, and any mark end a sentence.
    """

    kind: ClassVar[str] = "layout.sentences_then_bullets"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\bat least (?P<sentences>{NUMBER}) sentences? ending in a period followed by at least "
            rf"(?P<bullets>{NUMBER}) bullet points? denoted by [\"“]?\*",
            re.I,
        ),
    )

    sentences: Annotated[int, Field(strict=True, ge=1)] = 2
    bullets: Annotated[int, Field(strict=True, ge=1)] = 2

    def describe(self) -> str:
        sentence = "sentence" if self.sentences == 1 else "sentences"
        point = "point" if self.bullets == 1 else "points"
        return (
            f"Write at least {self.sentences} {sentence} ending in a period followed by at least {self.bullets} bullet "
            f"{point} denoted by *."
        )

    def followed(self, text: str) -> bool:
        reading, count, bullets = True, 0, 0
        for line in text.split("\n"):
            if line.strip().startswith("*"):
                reading = False
                if count < self.sentences:
                    return False
                bullets += 1
            elif reading:
                found = len(punkt_sentences(line.strip()))
                reading = found > 0
                count += found
            else:
                return False
        return bullets >= self.bullets

    def judge(self, text: str) -> Check:
        wanted = f"{self.sentences} sentences, then {self.bullets} points"
        spans = lines(text)
        stars = [span for span in spans if _STAR.match(text, span.start, span.end)]
        before = text[: stars[0].start] if stars else text
        ended = sum(before[s.start : s.end].rstrip(" \t\r\n\"'”’)*_").endswith((".", "。")) for s in sentences(before))
        found = f"{ended} sentences with a full stop, {len(stars)} points"
        marked = set(stars)
        after = [span for span in spans if stars and span.start > stars[0].start and span not in marked]
        stray = [span for span in after if not text[span.start : span.end][:1].isspace()]
        if stray:
            return Check(BROKEN, "text after the points began", found, wanted, tuple(stray))
        met = ended >= self.sentences and len(stars) >= self.bullets
        return Check(HOLDS if met else BROKEN, found, found, wanted, tuple(stars))

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(), cls(sentences=1, bullets=3)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(sentences=number(match["sentences"]), bullets=number(match["bullets"]))
