"""IFEval's instructions as constraints: their ids and arguments, and the way back.

    from_ifeval("length_constraints:number_words", {"relation": "less than", "num_words": 50})
    # Words(at_most=49)

Zhou et al. 2023, arXiv 2311.07911: 25 types. Both profiles are built the same; see each family for where they part.

Fixed choices, where the reference draws lots:

- An argument that is missing is drawn at random there; here it is a mistake. None counts as missing (the copy of the
  data set on the Hub fills up with None); zero and empty do not, though lm-eval drops them.
- A letter that is none ("#", "!") is replaced by a random letter there; here it is counted as it is.
- Its language detector is random; `languages.by_reference` gives the answer it would give most often.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from adhere.constraints.bases.bounds import Bounded
from adhere.constraints.constraint import Constraint, Profile
from adhere.constraints.families.bullets import Bullets
from adhere.constraints.families.capital_words import CapitalWords
from adhere.constraints.families.case import EnglishCase
from adhere.constraints.families.choice import Choice
from adhere.constraints.families.dividers import Divided
from adhere.constraints.families.end_phrase import EndPhrase
from adhere.constraints.families.highlights import Highlights
from adhere.constraints.families.json_format import Json
from adhere.constraints.families.language import ResponseLanguage
from adhere.constraints.families.length import Words
from adhere.constraints.families.letter_frequency import LetterFrequency
from adhere.constraints.families.marks import WithoutMark
from adhere.constraints.families.paragraph_start import ParagraphStart
from adhere.constraints.families.placeholders import Placeholders
from adhere.constraints.families.postscript import Postscript
from adhere.constraints.families.quotation import Quotation
from adhere.constraints.families.repeat_prompt import RepeatPrompt
from adhere.constraints.families.sections import Sections
from adhere.constraints.families.sentences import Sentences
from adhere.constraints.families.terms import Exclude, Frequency, Include
from adhere.constraints.families.titles import Title
from adhere.constraints.registry import build, nearest
from adhere.core.errors import UserError

OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")

Natural = Field(strict=True, ge=0)
Relation = Field(pattern="^(less than|at least)$")


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _bounds(relation: str, n: int) -> dict[str, int]:
    if relation == "at least":
        return {"at_least": n}
    if n == 0:
        raise ValueError("nothing is less than 0")
    return {"at_most": n - 1}


class _Nothing(_Arguments):
    pass


class _Keywords(_Arguments):
    keywords: tuple[StrictStr, ...] = Field(min_length=1)

    def parameters(self) -> dict[str, Any]:
        return {"terms": self.keywords}


class _Forbidden(_Arguments):
    forbidden_words: tuple[StrictStr, ...] = Field(min_length=1)

    def parameters(self) -> dict[str, Any]:
        return {"terms": self.forbidden_words}


class _Frequency(_Arguments):
    keyword: StrictStr
    frequency: StrictInt = Natural
    relation: StrictStr = Relation

    def parameters(self) -> dict[str, Any]:
        return {"term": self.keyword, **_bounds(self.relation, self.frequency)}


class _Letter(_Arguments):
    letter: StrictStr
    let_frequency: StrictInt = Natural
    let_relation: StrictStr = Relation

    def parameters(self) -> dict[str, Any]:
        return {"letter": self.letter, **_bounds(self.let_relation, self.let_frequency)}


class _Language(_Arguments):
    language: StrictStr

    def parameters(self) -> dict[str, Any]:
        return {"language": self.language}


class _Sentences(_Arguments):
    num_sentences: StrictInt = Natural
    relation: StrictStr = Relation

    def parameters(self) -> dict[str, Any]:
        return _bounds(self.relation, self.num_sentences)


class _Words(_Arguments):
    num_words: StrictInt = Natural
    relation: StrictStr = Relation

    def parameters(self) -> dict[str, Any]:
        return _bounds(self.relation, self.num_words)


class _Capitals(_Arguments):
    capital_frequency: StrictInt = Natural
    capital_relation: StrictStr = Relation

    def parameters(self) -> dict[str, Any]:
        return _bounds(self.capital_relation, self.capital_frequency)


class _Paragraphs(_Arguments):
    num_paragraphs: StrictInt = Natural

    def parameters(self) -> dict[str, Any]:
        return {"divider": "***", "exactly": self.num_paragraphs}


class _FirstWord(_Arguments):
    num_paragraphs: StrictInt = Natural
    nth_paragraph: StrictInt = Natural
    first_word: StrictStr

    def parameters(self) -> dict[str, Any]:
        return {"paragraphs": self.num_paragraphs, "nth": self.nth_paragraph, "word": self.first_word}


class _Placeholders(_Arguments):
    num_placeholders: StrictInt = Natural

    def parameters(self) -> dict[str, Any]:
        return {"at_least": self.num_placeholders}


class _Bullets(_Arguments):
    num_bullets: StrictInt = Natural

    def parameters(self) -> dict[str, Any]:
        return {"exactly": self.num_bullets}


class _Highlights(_Arguments):
    num_highlights: StrictInt = Natural

    def parameters(self) -> dict[str, Any]:
        return {"at_least": self.num_highlights}


class _Sections(_Arguments):
    section_spliter: StrictStr
    num_sections: StrictInt = Natural

    def parameters(self) -> dict[str, Any]:
        return {"marker": self.section_spliter, "at_least": self.num_sections}


class _Postscript(_Arguments):
    postscript_marker: StrictStr

    def parameters(self) -> dict[str, Any]:
        return {"marker": self.postscript_marker}


class _Prompt(_Arguments):
    prompt_to_repeat: StrictStr

    def parameters(self) -> dict[str, Any]:
        return {"prompt": self.prompt_to_repeat}


class _End(_Arguments):
    end_phrase: StrictStr

    def parameters(self) -> dict[str, Any]:
        return {"phrase": self.end_phrase}


def _only(parameters: dict[str, Any]) -> type[_Arguments]:
    """No arguments, and these parameters always."""

    class Only(_Nothing):
        def parameters(self) -> dict[str, Any]:
            return parameters

    return Only


_TYPES: dict[str, tuple[type[Constraint], type[Any]]] = {
    "keywords:existence": (Include, _Keywords),
    "keywords:frequency": (Frequency, _Frequency),
    "keywords:forbidden_words": (Exclude, _Forbidden),
    "keywords:letter_frequency": (LetterFrequency, _Letter),
    "language:response_language": (ResponseLanguage, _Language),
    "length_constraints:number_sentences": (Sentences, _Sentences),
    "length_constraints:number_paragraphs": (Divided, _Paragraphs),
    "length_constraints:number_words": (Words, _Words),
    "length_constraints:nth_paragraph_first_word": (ParagraphStart, _FirstWord),
    "detectable_content:number_placeholders": (Placeholders, _Placeholders),
    "detectable_content:postscript": (Postscript, _Postscript),
    "detectable_format:number_bullet_lists": (Bullets, _Bullets),
    "detectable_format:constrained_response": (Choice, _only({"options": OPTIONS})),
    "detectable_format:number_highlighted_sections": (Highlights, _Highlights),
    "detectable_format:multiple_sections": (Sections, _Sections),
    "detectable_format:json_format": (Json, _only({})),
    "detectable_format:title": (Title, _only({})),
    "combination:two_responses": (Divided, _only({"divider": "******", "exactly": 2, "distinct": True})),
    "combination:repeat_prompt": (RepeatPrompt, _Prompt),
    "startend:end_checker": (EndPhrase, _End),
    "startend:quotation": (Quotation, _only({})),
    "change_case:capital_word_frequency": (CapitalWords, _Capitals),
    "change_case:english_capital": (EnglishCase, _only({"case": "upper"})),
    "change_case:english_lowercase": (EnglishCase, _only({"case": "lower"})),
    "punctuation:no_comma": (WithoutMark, _only({"mark": "comma"})),
}

IDS: tuple[str, ...] = tuple(_TYPES)
"""The 25 instruction ids."""

DETECTOR_IDS = frozenset(("language:response_language", "change_case:english_capital", "change_case:english_lowercase"))
"""The three whose reference asks a language detector, and so answers at random."""


def from_ifeval(instruction_id: str, kwargs: Mapping[str, Any] | None = None, profile: Profile = "fixed") -> Constraint:
    """The constraint that an instruction of IFEval asks for.

    Raises:
        UserError: an id that IFEval does not have, or arguments that its instruction does not take.
    """
    given = {key: value for key, value in (kwargs or {}).items() if value is not None}
    try:
        key = (instruction_id, profile, tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in given.items()))
        return _remembered(key)
    except TypeError:  # an argument that cannot be hashed, and so is none that an instruction takes
        return _build(instruction_id, given, profile)


@lru_cache(maxsize=1 << 14, typed=True)
def _remembered(key: tuple[str, Profile, tuple[tuple[str, Any], ...]]) -> Constraint:
    instruction_id, profile, given = key
    return _build(instruction_id, dict(given), profile)


def _build(instruction_id: str, given: dict[str, Any], profile: Profile) -> Constraint:
    if instruction_id not in _TYPES:
        raise UserError(f"IFEval has no instruction {instruction_id!r}{nearest(instruction_id, _TYPES)}")
    family, arguments = _TYPES[instruction_id]
    try:
        parameters = arguments.model_validate(given).parameters()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{instruction_id}: {where}: {first['msg']}") from None
    except ValueError as error:
        raise UserError(f"{instruction_id}: {error}") from None
    try:
        return build(family, {**parameters, "profile": profile})
    except UserError as error:
        raise UserError(f"{instruction_id}: {error}") from None


def _relation(constraint: Bounded, n: str, relation: str) -> dict[str, Any] | None:
    if constraint.at_most is None:
        return {n: constraint.at_least, relation: "at least"}
    return {n: constraint.at_most + 1, relation: "less than"} if constraint.at_least is None else None


def _exactly(constraint: Bounded, n: str) -> dict[str, Any] | None:
    return {n: constraint.at_least} if constraint.at_least == constraint.at_most else None


def _at_least(constraint: Bounded, n: str) -> dict[str, Any] | None:
    return {n: constraint.at_least} if constraint.at_most is None else None


def _with(more: dict[str, Any], bounds: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if bounds is None else {**more, **bounds}


_BACK: dict[type[Constraint], Callable[[Any], tuple[str, dict[str, Any] | None]]] = {
    Include: lambda c: ("keywords:existence", {"keywords": list(c.terms)}),
    Exclude: lambda c: ("keywords:forbidden_words", {"forbidden_words": list(c.terms)}),
    Frequency: lambda c: ("keywords:frequency", _with({"keyword": c.term}, _relation(c, "frequency", "relation"))),
    LetterFrequency: lambda c: (
        "keywords:letter_frequency",
        _with({"letter": c.letter}, _relation(c, "let_frequency", "let_relation")),
    ),
    ResponseLanguage: lambda c: ("language:response_language", {"language": c.language}),
    Sentences: lambda c: ("length_constraints:number_sentences", _relation(c, "num_sentences", "relation")),
    Words: lambda c: ("length_constraints:number_words", _relation(c, "num_words", "relation")),
    Divided: lambda c: (
        ("combination:two_responses", {} if (c.divider, c.at_least, c.at_most) == ("******", 2, 2) else None)
        if c.distinct
        else ("length_constraints:number_paragraphs", _exactly(c, "num_paragraphs") if c.divider == "***" else None)
    ),
    ParagraphStart: lambda c: (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": c.paragraphs, "nth_paragraph": c.nth, "first_word": c.word},
    ),
    Placeholders: lambda c: ("detectable_content:number_placeholders", _at_least(c, "num_placeholders")),
    Postscript: lambda c: ("detectable_content:postscript", {"postscript_marker": c.marker}),
    Bullets: lambda c: ("detectable_format:number_bullet_lists", _exactly(c, "num_bullets")),
    Choice: lambda c: ("detectable_format:constrained_response", {} if c.options == OPTIONS else None),
    Highlights: lambda c: ("detectable_format:number_highlighted_sections", _at_least(c, "num_highlights")),
    Sections: lambda c: (
        "detectable_format:multiple_sections",
        _with({"section_spliter": c.marker}, _at_least(c, "num_sections")),
    ),
    Json: lambda c: ("detectable_format:json_format", None if c.keys else {}),
    Title: lambda _: ("detectable_format:title", {}),
    RepeatPrompt: lambda c: ("combination:repeat_prompt", {"prompt_to_repeat": c.prompt}),
    EndPhrase: lambda c: ("startend:end_checker", {"end_phrase": c.phrase}),
    Quotation: lambda _: ("startend:quotation", {}),
    CapitalWords: lambda c: (
        "change_case:capital_word_frequency",
        _relation(c, "capital_frequency", "capital_relation"),
    ),
    EnglishCase: lambda c: (f"change_case:english_{'capital' if c.case == 'upper' else 'lowercase'}", {}),
    WithoutMark: lambda c: ("punctuation:no_comma", {} if c.mark == "comma" else None),
}


def to_ifeval(constraint: Constraint) -> tuple[str, dict[str, Any]] | None:
    """The id and arguments by which IFEval asks for `constraint`; None where it cannot."""
    back = _BACK.get(type(constraint))
    instruction_id, kwargs = back(constraint) if back else ("", None)
    return None if kwargs is None else (instruction_id, kwargs)
