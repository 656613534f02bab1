"""Which language a text is in: by its script where the script tells, by a detector where it must.

Rules:

- Deterministic and offline. The detector is py3langid (langid.py by Marco Lui, kept up by Adrien Barbaresi; BSD-3),
  which has to tell apart only the languages of one script. It was chosen over lingua 2.1.1 on the 922 answers to
  language instructions whose reference verdict is stable: 24 against 53 disagreements, 0.5 against 8 ms a text, 5
  against 96 MB; lingua knows neither Kannada nor Nepali.
- The script of most letters decides: Kannada, Thai, Hangul, Kana and others have one language here.
- Text that is plainly English by its commonest words needs no detector.
- `FEWEST_LETTERS` letters are too few to tell languages of one script apart, and a guess below `SURE` is no answer:
  the language is None.
- At most `LONGEST` characters are read, and few of them by the detector.

`by_reference` answers as IFEval's checker would if it gave the same answer twice. Its detector, langdetect, draws at
random which n-grams it weighs; here all of them are weighed, which is the answer it gives most often, where its own
table is small enough to ship: of a word in capitals langdetect reads the first letter and the end alone. Elsewhere
the detector above stands in. A handful of Latin letters counts as no language at all, since langdetect puts most such
words ("etchings", "yes") into any language but English.

py3langid (with numpy) is imported when a text first needs it: about half a second.
"""

from __future__ import annotations

import copy
import gzip
import json
import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

LONGEST = 10_000
FEWEST_LETTERS = 16
SURE = 0.6

NAMES = {
    "af": "Afrikaans", "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech",
    "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian",
    "fa": "Persian", "fi": "Finnish", "fr": "French", "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "is": "Icelandic", "it": "Italian",
    "ja": "Japanese", "ka": "Georgian", "km": "Khmer", "kn": "Kannada", "ko": "Korean", "lo": "Lao",
    "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "ml": "Malayalam", "mr": "Marathi", "my": "Burmese",
    "ne": "Nepali", "nl": "Dutch", "no": "Norwegian", "or": "Odia", "pa": "Punjabi", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian",
    "so": "Somali", "sq": "Albanian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai",
    "tl": "Tagalog", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""The languages that can be asked for, by ISO 639-1 code."""

_LANGUAGES_OF = {
    "Latin": "af ca cs cy da de en es et fi fr hr hu id is it lt lv nl no pl pt ro sk sl so sq sv sw tl tr vi",
    "Cyrillic": "bg mk ru uk",
    "Arabic": "ar fa ur",
    "Devanagari": "hi mr ne",
    "Greek": "el", "Hebrew": "he", "Bengali": "bn", "Gurmukhi": "pa", "Gujarati": "gu", "Oriya": "or", "Tamil": "ta",
    "Telugu": "te", "Kannada": "kn", "Malayalam": "ml", "Sinhala": "si", "Thai": "th", "Lao": "lo", "Myanmar": "my",
    "Georgian": "ka", "Armenian": "hy", "Khmer": "km", "Hangul": "ko", "Kana": "ja", "Han": "zh",
}  # fmt: skip

SCRIPT_OF = {language: script for script, languages in _LANGUAGES_OF.items() for language in languages.split()}

_BLOCKS = (
    (0x41, 0x250, "Latin"), (0x370, 0x400, "Greek"), (0x400, 0x530, "Cyrillic"), (0x530, 0x590, "Armenian"),
    (0x590, 0x600, "Hebrew"), (0x600, 0x780, "Arabic"), (0x900, 0x980, "Devanagari"), (0x980, 0xA00, "Bengali"),
    (0xA00, 0xA80, "Gurmukhi"), (0xA80, 0xB00, "Gujarati"), (0xB00, 0xB80, "Oriya"), (0xB80, 0xC00, "Tamil"),
    (0xC00, 0xC80, "Telugu"), (0xC80, 0xD00, "Kannada"), (0xD00, 0xD80, "Malayalam"), (0xD80, 0xE00, "Sinhala"),
    (0xE00, 0xE80, "Thai"), (0xE80, 0xF00, "Lao"), (0x1000, 0x10A0, "Myanmar"), (0x10A0, 0x1100, "Georgian"),
    (0x1100, 0x1200, "Hangul"), (0x1780, 0x1800, "Khmer"), (0x1E00, 0x1F00, "Latin"), (0x1F00, 0x2000, "Greek"),
    (0x3040, 0x3100, "Kana"), (0x3130, 0x3190, "Hangul"), (0x3400, 0xA000, "Han"), (0xAC00, 0xD7B0, "Hangul"),
    (0xFB1D, 0xFB50, "Hebrew"), (0xFB50, 0xFE00, "Arabic"), (0xFE70, 0xFF00, "Arabic"), (0x20000, 0x32000, "Han"),
)  # fmt: skip
_STARTS = [start for start, _, _ in _BLOCKS]

_FEWEST_FOR_REFERENCE = 12
_TRIAL_SMOOTHING = 0.5 / 10_000
"""langdetect's `alpha / BASE_FREQ`."""

_ENGLISH = frozenset(
    "the and of to is that for with you this are it as your be have from not by will can our we they their an at or "
    "which i my was were has had would could should if but what when who how all he she his her them there "
    "these".split()
)
_WORD = re.compile(r"[a-z']+")
_CAPITALS = re.compile(r"[A-Z]+")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]+")
_SAMPLE = 400
"""Characters that the detector reads: its answers hardly change with more, its time grows with each."""
_GLANCE = 600
"""Characters of a text that are looked at for English words."""
_FEWEST_WORDS = 12
_ENGLISH_SHARE = 0.25
"""Running English has 40 to 50 % of these words; other languages that share a few of them stay under 10 %."""


@dataclass(frozen=True, slots=True)
class Guess:
    """`likeliest` is the best guess of all, None for a text without letters; `language` is the guess where it is
    good enough to stand on. `share` is the part of the letters that stand in the language's script."""

    language: str | None
    likeliest: str | None
    letters: int
    share: float


@lru_cache(maxsize=4096)
def script(character: str) -> str | None:
    """The script of a letter; None for what is no letter, or in no script that is told apart here."""
    at = bisect_right(_STARTS, ord(character)) - 1
    if at < 0 or ord(character) >= _BLOCKS[at][1]:
        return None
    # vowel signs of the Indic scripts are marks, not letters, but they are part of the writing
    return _BLOCKS[at][2] if character.isalpha() or _BLOCKS[at][2] != "Latin" else None


def scripts(text: str) -> dict[str, int]:
    """How many letters of each script stand in `text`."""
    counts: dict[str, int] = {}
    for character, n in Counter(text).items():
        found = script(character)
        if found:
            counts[found] = counts.get(found, 0) + n
    return counts


def plainly_english(text: str) -> bool:
    """Whether the commonest English words make up a quarter of the first words of `text`."""
    words = _WORD.findall(text[:_GLANCE].lower())
    return len(words) >= _FEWEST_WORDS and sum(map(_ENGLISH.__contains__, words)) >= _ENGLISH_SHARE * len(words)


def detect(text: str) -> Guess:
    """The language of `text`."""
    return _detect(text[:LONGEST])


@lru_cache(maxsize=512)
def _detect(text: str) -> Guess:
    if text.isascii() and plainly_english(text):
        return Guess("en", "en", len(text), 1.0)
    counts = scripts(text)
    if not counts:
        return Guess(None, None, 0, 0.0)
    letters = sum(counts.values())
    if counts.get("Kana", 0) * 10 > counts.get("Han", 0):
        counts["Kana"] = counts.get("Kana", 0) + counts.pop("Han", 0)
    script = max(counts, key=counts.__getitem__)
    share = counts[script] / letters
    languages = _LANGUAGES_OF[script]
    if " " not in languages:
        return Guess(languages, languages, letters, share)
    if script == "Latin" and plainly_english(text):
        return Guess("en", "en", letters, share)
    sample = (text if script == "Latin" else _LATIN.sub("", text))[:_SAMPLE]
    likeliest, confidence = _identifier(languages).classify(sample)
    told = letters >= FEWEST_LETTERS and confidence >= SURE
    return Guess(likeliest if told else None, likeliest, letters, share)


def by_reference(text: str) -> str | None:
    """The language that the reference would most often see; None where it would see none, or any."""
    text = text[:LONGEST]
    if text.isupper() and text.isascii():
        return _of_capitals(text)
    guess = detect(text)
    few = guess.letters < _FEWEST_FOR_REFERENCE and SCRIPT_OF.get(guess.likeliest or "") == "Latin"
    return None if few else guess.likeliest


def _of_capitals(text: str) -> str | None:
    import numpy

    languages, rows, weights = _capitals()
    words = _CAPITALS.findall(text)
    grams = Counter([word[0] for word in words])
    grams += Counter({" " + first: n for first, n in grams.items()})
    # the end of a word is read with the space after it, which the last word may not have
    ended = words[:-1] if _CAPITALS.match(text[-1]) else words
    for end, n in Counter([(" " + word)[-2:] for word in ended]).items():
        grams[end[-1] + " "] += n
        grams[end + " "] += n
    known = [(rows[gram], n) for gram, n in grams.items() if gram in rows]
    if not known:
        return None
    index, counts = zip(*known, strict=True)
    return languages[int((numpy.asarray(counts)[:, None] * weights[list(index)]).sum(axis=0).argmax())]


@cache
def _capitals() -> tuple[list[str], dict[str, int], Any]:
    """Languages, the row of each n-gram, and its logarithmic weight for each language."""
    import numpy

    packed = resources.files("adhere.constraints.data").joinpath("langdetect_capitals.json.gz").read_bytes()
    record = json.loads(gzip.decompress(packed))
    languages: list[str] = record["languages"]
    shares: dict[str, dict[str, float]] = record["shares"]
    table = numpy.array([[row.get(language, 0.0) for language in languages] for row in shares.values()])
    return languages, {gram: row for row, gram in enumerate(shares)}, numpy.log(table + _TRIAL_SMOOTHING)


@cache
def _identifier(languages: str) -> LanguageIdentifier:
    if languages:
        # a copy shares the model; restricting it replaces its tables and leaves the shared ones
        restricted = copy.copy(_identifier(""))
        restricted.set_languages(languages.split())
        return restricted
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
