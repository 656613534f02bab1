"""The word lists of the grammar, one file a language, and which of them a sentence is read with.

A line of a list is `role value: phrase | phrase`, a further indented line goes on, `#` begins a comment. Of two lines
with the same phrase the later one wins. Roles are those of `shapes.ROLES`, and these:

    value n, multiplier n, number_article, number_joint    number words ("twenty", "hundred", "a", "and")
    part_noun, quantifier, ordinal                          "sentence", "each", "first": every pair is a part
    other_part, other_quantifier                            parts that no combinator can name ("each stanza")
    either relation,role                                    a relation before a number, something else elsewhere
    verb_or_noun role                                       a verb, or behind an article something to be written
    commonest                                               words by which the language is recognised
    written                                                 `unspaced`, or `elided`: an apostrophe ends a word
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from importlib import resources
from typing import Any

from adhere.constraints.instructions.quantity import NumberWords
from adhere.constraints.instructions.tokens import Entry, Lexicon

CODES = ("en", "es", "fr", "de", "ja", "zh")

_KANA = re.compile(r"[\u3040-\u30ff]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_WORD = re.compile(r"[^\W\d_]+")
_LETTER = re.compile(r"[^\W\d_]")
_LINE = re.compile(r"(?P<role>\w+)(?: (?P<value>[^:]*))?: ?(?P<phrases>.*)")
_PHRASE = {
    "": re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+|\S"),
    "elided": re.compile(r"[^\W\d_]+['’]?|\d+|\S"),
    "unspaced": re.compile(r"[a-z]+|\d+|\S"),
}
"""A word of a phrase, as `tokens.py` cuts texts."""


@cache
def lexicon(code: str) -> Lexicon:
    """The word list of a language of `CODES`."""
    text = resources.files(__package__).joinpath(f"{code}.txt").read_text(encoding="utf-8")
    entries: list[tuple[str, Any, list[str]]] = []
    for line in text.splitlines():
        if line.startswith(" ") and entries:
            entries[-1][2].append(line.strip())
        elif (match := _LINE.fullmatch(line)) and not line.startswith("#"):
            entries.append((match["role"], _value(match["value"]), [match["phrases"]]))
    return _lexicon(code, [(role, value, _phrases(" ".join(lines))) for role, value, lines in entries])


def _phrases(listed: str) -> list[str]:
    return [phrase.strip().lower() for phrase in listed.split("|") if phrase.strip()]


def _value(written: str | None) -> Any:
    if written is None:
        return None
    values = [_one(one) for one in written.split(",")]
    return values[0] if len(values) == 1 else tuple(values)


def _one(written: str) -> Any:
    named = {"-": None, "true": True, "false": False}
    return named[written] if written in named else int(written) if written.isdecimal() else written


def _lexicon(code: str, entries: list[tuple[str, Any, list[str]]]) -> Lexicon:
    single: dict[str, list[tuple[Any, str]]] = defaultdict(list)
    for role, value, phrases in entries:
        single[role] += [(value, phrase) for phrase in phrases]
    written = single["written"][0][1] if single["written"] else ""
    unspaced = written == "unspaced"
    gap = "" if unspaced else " "
    table: dict[tuple[str, ...], Entry] = {}

    def add(phrase: str, entry: Entry) -> None:
        table[tuple(_PHRASE[written].findall(phrase))] = entry

    for _, quantifier in single["quantifier"]:
        for part, noun in single["part_noun"]:
            add(f"{quantifier}{gap}{noun}", Entry("part", ("each", part)))
    for _, quantifier in single["other_quantifier"]:
        for _, noun in single["other_part"]:
            add(f"{quantifier}{gap}{noun}", Entry("part", ("each", "")))
    for place, ordinal in single["ordinal"]:
        for part, noun in single["part_noun"]:
            add(f"{ordinal}{gap}{noun}", Entry("part", ("in", f"{place}_{part}")))
    for number, place in enumerate(("first", "second", "third", "fourth", "fifth", "sixth"), 1):
        for part, noun in single["part_noun"]:
            add(f"{noun} {number}", Entry("part", ("in", f"{place}_{part}")))
            for value, word in single["value"]:
                if value == number and not unspaced:
                    add(f"{noun} {word}", Entry("part", ("in", f"{place}_{part}")))
    for role, value, listed in entries:
        if role not in _TABLES:
            for phrase in listed:
                add(phrase, Entry(role, value))
    numbers = NumberWords(
        values={word: value for value, word in single["value"]},
        multipliers={word: value for value, word in single["multiplier"]},
        articles=frozenset(word for _, word in single["number_article"]),
        joints=frozenset(word for _, word in single["number_joint"]),
        characters=unspaced,
    )
    commonest = frozenset(word for _, word in single["commonest"])
    return Lexicon(code, table, numbers, written, max(map(len, table)), commonest)


_TABLES = frozenset({
    "value", "multiplier", "number_article", "number_joint", "part_noun", "quantifier", "ordinal", "other_part",
    "other_quantifier", "commonest", "written",
})  # fmt: skip


def language_of(text: str, default: str | None = None) -> str:
    """Which of `CODES` a sentence is most likely in; English where its commonest words are of none of them.

    Han letters without Kana are Chinese; languages of one script are told apart by their commonest words. `default`
    wins a draw: the language of the text around.
    """
    letters = len(_LETTER.findall(text))
    if not letters:
        return default or "en"
    han, kana = len(_HAN.findall(text)), len(_KANA.findall(text))
    if (han + kana) * 3 >= letters:
        return "ja" if kana else ("ja" if default == "ja" else "zh")
    words = [word.lower() for word in _WORD.findall(text)]
    scores = {code: _score(words, lexicon(code)) for code in CODES[:4]}
    best = max(scores.values())
    if default in scores and scores[default] == best:
        return str(default)
    return next(code for code, score in scores.items() if score == best) if best else default or "en"


def _score(words: list[str], known: Lexicon) -> int:
    """How much of a text is in a language's list; its commonest words count double."""
    return sum((word in known.commonest) + ((word,) in known.phrases) for word in words)
