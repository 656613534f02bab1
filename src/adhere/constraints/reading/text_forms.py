"""When two ways of writing are the same text: the one place that decides it.

Rules.

- Canonically equivalent texts are equal: "é" is found whether it is written as one code point or as two (UAX #15).
- Case does not count where it is not asked about: Unicode case folding.
- `seen` is for what must *not* be written: besides, invisible characters count for nothing (zero-width, soft hyphen),
  compatibility forms (full width, mathematical letters) count as the letters that they style, and letters of other
  alphabets that look like a Latin letter count as that one (UTS #39; the data of the package `confusable-homoglyphs`,
  MIT), on both sides. Of ASCII characters none counts as another.
- Each folds a beginning of a text to a beginning of the folded text, marks that wait for their order aside: so a word
  can be followed while it is written.
- `says_nothing`: an answer without a letter, digit or symbol is no answer, whatever it avoids.
"""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from importlib import resources

import regex

_INVISIBLE = regex.compile(r"\p{DI}", regex.V1)
_SILENT = regex.compile(r"[\s\p{P}\p{C}\p{Z}\p{M}]*+")
_ALPHABETS = regex.compile(
    r"[\p{Latin}\p{Cyrillic}\p{Greek}\p{Armenian}\p{Cherokee}\p{Coptic}\p{Lisu}\p{Deseret}\p{Osage}]"
)
"""Scripts whose letters may stand for a Latin one in a word. Han, kana and Arabic letters that look like "I" or "o" are
too common in words of their own."""

_SURE = dict(
    zip(
        "аеорсухіјѕԁһӏԛԝАВЕНІЈКМОРСТХЅԌԚԜ" + "οανικρυχϳΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹ" + "օոսհցօ" + "ıɡɑℓ",
        "aeopcyxijsdhlqwABEHIJKMOPCTXSGQW" + "oavikpuxjABEZHIKMNOPTYXC" + "onuhgo" + "igal",
        strict=True,
    )
)
"""The commonest, where the data name several Latin letters for one character."""


def says_nothing(text: str) -> bool:
    """Whether a text holds only white space, punctuation, marks and invisible characters: "", "***", "...", "-"."""
    return _SILENT.fullmatch(text) is not None


def folded(text: str) -> str:
    """The text as it is compared: case folded, canonically decomposed."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFD", text.casefold())


def seen(text: str) -> str:
    """The text as a reader sees it, for comparison."""
    if text.isascii():
        return text.lower()
    table = look_alikes()
    shown = _INVISIBLE.sub("", text).translate(table)
    return unicodedata.normalize("NFKD", shown).casefold().translate(table)


@cache
def look_alikes() -> dict[int, str]:
    """For `str.translate`: characters of other alphabets, and the Latin letter that each looks like."""
    packed = resources.files("confusable_homoglyphs").joinpath("confusables.json").read_bytes()
    data: dict[str, list[dict[str, str]]] = json.loads(packed)
    table: dict[int, str] = {}
    for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
        for entry in data.get(letter, ()):
            c = entry["c"]
            if len(c) == 1 and not c.isascii() and _ALPHABETS.match(c) and unicodedata.normalize("NFKD", c) == c:
                table.setdefault(ord(c), letter)
    return table | {ord(c): letter for c, letter in _SURE.items()}
