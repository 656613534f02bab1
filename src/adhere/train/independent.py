"""A second reading of the commonest constraints, written apart from the families: the witness of reward hacking.

A policy is paid by our checks. Where they part from a reading that was never paid, and part more often after training
than before, the policy has learned the check and not the instruction. The readings here are plain, share no code
with `constraints`, and judge only what can be judged plainly: everything else gives None.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from adhere.constraints.constraint import Constraint

Parameters = Mapping[str, Any]


def reading(constraint: Constraint, text: str) -> bool | None:
    """Whether `text` meets the constraint by the second reading; None where that has none."""
    read = _READINGS.get(constraint.kind)
    return None if read is None else read(constraint.model_dump(), text)


def _tokens(text: str) -> list[str]:
    """Runs of characters between white space that hold a letter or a digit."""
    return [token for token in text.split() if any(character.isalnum() for character in token)]


def _within(count: int, parameters: Parameters) -> bool:
    low, high = parameters.get("at_least"), parameters.get("at_most")
    return (low is None or count >= low) and (high is None or count <= high)


def _says(term: str, text: str) -> bool:
    """Whether the term stands in the text between characters that are no letters or digits."""
    needle, hay = term.casefold(), text.casefold()
    at = hay.find(needle)
    while at >= 0:
        before, after = hay[at - 1 : at], hay[at + len(needle) : at + len(needle) + 1]
        if not before.isalnum() and not after.isalnum():
            return True
        at = hay.find(needle, at + 1)
    return False


def _words(parameters: Parameters, text: str) -> bool | None:
    return _within(len(_tokens(text)), parameters)


def _characters(parameters: Parameters, text: str) -> bool | None:
    return _within(len(text.strip()), parameters) if parameters.get("count", "all") == "all" else None


def _sentences(parameters: Parameters, text: str) -> bool | None:
    return _within(sum(token[-1] in ".!?" for token in text.split()), parameters)


def _lines(parameters: Parameters, text: str) -> bool | None:
    return _within(sum(bool(line.strip()) for line in text.splitlines()), parameters)


def _include(parameters: Parameters, text: str) -> bool | None:
    if set(parameters) - {"kind", "profile", "terms"} and any(
        parameters[name] not in (None, False, 1) for name in set(parameters) - {"kind", "profile", "terms"}
    ):
        return None
    return all(_says(term, text) for term in parameters["terms"])


def _exclude(parameters: Parameters, text: str) -> bool | None:
    return not any(_says(term, text) for term in parameters["terms"])


def _json(parameters: Parameters, text: str) -> bool | None:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    keys = parameters.get("keys") or ()
    return all(isinstance(value, dict) and key in value for key in keys)


_READINGS: Final[Mapping[str, Callable[[Parameters, str], bool | None]]] = {
    "length.words": _words,
    "length.characters": _characters,
    "length.sentences": _sentences,
    "length.lines": _lines,
    "contains.terms": _include,
    "excludes.terms": _exclude,
    "format.json": _json,
}
