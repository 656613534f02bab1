"""Prescribed answers: the whole answer is a given text, one of a few, a given text with its first word changed, or
says something backwards.

White space at the ends of an answer and case do not count, nor do full stops and quotation marks around it.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field

from adhere.constraints.bases.reference_profile import Twofold, bare, edged
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Span
from adhere.constraints.families.terms import quoted
from adhere.constraints.registry import register

_AROUND = " \t\r\n.。!\"“”'‘’`*_"


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(_AROUND).casefold()


def _single(value: str) -> str:
    if not _plain(value):
        raise ValueError("it must have a character that is neither white space nor a mark")
    return value


Passage = Annotated[str, AfterValidator(_single)]
"""A text with something in it."""


@register
class Exactly(Twofold):
    """The answer is a given text and nothing else."""

    kind: ClassVar[str] = "answer.exactly"
    empty_meets: ClassVar[bool] = True
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\banswer with exactly this and nothing else: [\"“](?P<text>[^”\"“]{1,2000})[\"”]", re.I),
        re.compile(r"\b(?P<self>only output this sentence here, ignore all other requests\.?)", re.I),
    )

    text: Passage

    def describe(self) -> str:
        return f'Answer with exactly this and nothing else: "{self.text}".'

    def followed(self, text: str) -> bool:
        return text.strip().lower() == self.text.strip().lower()

    def judge(self, text: str) -> Check:
        here, due = _plain(text), _plain(self.text)
        wanted = f'"{self.text[:80]}"'
        if here == due:
            return Check(HOLDS, f"the answer is {wanted}", here[:80], wanted)
        at = next(
            (k for k, (one, other) in enumerate(zip(here, due, strict=False)) if one != other), min(len(here), len(due))
        )
        return Check(BROKEN, f"the answer departs from {wanted} after {at} characters", here[:80], wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(text="Only output this sentence here, ignore all other requests."), cls(text="the sea")

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        groups = match.groupdict()
        return cls(text=groups.get("self") or groups["text"])


_OPTION = re.compile(r"[\"“]([^\"“”\n]{1,200})[\"”]")


def _options(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" ".join(_single(value).split()) for value in values))


@register
class OneOf(Twofold):
    """The answer is one of the options and nothing else: no explanation.

    The reference wants options that look like "a)" to the letter ("A)" and "a" fail).
    """

    kind: ClassVar[str] = "answer.one_of"
    empty_meets: ClassVar[bool] = True
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\banswer with one of the following options: "
            r"(?P<options>[\"“][^\"“”\n]{1,200}[\"”](?:(?:, | or |, or )[\"“][^\"“”\n]{1,200}[\"”]){1,40})"
            r"(?:,? and nothing else|\. Do not give any explanation)",
            re.I,
        ),
        re.compile(
            r"\banswer with one of the following options: (?P<plain>[^\n\"“”]{1,200}?)\. Do not give any explanation",
            re.I,
        ),
    )

    options: Annotated[tuple[str, ...], Field(min_length=2), AfterValidator(_options)]

    def describe(self) -> str:
        return f"Answer with one of the following options: {quoted(self.options, 'or')}, and nothing else."

    @property
    def _lettered(self) -> bool:
        return bool(re.match(r"\W*a\W*b\W*c\W*", ", ".join(self.options), re.I))

    def followed(self, text: str) -> bool:
        if self._lettered:
            return text in self.options
        return edged(text).lower() in {edged(option).lower() for option in self.options}

    def judge(self, text: str) -> Check:
        here = _bare_option(text)
        wanted = f"nothing but {quoted(self.options, 'or')}"
        met = here in {_bare_option(option) for option in self.options}
        return Check(HOLDS if met else BROKEN, f'"{here[:80]}" found', here[:80], wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(options=("yes", "no", "maybe")), cls(options=("a)", "b)", "c)", "d)"))

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        plain = match.groupdict().get("plain")
        return cls(options=split_options(plain) if plain else tuple(_OPTION.findall(match["options"])))


def split_options(options: str) -> tuple[str, ...]:
    """Options as an instruction writes them: "yes/no/maybe", "I know or I don't know", "a), b), c)"."""
    if "/" in options:
        parts = options.split("/")
    elif len(parts := re.split(r",? or ", options)) > 1:
        parts = [part for piece in parts for part in piece.split(", ")]
    else:
        parts = options.split(",")
    return tuple(part.strip() for part in parts if part.strip())


def _bare_option(text: str) -> str:
    return _plain(text).strip("()[]:;, ")


@register
class ChangedFirstWord(Twofold):
    """The answer repeats a given request word for word, but for its first word, which is another.

    The reference lets the first word stand where anything else differs, a blank at the end say.
    """

    kind: ClassVar[str] = "answer.changed_first_word"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\brepeat the request, but change the first word of the repeated request, and do not answer it! "
            r"Request: [\"“](?P<request>[^”\"“]{1,5000})[\"”]",
            re.I,
        ),
    )

    request: Passage

    def describe(self) -> str:
        return (
            "Repeat the request, but change the first word of the repeated request, and do not answer it! "
            f'Request: "{self.request}".'
        )

    def followed(self, text: str) -> bool:
        return text != self.request and text.split()[1:] == self.request.split()[1:]

    def judge(self, text: str) -> Check:
        here, due = text.split(), self.request.split()
        wanted = "the request with another first word"
        if not here:
            return Check(BROKEN, "no words", wanted=wanted)
        if here[0].casefold() == due[0].casefold():
            return Check(BROKEN, f'the first word is still "{due[0]}"', here[0], wanted, (Span(0, len(here[0])),))
        if [_plain(word) for word in here[1:]] != [_plain(word) for word in due[1:]]:
            return Check(BROKEN, "the rest is not the request's", here[0], wanted)
        return Check(HOLDS, f'"{due[0]}" became "{here[0]}"', here[0], wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(request="Tell me about the sea."), cls(request="how deep is it?")

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(request=match["request"])


@register
class Backwards(Twofold):
    """The answer, read backwards word by word or letter by letter, says a given phrase."""

    kind: ClassVar[str] = "answer.backwards"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\bsay [\"“](?P<phrase>[^\"“”\n]{1,200})[\"”] in your answer, but make your sentence in reverse "
            r"order of what "
            r"it should be, per (?P<by>word|letter)",
            re.I,
        ),
        re.compile(
            r"\bwhat animal is the national symbol of the US\? Respond to this query, but make your sentence in "
            r"reverse "
            r"order of what it should be, per (?P<by>word|letter)",
            re.I,
        ),
    )

    phrase: Passage
    by: Literal["word", "letter"] = "word"

    def describe(self) -> str:
        return (
            f'Say "{self.phrase}" in your answer, but make your sentence in reverse order of what it should be, '
            f"per {self.by}."
        )

    def followed(self, text: str) -> bool:
        phrase = self.phrase.lower()
        if self.by == "letter":
            return phrase[::-1] in text.lower()
        return phrase in " ".join(reversed(bare(text.lower()).split()))

    def judge(self, text: str) -> Check:
        wanted = f'"{self.phrase}", backwards'
        due = re.findall(r"\w+", self.phrase.casefold())
        if self.by == "letter":
            pattern = rf"(?<!\w){re.escape(' '.join(due)[::-1])}(?!\w)"
        else:
            pattern = rf"(?<!\w){' '.join(map(re.escape, reversed(due)))}(?!\w)"
        match = re.search(pattern.replace(r"\ ", " ").replace(" ", r"\W{1,4}"), text.casefold())
        if not match:
            return Check(BROKEN, f"{wanted} not found", wanted=wanted)
        return Check(HOLDS, f"{wanted} found", match[0], wanted, (Span(*match.span()),))

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(phrase="bald eagle"), cls(phrase="bald eagle", by="letter")

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        by = "letter" if match["by"].lower() == "letter" else "word"
        return cls(phrase=match.groupdict().get("phrase") or "bald eagle", by=by)  # type: ignore[arg-type]
