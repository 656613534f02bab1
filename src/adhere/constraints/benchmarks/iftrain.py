"""IFTrain's instructions as constraints: the 29 types of open-instruct's training set, by their ids.

    from_iftrain("keywords:word_once", {"keyword": "sea"})
    # Frequency(term="sea", at_least=1, at_most=1)

In the reference profile every one is a rule of `families.iftrain`, with the answers of open-instruct's checker
(`open_instruct/IFEvalG`, Apache-2.0). In the fixed profile those that say what another family says are its constraint.
The 25 ids that the set shares with IFEval are in `ifeval`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adhere.constraints.benchmarks.ifeval import from_ifeval
from adhere.constraints.combine import AllOf
from adhere.constraints.constraint import Constraint, Profile
from adhere.constraints.families.answers import Exactly
from adhere.constraints.families.dividers import Divided
from adhere.constraints.families.iftrain import RULES, IFTrain
from adhere.constraints.families.length import Paragraphs
from adhere.constraints.families.marks import WithoutMark
from adhere.constraints.families.positions import WordInSentence
from adhere.constraints.families.start_phrase import StartPhrase
from adhere.constraints.families.terms import Exclude, Frequency
from adhere.constraints.registry import build, nearest
from adhere.core.errors import UserError

_LETTERS_OF_IFEVAL = "letters:letter_counting2"

IDS: tuple[str, ...] = (*RULES, _LETTERS_OF_IFEVAL)
"""The 29 instruction ids."""


def _exactly(term: str, n: int) -> dict[str, Any]:
    return {"term": term, "at_least": n, "at_most": n}


def _related(keyword: str, frequency: int, relation: str) -> dict[str, Any]:
    if relation == "at least":
        return {"term": keyword, "at_least": frequency}
    return {"term": keyword, "at_most": frequency - 1}


_FAMILIES: dict[str, Callable[..., tuple[type[Constraint], dict[str, Any]]]] = {
    "copy:copy": lambda prompt_to_repeat: (Exactly, {"text": prompt_to_repeat}),
    "copy:copying_simple": lambda prompt_to_repeat: (Exactly, {"text": prompt_to_repeat}),
    "new:copy_span_idx": lambda prompt_to_repeat, n_start, n_end: (Exactly, {"text": prompt_to_repeat[n_start:n_end]}),
    "keywords:word_once": lambda keyword: (Frequency, _exactly(keyword, 1)),
    "keywords:word_count_different_numbers": lambda **given: (Frequency, _related(**given)),
    "keywords:exclude_word_harder": lambda keyword: (Exclude, {"terms": [keyword]}),
    "paragraphs:paragraphs": lambda: (Divided, {"divider": "***", "exactly": 2}),
    "paragraphs:paragraphs2": lambda: (Paragraphs, {"exactly": 2}),
    "first_word:first_word_answer": lambda first_word: (StartPhrase, {"phrase": first_word}),
    "punctuation:punctuation_dot": lambda: (WithoutMark, {"mark": "full stop"}),
    "punctuation:punctuation_exclamation": lambda: (WithoutMark, {"mark": "exclamation mark"}),
    "count:count_increment_word": lambda keyword1, keyword2: (
        AllOf,
        {"of": (Frequency(**_exactly(keyword1, 1)), Frequency(**_exactly(keyword2, 2)))},
    ),
    "keywords:keyword_specific_position": lambda keyword, n, m: (
        WordInSentence,
        {"word": keyword, "sentence": n, "place": m},
    ),
}
"""What says the same in the fixed profile."""

_UNUSED = frozenset({"instruction"})
"""Arguments that the data carry and the checker does not use."""


def from_iftrain(
    instruction_id: str, kwargs: Mapping[str, Any] | None = None, profile: Profile = "fixed"
) -> Constraint:
    """The constraint that an instruction of IFTrain asks for.

    Raises:
        UserError: an id that IFTrain does not have, or arguments that its instruction does not take.
    """
    if instruction_id not in IDS:
        raise UserError(f"IFTrain has no instruction {instruction_id!r}{nearest(instruction_id, dict.fromkeys(IDS))}")
    given = {key: value for key, value in (kwargs or {}).items() if value is not None and key not in _UNUSED}
    if instruction_id == _LETTERS_OF_IFEVAL:
        return from_ifeval("keywords:letter_frequency", given, profile)
    try:
        rule = build(IFTrain, {"instruction": instruction_id, "arguments": given, "profile": profile})
        if profile == "reference" or instruction_id not in _FAMILIES:
            return rule
        family, parameters = _FAMILIES[instruction_id](**given)
        return build(family, parameters)
    except (UserError, TypeError) as error:
        raise UserError(f"{instruction_id}: {error}") from None
