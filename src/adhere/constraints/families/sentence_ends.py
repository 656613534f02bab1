"""How sentences end: in a full stop, a question mark, an exclamation mark, an emoji.

A sentence's kind is its last mark, closing quotes and brackets aside: "?!" asks, "!" and "!!" exclaim.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Self

import regex
from pydantic import Field

from adhere.constraints.bases.reference_profile import Twofold, bare
from adhere.constraints.bases.reference_profile import sentences as punkt_sentences
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Span
from adhere.constraints.reading.marks import EXCLAMATION_MARKS, FULL_STOPS, QUESTION_MARKS
from adhere.constraints.reading.segments import sentences
from adhere.constraints.registry import register

_KINDS = {
    "declarative": ".…" + FULL_STOPS,
    "interrogative": "?" + QUESTION_MARKS,
    "exclamatory": "!" + EXCLAMATION_MARKS,
}
_ENDINGS = "".join(_KINDS.values()) + "\"'”’»)]*_ \t\r\n"
_ASKS = frozenset(_KINDS["interrogative"])


def kinds(text: str) -> dict[str, list[Span]]:
    """The sentences of each kind; those that end in no such mark (headings, list items) are left out."""
    found: dict[str, list[Span]] = {kind: [] for kind in _KINDS}
    for span in sentences(text):
        end = text[max(span.start, span.end - 40) : span.end]
        marks = end[len(end.rstrip(_ENDINGS)) :]
        if any(mark in _ASKS for mark in marks):
            found["interrogative"].append(span)
            continue
        for kind, signs in _KINDS.items():
            if any(mark in signs for mark in marks):
                found[kind].append(span)
                break
    return found


def _told(found: dict[str, list[Span]]) -> str:
    return ", ".join(f"{len(spans)} {kind}" for kind, spans in found.items())


@register
class SentenceRatio(Twofold):
    """So many declarative sentences for each interrogative one; there must be one at least.

    The reference passes a text with neither (0 == 2 * 0), and no sentence that ends in a quotation mark or a bracket
    has a kind for it.
    """

    kind: ClassVar[str] = "sentences.ratio"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\b(?P<n>\d{1,2}):1 ratio of declarative to interrogative sentences", re.I),
    )

    declarative: Annotated[int, Field(strict=True, ge=1)] = 2

    def describe(self) -> str:
        return f"Maintain a {self.declarative}:1 ratio of declarative to interrogative sentences."

    def followed(self, text: str) -> bool:
        ends = [sentence[-1:] for sentence in punkt_sentences(text)]
        return ends.count(".") == self.declarative * ends.count("?")

    def judge(self, text: str) -> Check:
        found = kinds(text)
        asked, told = len(found["interrogative"]), len(found["declarative"])
        met = asked > 0 and told == self.declarative * asked
        reason = f"{told} declarative, {asked} interrogative sentences"
        wanted = f"{self.declarative} to 1"
        return Check(HOLDS if met else BROKEN, reason, f"{told} to {asked}", wanted, tuple(found["interrogative"]))

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(), cls(declarative=1)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(declarative=int(match["n"]))


@register
class SentenceBalance(Twofold):
    """As many declarative as interrogative as exclamatory sentences; there must be one of each at least.

    The reference passes a text with none of them.
    """

    kind: ClassVar[str] = "sentences.balance"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\bratio of sentence types \(declarative, interrogative,? (?:and )?exclamatory\) "
            r"(?:in your response )?is balanced",
            re.I,
        ),
    )

    def describe(self) -> str:
        return "Ensure that the ratio of sentence types (declarative, interrogative, exclamatory) is balanced."

    def followed(self, text: str) -> bool:
        ends = [sentence[-1:] for sentence in punkt_sentences(text)]
        return ends.count(".") == ends.count("?") == ends.count("!")

    def judge(self, text: str) -> Check:
        found = kinds(text)
        counts = {len(spans) for spans in found.values()}
        met = len(counts) == 1 and counts != {0}
        return Check(HOLDS if met else BROKEN, _told(found), _told(found), "as many of each")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)


_KEYCAP = regex.compile(r"[0-9#*]\uFE0F?\u20E3")
_EMOJI = regex.compile(
    r"\p{Emoji_Presentation}|[\p{Extended_Pictographic}--[©®™‼⁉〰〽]]|\p{Extended_Pictographic}\uFE0F|\p{Regional_Indicator}{2}",
    regex.V1,
)
_ONE_CHARACTER = regex.compile(
    r"[[\p{Emoji}||\p{Emoji_Component}]--[0-9#*\u200D\uFE0F\u20E3\p{Regional_Indicator}\U000E0020-\U000E007F]]",
    regex.V1,
)
_INK = re.compile(r"[^\W_]")


@register
class EmojiEndings(Twofold):
    """An emoji ends every sentence, before or after its mark; flags, keycaps and joined emoji are emoji.

    The reference looks at single characters: flags and keycaps are none to it, nor is an emoji before two marks.
    """

    kind: ClassVar[str] = "sentences.emoji"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\b(?:an )?emoji at the end of (?:every|each) sentence", re.I),
    )

    def describe(self) -> str:
        return "Use an emoji at the end of every sentence."

    def followed(self, text: str) -> bool:
        pieces = [bare(sentence).strip() for sentence in punkt_sentences(text)]
        for index, piece in enumerate(pieces):
            if not piece:
                return False
            if _ONE_CHARACTER.match(piece[-1]) or _ONE_CHARACTER.match(piece[-2:][0]):
                continue
            if not _ONE_CHARACTER.match("".join(pieces[index + 1 : index + 2])[:1]):
                return False
        return True

    def judge(self, text: str) -> Check:
        wanted = "an emoji at the end of every sentence"
        text = _KEYCAP.sub(lambda keycap: "\U0001f51f" + " " * (len(keycap[0]) - 1), text)
        spans = sentences(text)
        without: list[Span] = []
        for index, span in enumerate(spans):
            last = max(match.end() for match in _INK.finditer(text, span.start, span.end))
            after = spans[index + 1] if index + 1 < len(spans) else None
            following = _INK.search(text, after.start, after.end) if after else None
            if not _EMOJI.search(text, last, following.start() if following else len(text)):
                without.append(span)
        found = f"{len(spans) - len(without)} of {len(spans)} sentences end in an emoji"
        return Check(BROKEN if without or not spans else HOLDS, found, found, wanted, tuple(without))

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)
