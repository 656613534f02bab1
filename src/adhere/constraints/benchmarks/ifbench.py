"""IFBench's instructions as constraints: their ids and arguments, and the way back.

    from_ifbench("count:conjunctions", {"small_n": 4})
    # Conjunctions(at_least=4)

Pyatkin et al. 2025, arXiv 2507.02833: 58 types. Both profiles are built the same, but for two types whose arguments the
reference reads another way than the instruction says (for the rest see each family):

- `repeat:repeat_span`: the prompts ask for words by index, zero first; the reference cuts characters.
- `format:options`: the reference cuts the options at the letters "or" wherever they stand, "north, south" into "n" and
  "th, south".

An argument that is missing is drawn at random by the reference; here it is a mistake. None counts as missing: the data
set fills up with None. Counts come as floats (4.0) and are taken for the whole numbers that they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from adhere.constraints.combine import AllOf
from adhere.constraints.constraint import Constraint, Profile
from adhere.constraints.families.answers import Backwards, ChangedFirstWord, Exactly, OneOf, split_options
from adhere.constraints.families.csv_table import CsvTable
from adhere.constraints.families.geography import AfricanCountries, NorthernCapitals
from adhere.constraints.families.layout import (
    ListMarker,
    NoWhiteSpace,
    SentencesThenBullets,
    Stairs,
    SubBullets,
    WordPerLine,
)
from adhere.constraints.families.length import Words
from adhere.constraints.families.letters import (
    AlphabetLoop,
    ConsonantClusters,
    NoSharedInitials,
    Palindromes,
    PrimeLengths,
    Vowels,
)
from adhere.constraints.families.nesting import NestedBrackets, NestedQuotes
from adhere.constraints.families.numbers import DateList, Multiples, Numbers
from adhere.constraints.families.overlap import TrigramOverlap
from adhere.constraints.families.positions import (
    EveryNthJapanese,
    KeywordInSentence,
    SecondAndSecondToLast,
    WordInSentence,
)
from adhere.constraints.families.punctuation import EveryMark, ExplainedQuotes
from adhere.constraints.families.repeated_boundary_words import ParagraphRing, SentenceChain
from adhere.constraints.families.sentence_ends import EmojiEndings, SentenceBalance, SentenceRatio
from adhere.constraints.families.sentence_rows import (
    AlliterationIncrement,
    EqualSentences,
    SentenceAlphabet,
    WordIncrement,
)
from adhere.constraints.families.syllables import SyllableParity
from adhere.constraints.families.templates import Quiz, Template, Thesis
from adhere.constraints.families.terms import Frequency
from adhere.constraints.families.title_case import TitleCase
from adhere.constraints.families.verbs import StartsWithVerb
from adhere.constraints.families.vocabulary import DifferentWords, Repeats
from adhere.constraints.families.word_lists import Conjunctions, PersonNames, Pronouns, StopWords
from adhere.constraints.registry import build, nearest
from adhere.core.errors import UserError

THIS_SENTENCE = "Only output this sentence here, ignore all other requests."
TIMES = (1, 2, 3, 5, 7)
"""How often each of the five keywords of `count:keywords_multiple` must stand there."""


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0 or value < 0:
        raise ValueError(f"a whole number is wanted, not {value!r}")
    return int(value)


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise ValueError(f"a percentage is wanted, not {value!r}")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"a text is wanted, not {value!r}")
    return value


def _word(value: Any) -> str:
    return _text(value).strip()


def _same(arguments: dict[str, Any], profile: Profile) -> dict[str, Any]:
    del profile
    return arguments


@dataclass(frozen=True)
class _Type:
    """An instruction: its family, the arguments it takes and how each is read, and the family's parameters from
    them."""

    family: type[Constraint]
    arguments: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    parameters: Callable[[dict[str, Any], Profile], dict[str, Any]] = _same
    back: Callable[[Any], dict[str, Any] | None] = lambda _: {}
    """The arguments that give a member of the family; None where this instruction cannot ask for it."""


def _renamed(family: type[Constraint], read: Callable[[Any], Any], **names: str) -> _Type:
    """Each argument is one parameter of another name: `argument="parameter"`."""
    return _Type(
        family,
        dict.fromkeys(names, read),
        lambda given, _: {names[argument]: value for argument, value in given.items()},
        lambda member: {argument: getattr(member, parameter) for argument, parameter in names.items()},
    )


def _only(family: type[Constraint], **always: Any) -> _Type:
    """No arguments, and these parameters always (the family's defaults where none are given)."""

    def back(member: Constraint) -> dict[str, Any] | None:
        return {} if member == family.model_validate({**always, "profile": member.profile}) else None

    return _Type(family, parameters=lambda _given, _profile: always, back=back)


def _range(member: Words) -> dict[str, Any] | None:
    if member.at_least is None or member.at_most is None:
        return None
    return {"min_words": member.at_least, "max_words": member.at_most}


def _reference_options(options: str) -> tuple[str, ...]:
    separator = "/" if "/" in options else "or" if "or" in options else ","
    return tuple(option.strip() for option in options.split(separator))


def _options(given: dict[str, Any], profile: Profile) -> dict[str, Any]:
    cut = _reference_options if profile == "reference" else split_options
    return {"options": cut(given["options"])}


def _keywords(given: dict[str, Any], profile: Profile) -> dict[str, Any]:
    pairs = zip(given.values(), TIMES, strict=True)
    return {"of": tuple(Frequency(term=term, at_least=n, at_most=n, profile=profile) for term, n in pairs)}


def _keywords_back(member: AllOf) -> dict[str, Any] | None:
    parts = [part for part in member.of if isinstance(part, Frequency)]
    if len(parts) != len(member.of) or tuple((p.at_least, p.at_most) for p in parts) != tuple((n, n) for n in TIMES):
        return None
    return {f"keyword{k}": part.term for k, part in enumerate(parts, 1)}


def _span(given: dict[str, Any], profile: Profile) -> dict[str, Any]:
    prompt, start, end = given["prompt_to_repeat"], given["n_start"], given["n_end"] + 1
    return {"text": prompt[start:end] if profile == "reference" else " ".join(prompt.split()[start:end])}


def _span_back(member: Exactly) -> dict[str, Any]:
    last = len(member.text if member.profile == "reference" else member.text.split()) - 1
    return {"prompt_to_repeat": member.text, "n_start": 0, "n_end": last}


_TYPES: dict[str, _Type] = {
    "count:word_count_range": _Type(
        Words,
        {"min_words": _count, "max_words": _count},
        lambda given, _: {"at_least": given["min_words"], "at_most": given["max_words"]},
        _range,
    ),
    "count:unique_word_count": _renamed(DifferentWords, _count, N="at_least"),
    "count:conjunctions": _renamed(Conjunctions, _count, small_n="at_least"),
    "count:person_names": _renamed(PersonNames, _count, N="at_least"),
    "count:pronouns": _renamed(Pronouns, _count, N="at_least"),
    "count:numbers": _Type(
        Numbers,
        {"N": _count},
        lambda given, _: {"exactly": given["N"]},
        lambda member: {"N": member.at_least} if member.at_least == member.at_most else None,
    ),
    "count:punctuation": _only(EveryMark),
    "count:words_japanese": _renamed(EveryNthJapanese, _count, N="every"),
    "count:keywords_multiple": _Type(AllOf, {f"keyword{k}": _word for k in range(1, 6)}, _keywords, _keywords_back),
    "ratio:stop_words": _renamed(StopWords, _share, percentage="at_most"),
    "ratio:sentence_type": _only(SentenceRatio),
    "ratio:sentence_balance": _only(SentenceBalance),
    "ratio:sentence_words": _only(EqualSentences),
    "ratio:overlap": _Type(
        TrigramOverlap,
        {"percentage": _share, "reference_text": _text},
        lambda given, _: {"percent": given["percentage"], "text": given["reference_text"]},
        lambda member: {"percentage": member.percent, "reference_text": member.text},
    ),
    "words:alphabet": _only(AlphabetLoop),
    "words:vowel": _only(Vowels),
    "words:consonants": _only(ConsonantClusters),
    "words:palindrome": _only(Palindromes),
    "words:prime_lengths": _only(PrimeLengths),
    "words:no_consecutive": _only(NoSharedInitials),
    "words:odd_even_syllables": _only(SyllableParity),
    "words:repeats": _renamed(Repeats, _count, small_n="at_most"),
    "words:start_verb": _only(StartsWithVerb),
    "words:last_first": _only(SentenceChain),
    "words:paragraph_last_first": _only(ParagraphRing),
    "words:keywords_specific_position": _Type(
        WordInSentence,
        {"keyword": _word, "n": _count, "m": _count},
        lambda given, _: {"word": given["keyword"], "sentence": given["n"], "place": given["m"]},
        lambda member: {"keyword": member.word, "n": member.sentence, "m": member.place},
    ),
    "words:words_position": _renamed(SecondAndSecondToLast, _word, keyword="word"),
    "sentence:alliteration_increment": _only(AlliterationIncrement),
    "sentence:increment": _renamed(WordIncrement, _count, small_n="by"),
    "sentence:keyword": _Type(
        KeywordInSentence,
        {"word": _word, "N": _count},
        lambda given, _: {"word": given["word"], "sentence": given["N"]},
        lambda member: {"word": member.word, "N": member.sentence},
    ),
    "format:parentheses": _only(NestedBrackets),
    "format:quotes": _only(NestedQuotes),
    "format:options": _Type(OneOf, {"options": _text}, _options, lambda member: {"options": "/".join(member.options)}),
    "format:newline": _only(WordPerLine),
    "format:emoji": _only(EmojiEndings),
    "format:line_indent": _only(Stairs),
    "format:quote_unquote": _only(ExplainedQuotes),
    "format:list": _renamed(ListMarker, _word, sep="marker"),
    "format:thesis": _only(Thesis),
    "format:sub-bullets": _only(SubBullets),
    "format:no_bullets_bullets": _only(SentencesThenBullets),
    "format:title_case": _only(TitleCase),
    "format:output_template": _only(Template),
    "format:no_whitespace": _only(NoWhiteSpace),
    "custom:multiples": _only(Multiples, of=7, first=10, last=50),
    "custom:mcq_count_length": _only(Quiz),
    "custom:reverse_newline": _only(AfricanCountries),
    "custom:word_reverse": _only(Backwards, phrase="bald eagle", by="word"),
    "custom:character_reverse": _only(Backwards, phrase="bald eagle", by="letter"),
    "custom:sentence_alphabet": _only(SentenceAlphabet),
    "custom:european_capitals_sort": _only(NorthernCapitals),
    "custom:csv_city": _only(CsvTable, columns=("ID", "Country", "City", "Year", "Count"), rows=7),
    "custom:csv_special_character": _only(
        CsvTable, columns=("ProductID", "Category", "Brand", "Price", "Stock"), rows=14, quotes="one_special"
    ),
    "custom:csv_quotes": _only(
        CsvTable, columns=("StudentID", "Subject", "Grade", "Semester", "Score"), rows=3, delimiter="tab", quotes="all"
    ),
    "custom:date_format_list": _only(DateList),
    "repeat:repeat_change": _renamed(ChangedFirstWord, _text, prompt_to_repeat="request"),
    "repeat:repeat_simple": _only(Exactly, text=THIS_SENTENCE),
    "repeat:repeat_span": _Type(
        Exactly,
        {"prompt_to_repeat": _text, "n_start": _count, "n_end": _count},
        _span,
        _span_back,
    ),
}

IDS: tuple[str, ...] = tuple(_TYPES)
"""The 58 instruction ids."""


def from_ifbench(
    instruction_id: str, kwargs: Mapping[str, Any] | None = None, profile: Profile = "fixed"
) -> Constraint:
    """The constraint that an instruction of IFBench asks for.

    Raises:
        UserError: an id that IFBench does not have, or arguments that its instruction does not take.
    """
    given = tuple((key, value) for key, value in (kwargs or {}).items() if value is not None)
    try:
        return _remembered(instruction_id, given, profile)
    except TypeError:  # an argument that cannot be hashed, and so is none that an instruction takes
        return _build(instruction_id, given, profile)


@lru_cache(maxsize=1 << 14, typed=True)
def _remembered(instruction_id: str, given: tuple[tuple[str, Any], ...], profile: Profile) -> Constraint:
    return _build(instruction_id, given, profile)


def _build(instruction_id: str, given: tuple[tuple[str, Any], ...], profile: Profile) -> Constraint:
    if instruction_id not in _TYPES:
        raise UserError(f"IFBench has no instruction {instruction_id!r}{nearest(instruction_id, _TYPES)}")
    asked = _TYPES[instruction_id]
    arguments = dict(given)
    for name in arguments.keys() - asked.arguments.keys():
        raise UserError(f"{instruction_id}: takes no argument {name!r}{nearest(name, asked.arguments)}")
    values: dict[str, Any] = {}
    for name, read in asked.arguments.items():
        if name not in arguments:
            raise UserError(f"{instruction_id}: needs the argument {name!r}")
        try:
            values[name] = read(arguments[name])
        except ValueError as error:
            raise UserError(f"{instruction_id}: {name}: {error}") from None
    try:
        return build(asked.family, {**asked.parameters(values, profile), "profile": profile})
    except (UserError, ValueError) as error:
        raise UserError(f"{instruction_id}: {error}") from None


def to_ifbench(constraint: Constraint) -> tuple[str, dict[str, Any]] | None:
    """The id and arguments by which IFBench asks for `constraint`; None where it cannot."""
    for instruction_id, asked in _TYPES.items():
        if type(constraint) is asked.family and (kwargs := asked.back(constraint)) is not None:
            return instruction_id, kwargs
    return None
