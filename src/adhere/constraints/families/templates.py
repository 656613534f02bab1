"""Templates: answers that are cut to a given pattern of labels, sections or questions."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field

from adhere.constraints.bases.bounds import NUMBER, number
from adhere.constraints.bases.reference_profile import Twofold
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Span
from adhere.constraints.reading.segments import lines
from adhere.constraints.registry import register


def _labels(values: tuple[str, ...]) -> tuple[str, ...]:
    labels = tuple(" ".join(value.split()).rstrip(":") for value in values)
    if not all(labels) or len(set(labels)) < len(labels):
        raise ValueError("labels must differ and say something")
    return labels


@register
class Template(Twofold):
    """Labels in their order, each followed by text, nothing before the first.

    The reference is content when the labels stand anywhere, in any order, with nothing after them.
    """

    kind: ClassVar[str] = "template.labels"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\buse this exact template for your response: (?P<template>[^\[\]\n:]{1,80}: \[[^\[\]\n]{1,80}\]"
            r"(?: [^\[\]\n:]{1,80}: \[[^\[\]\n]{1,80}\]){0,20})",
            re.I,
        ),
    )

    labels: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_labels)] = (
        "My Answer",
        "My Conclusion",
        "Future Outlook",
    )

    def describe(self) -> str:
        template = " ".join(f"{label}: [{label.split()[-1].lower()}]" for label in self.labels)
        return f"Use this exact template for your response: {template}"

    def followed(self, text: str) -> bool:
        return all(f"{label}:" in text for label in self.labels)

    def judge(self, text: str) -> Check:
        wanted = ", ".join(f"{label}: ..." for label in self.labels)
        places: list[Span] = []
        at = 0
        for label in self.labels:
            match = re.compile(rf"[*_#> \t]{{0,8}}{re.escape(label)}[*_]{{0,3}}:[*_]{{0,3}}").search(text, at)
            if not match:
                return Check(BROKEN, f'"{label}:" missing, or out of order', found=label, wanted=wanted)
            places.append(Span(*match.span()))
            at = match.end()
        if text[: places[0].start].strip():
            return Check(BROKEN, "text before the template", wanted=wanted, spans=(Span(0, places[0].start),))
        ends = [*(place.start for place in places[1:]), len(text)]
        for label, place, end in zip(self.labels, places, ends, strict=True):
            if not re.search(r"\w", text[place.end : end]):
                return Check(BROKEN, f'nothing after "{label}:"', found=label, wanted=wanted, spans=(place,))
        return Check(HOLDS, "each label in its place", wanted=wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(), cls(labels=("Verdict",))

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        labels = re.findall(r"([^\[\]:]+): \[[^\[\]]+\]", match["template"])
        return cls(labels=tuple(label.strip() for label in labels))


_HEADING = re.compile(r"\s{0,3}(?:#{1,6}\s|<h[1-6][\s>]|\*\*[^*]+\*\*:?\s*$|(?:[-=_*]\s*){3,}$)", re.I)
_ITALICS = re.compile(
    r"\s*(?:<p[^<>]{0,200}>\s*)?<(i|em)(?:\s[^<>]{0,200})?>(?P<thesis>[^<]*)</\1\s*>(?P<rest>.*)", re.I | re.S
)


@register
class Thesis(Twofold):
    """Each section begins with a thesis in HTML italics, followed by text.

    A section is what follows a heading (Markdown's or HTML's, or a line in bold); a text without headings is one
    section. The reference is content with one pair of tags anywhere, "</i>" of another "<em>" included.
    """

    kind: ClassVar[str] = "template.thesis"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\beach section must begin with a thesis statement in italics(?:,? use HTML to indicate the italics)?",
            re.I,
        ),
    )

    def describe(self) -> str:
        return "Each section must begin with a thesis statement in italics, use HTML to indicate the italics."

    def followed(self, text: str) -> bool:
        start = text.find("<i>") if "<i>" in text else text.find("<em>")
        if start < 0:
            return False
        text = text[start:]
        end = text.find("</i>") if "</i>" in text else text.find("</em>")
        return end >= 0 and bool(text[3:end].strip()) and bool(text[end + 4 :].strip())

    def judge(self, text: str) -> Check:
        wanted = "a thesis in <i> or <em> at the head of each section"
        sections: list[Span] = []
        for line in lines(text):
            if _HEADING.match(text, line.start, line.end):
                if sections and sections[-1].start == sections[-1].end:
                    sections.pop()  # a heading under a heading
                sections.append(Span(line.end, line.end))
            elif sections:
                sections[-1] = Span(sections[-1].start, line.end)
            else:
                sections.append(Span(line.start, line.end))
        without = tuple(section for section in sections if not self._opens(text[section.start : section.end]))
        found = f"{len(sections) - len(without)} of {len(sections)} sections begin with a thesis"
        return Check(HOLDS if sections and not without else BROKEN, found, found, wanted, without)

    @staticmethod
    def _opens(section: str) -> bool:
        match = _ITALICS.match(section)
        return bool(
            match and match["thesis"].strip() and re.search(r"\w", re.sub(r"<[^<>]{0,200}>", "", match["rest"]))
        )

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)


_QUESTION = re.compile(r"\s{0,8}[*_#]{0,4}\s?Question\b[^\S\n]?(?:\d{1,3})?[*_]{0,3}[.):;]?[*_]{0,3}", re.I)
_OPTION = re.compile(r"\s{0,40}[-*]?\s?[*_]{0,3}\(?[A-Ja-j][.):][*_]{0,3}\s{0,40}\S")
_REFERENCE_OPTION = re.compile(r"[A-Ea-e][.|)]\s*\w")


@register
class Quiz(Twofold):
    """So many multiple choice questions with so many options each, each question labelled and longer than the one
    before.

    The reference numbers questions ("Question 1") or finds none, and its loop sees no explanation behind the last
    options.
    """

    kind: ClassVar[str] = "template.quiz"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            rf"\bgenerate (?P<questions>{NUMBER}) multiple choice questions with (?P<options>{NUMBER}) options each"
            r"(?: about [\"“'][^\"“”\n]{1,80}[\"”'])?\. Each question should start with the label [\"“]Question[\"”]\. "
            r"The questions should get progressively longer\. Do not provide an explanation",
            re.I,
        ),
    )

    questions: Annotated[int, Field(strict=True, ge=1)] = 4
    options: Annotated[int, Field(strict=True, ge=2, le=10)] = 5

    def describe(self) -> str:
        return (
            f"Generate {self.questions} multiple choice questions with {self.options} options each. Each question "
            f"should "
            'start with the label "Question". The questions should get progressively longer. Do not provide an '
            "explanation."
        )

    def followed(self, text: str) -> bool:
        if not text.startswith("Question"):
            # without the word the reference looks at the last character alone, which is the whole of a text of one
            return False
        lengths: list[int] = []
        for question in filter(None, map(str.strip, re.split(r"\n*Question \d+[.|):;]?\s*", text))):
            asked, count = "", 0
            for line in map(str.strip, question.split("\n")):
                if _REFERENCE_OPTION.match(line):
                    count += 1
                elif not count:
                    asked += " " + line
            if count != self.options:
                return False
            lengths.append(len(asked.strip()))
        return len(lengths) == self.questions and all(one < other for one, other in pairwise(lengths))

    def judge(self, text: str) -> Check:
        wanted = (
            f"{self.questions} labelled questions with {self.options} options each, each longer than the one before"
        )
        asked: list[int] = []
        counts: list[int] = []
        for line in lines(text):
            here = text[line.start : line.end]
            if head := _QUESTION.match(here):
                asked.append(len(here[head.end() :].strip(" *_")))
                counts.append(0)
            elif not asked:
                return Check(BROKEN, "text before the first question", wanted=wanted, spans=(line,))
            elif _OPTION.match(here):
                counts[-1] += 1
            elif counts[-1] == self.options:
                return Check(BROKEN, "text after the options", wanted=wanted, spans=(line,))
            else:
                asked[-1] += len(here.strip())
        options, lengths = ", ".join(map(str, counts)), ", ".join(map(str, asked))
        found = f"{len(asked)} questions, options {options or 'none'}, lengths {lengths or 'none'}"
        met = (
            len(asked) == self.questions
            and all(count == self.options for count in counts)
            and all(one < other for one, other in pairwise(asked))
        )
        return Check(HOLDS if met else BROKEN, found, found, wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(), cls(questions=1, options=3)

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        return cls(questions=number(match["questions"]), options=number(match["options"]))
