"""Rules of open-instruct's training set (IFTrain) that no other family states, each with its reference checker.

Pyatkin et al. 2025, "Generalizing Verifiable Instruction Following", arXiv 2507.02833. One family holds them all, as
one table of named rules: they are asked for by their ids, hardly by people. `benchmarks.iftrain` maps the ids; those
that say what another family says become that family's constraint in the fixed profile.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import model_validator

from adhere.constraints.bases.reference_profile import Twofold, tokens
from adhere.constraints.constraint import BROKEN, HOLDS, Check
from adhere.constraints.reading import text_forms
from adhere.constraints.reading.segments import sentences, words
from adhere.constraints.registry import register

Judge = Callable[..., bool]

_ALPHABETS = "([A-Za-z])"
_PREFIXES = r"(Mr|St|Mrs|Ms|Dr)[.]"
_SUFFIXES = "(Inc|Ltd|Jr|Sr|Co)"
_STARTERS = (
    r"(Mr|Mrs|Ms|Dr|Prof|Capt|Cpt|Lt|He\s|She\s|It\s|They\s|Their\s|Our\s|We\s|But\s|However\s|That\s|This\s|Wherever)"
)
_ACRONYMS = "([A-Z][.][A-Z][.](?:[A-Z][.])?)"
_WEBSITES = "[.](com|net|org|io|gov|edu|me)"
_SPLITS: tuple[tuple[str, str], ...] = (
    (_PREFIXES, r"\1<prd>"),
    (_WEBSITES, r"<prd>\1"),
    (r"([0-9])[.]([0-9])", r"\1<prd>\2"),
)
_LATER: tuple[tuple[str, str], ...] = (
    (rf"\s{_ALPHABETS}[.] ", r" \1<prd> "),
    (rf"{_ACRONYMS} {_STARTERS}", r"\1<stop> \2"),
    (rf"{_ALPHABETS}[.]{_ALPHABETS}[.]{_ALPHABETS}[.]", r"\1<prd>\2<prd>\3<prd>"),
    (rf"{_ALPHABETS}[.]{_ALPHABETS}[.]", r"\1<prd>\2<prd>"),
    (rf" {_SUFFIXES}[.] {_STARTERS}", r" \1<stop> \2"),
    (rf" {_SUFFIXES}[.]", r" \1<prd>"),
    (rf" {_ALPHABETS}[.]", r" \1<prd>"),
)


def reference_sentences(text: str) -> list[str]:
    """What the reference's own splitter makes of a text (`instructions_util.split_into_sentences`)."""
    text = f" {text}  ".replace("\n", " ")
    for pattern, new in _SPLITS:
        text = re.sub(pattern, new, text)
    text = re.sub(r"\.{2,}", lambda match: "<prd>" * len(match[0]) + "<stop>", text)
    text = text.replace("Ph.D.", "Ph<prd>D<prd>")
    for pattern, new in _LATER:
        text = re.sub(pattern, new, text)
    for old, new in ((".”", "”."), ('."', '".'), ('!"', '"!'), ('?"', '"?')):
        text = text.replace(old, new)
    for mark in ".?!":
        text = text.replace(mark, mark + "<stop>")
    pieces = [piece.strip() for piece in text.replace("<prd>", ".").split("<stop>")]
    return pieces[:-1] if pieces and not pieces[-1] else pieces


def divided(text: str, pattern: str) -> list[str] | None:
    """The pieces between dividers, empty ones at the ends left out; None where one is empty within."""
    pieces = re.split(pattern, text)
    if any(not piece.strip() for piece in pieces[1:-1]):
        return None
    return [piece for piece in pieces if piece.strip()]


def _inside(text: str) -> list[str]:
    return [text[span.start : span.end] for span in sentences(text)]


def _plain(text: str) -> str:
    return text_forms.folded(" ".join(text.split()))


# one pair of functions for each rule: what the reference answers, and what the instruction says


def _repeats_reference(text: str, phrase: str, small_n: int) -> bool:
    due = phrase.split()
    if not due:
        return False
    try:
        matches = re.findall(rf"{due[0]} .*? {due[-1]}", text)
    except re.error:
        return False
    if len(matches) != small_n:
        return False
    pairs = [match.split() for match in matches]
    return all(len(here) == len(due) and sum(a != b for a, b in zip(here, due, strict=True)) == 1 for here in pairs)


def _repeats(text: str, phrase: str, small_n: int) -> bool:
    """Stretches as long as the phrase that differ from it in one word, which is neither the first nor the last."""
    due, here = [_plain(word) for word in words(phrase)], [_plain(word) for word in words(text)]
    if len(due) < 3:
        return False
    count = at = 0
    while at + len(due) <= len(here):
        if here[at] == due[0] and here[at + len(due) - 1] == due[-1]:
            differing = sum(a != b for a, b in zip(due, here[at : at + len(due)], strict=True))
            if differing == 1:
                count += 1
                at += len(due)
                continue
        at += 1
    return count == small_n


def _hyphens_reference(text: str) -> bool:
    return all(
        sentence.strip() == sentence and sentence == due
        for sentence, due in zip(text.split("-"), reference_sentences(text.replace("-", " ")), strict=False)
    )


def _hyphens(text: str) -> bool:
    """Where a sentence ends and another follows there is a hyphen between them, and no white space."""
    text = text.strip()
    joined = re.findall(r"[.!?][\"'”’)]*-(?=\S)", text)
    apart = re.findall(r"[.!?][\"'”’)]*\s+(?=\S)", text)
    return bool(joined) and not apart


def _adjacent_reference(text: str) -> bool:
    first = [word[0].lower() for word in text.split()]
    return all(len(a) == 1 and len(b) == 1 and ord(b) - ord(a) != 1 for a, b in pairwise(first))


def _adjacent(text: str) -> bool:
    first = [_plain(word)[0] for word in words(text) if word[0].isalpha()]
    return all(ord(b) - ord(a) != 1 for a, b in pairwise(first))


def _brackets(text: str) -> bool:
    return all(word.startswith("[") and word.endswith("]") for word in text.split())


def _brackets_each(text: str) -> bool:
    """Every word stands in brackets of its own; a mark may follow them."""
    pieces = text.split()
    return bool(pieces) and all(re.fullmatch(r"\[[^\[\]\s]+\][.,!?;:]*", piece) for piece in pieces)


def _first_reference(text: str, first_word: str) -> bool:
    pieces = reference_sentences(text)
    return all(piece.strip() and piece.split()[0].lower() == first_word.lower() for piece in pieces)


def _first(text: str, first_word: str) -> bool:
    inside = [words(piece) for piece in _inside(text)]
    return bool(inside) and all(here and _plain(here[0]) == _plain(first_word) for here in inside)


def _last_reference(text: str, last_word: str) -> bool:
    for piece in reference_sentences(text):
        if not piece.strip() or re.sub(r"[^\w\s]", "", piece.split()[-1]).lower() != last_word.lower():
            return False
    return True


def _last(text: str, last_word: str) -> bool:
    inside = [words(piece) for piece in _inside(text)]
    return bool(inside) and all(here and _plain(here[-1]) == _plain(last_word) for here in inside)


def _last_of_all_reference(text: str, last_word: str) -> bool:
    pieces = text.split()
    return bool(pieces) and re.sub(r"[^\w\s]", "", pieces[-1]).lower() == last_word.lower()


def _last_of_all(text: str, last_word: str) -> bool:
    here = words(text)
    return bool(here) and _plain(here[-1]) == _plain(last_word)


def _bigrams_reference(text: str) -> bool:
    pieces = text.split()
    pairs = zip(pieces[::2], pieces[1::2], strict=False)
    return all(a.startswith("<<") and b.endswith(">>") for a, b in pairs)


def _bigrams(text: str) -> bool:
    """The text is pairs of words in double angular brackets; the last may be a single one."""
    return re.fullmatch(r"(?:<<[^\s<>]+ [^\s<>]+>>[.,!?;:]*\s*)+(?:<<[^\s<>]+>>\s*)?", text.strip()) is not None


def _copies(text: str, prompt_to_repeat: str, N: int) -> bool:
    pieces = text.split("******")
    return len(pieces) == N and all(piece.strip().lower() == prompt_to_repeat.strip().lower() for piece in pieces)


def _copies_plain(text: str, prompt_to_repeat: str, N: int) -> bool:
    pieces = text.split("******")
    return len(pieces) == N and all(_plain(piece) == _plain(prompt_to_repeat) for piece in pieces)


def _lowercase_reference(text: str, N: int) -> bool:
    return len(re.findall(r"\b[a-z]+\b", text)) <= N


def _lowercase(text: str, N: int) -> bool:
    return sum(word.islower() for word in words(text)) <= N


def _in_relation(count: int, n: int, relation: str) -> bool:
    return count >= n if relation == "at least" else count < n


def _letters_reference(text: str, N: int, relation: str) -> bool:
    return _in_relation(len(re.findall(r"[a-zA-Z]", text)), N, relation)


def _letters(text: str, N: int, relation: str) -> bool:
    return _in_relation(sum(map(str.isalpha, text)), N, relation)


def _composed_reference(text: str, n_sent: int, n_words: int) -> bool:
    pieces = re.split(r"\s?\*\*\*\s?", text)
    paragraphs = len(pieces)
    for at, piece in enumerate(pieces):
        if not piece.strip():
            if at not in (0, len(pieces) - 1):
                return False
            paragraphs -= 1
        inside = reference_sentences(piece)
        if len(inside) != n_sent or any(sum(1 for _ in tokens(one)) != n_words for one in inside):
            return False
    return paragraphs == 3


def _composed(text: str, n_sent: int, n_words: int) -> bool:
    pieces = divided(text, r"\s*(?:\*\*\*|\* \* \*)\s*")
    if pieces is None or len(pieces) != 3:
        return False
    inside = [_inside(piece) for piece in pieces]
    return all(len(one) == n_sent and all(len(words(each)) == n_words for each in one) for one in inside)


def _unique_reference(text: str) -> bool:
    here = list(tokens(text))
    return len(here) == len(set(here))


def _unique(text: str) -> bool:
    return max(Counter(map(_plain, words(text))).values(), default=1) == 1


def _palindrome_reference(text: str) -> bool:
    return any(word == word[::-1] for word in text.split())


def _palindrome(text: str) -> bool:
    plain = [_plain(word) for word in words(text)]
    return any(len(word) > 2 and word.isalpha() and word == word[::-1] for word in plain)


def _same_ends_reference(text: str) -> bool:
    here = list(tokens(text))
    return len(here) > 1 and here[0].lower() == here[-1].lower()


def _same_ends(text: str) -> bool:
    here = words(text)
    return len(here) > 1 and _plain(here[0]) == _plain(here[-1]) and text.rstrip().endswith(here[-1])


def _once(text: str, keyword: str) -> bool:
    return _matches(keyword, text) == 1


def _matches(pattern: str, text: str) -> int:
    from adhere.constraints.reading import plain_regex

    return plain_regex.count(pattern, text)


def _times(text: str, keyword: str, frequency: int, relation: str) -> bool:
    return _in_relation(_matches(keyword, text), frequency, relation)


def _spaced_out(text: str, keyword: str) -> bool:
    return f" {keyword} " not in text


def _once_and_twice(text: str, keyword1: str, keyword2: str) -> bool:
    return _matches(keyword1, text) == 1 and _matches(keyword2, text) == 2


def _paragraphs(text: str, pattern: str) -> bool:
    pieces = divided(text, pattern)
    return pieces is not None and len(pieces) == 2


def _first_of_all(text: str, first_word: str) -> bool:
    return bool(text.split()) and text.split()[0].lower() == first_word.lower()


def _copy(text: str, prompt_to_repeat: str) -> bool:
    return text.strip().lower() == prompt_to_repeat.strip().lower()


def _span(text: str, prompt_to_repeat: str, n_start: int, n_end: int) -> bool:
    return _copy(text, prompt_to_repeat[n_start:n_end])


def _placed(text: str, keyword: str, n: int, m: int) -> bool:
    inside = reference_sentences(text)
    return len(inside) >= n > 0 and list(tokens(inside[n - 1]))[m - 1 : m] == [keyword]


class Rule(NamedTuple):
    """How a rule is worded, what the reference answers, what the instruction says (None: another family says it)."""

    says: str
    reference: Judge
    fixed: Judge | None = None
    numbers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


_REPEAT = "Repeat the request without change and do not answer it"
RULES: dict[str, Rule] = {
    "copy:repeat_phrase": Rule(
        'Repeat the phrase "{phrase}" exactly {small_n} times, replacing one word in its center each time.',
        _repeats_reference,
        _repeats,
        ("small_n",),
        ("phrase",),
    ),
    "copy:copy": Rule(_REPEAT, _copy, texts=("prompt_to_repeat",)),
    "new:copy_span_idx": Rule("", _span, None, ("n_start", "n_end"), ("prompt_to_repeat",)),
    "detectable_format:sentence_hyphens": Rule(
        "All sentences must be connected using hyphens, with no spaces between them.", _hyphens_reference, _hyphens
    ),
    "keywords:no_adjacent_consecutive": Rule(
        "No two adjacent words can start with consecutive letters of the alphabet.", _adjacent_reference, _adjacent
    ),
    "detectable_format:square_brackets": Rule(
        "Enclose every word in your response within square brackets.", _brackets, _brackets_each
    ),
    "keywords:word_once": Rule("", _once, texts=("keyword",)),
    "keywords:word_count_different_numbers": Rule("", _times, None, ("frequency",), ("keyword", "relation")),
    "keywords:exclude_word_harder": Rule("", _spaced_out, texts=("keyword",)),
    "paragraphs:paragraphs": Rule("", lambda text: _paragraphs(text, r"\s?\*\*\*\s?")),
    "paragraphs:paragraphs2": Rule("", lambda text: _paragraphs(text, r"\n\n")),
    "first_word:first_word_sent": Rule(
        'The first word of each sentence should be the word "{first_word}".',
        _first_reference,
        _first,
        (),
        ("first_word",),
    ),
    "first_word:first_word_answer": Rule("", _first_of_all, texts=("first_word",)),
    "last_word:last_word_sent": Rule(
        'The last word of each sentence, before punctuation, should be the word "{last_word}".',
        _last_reference,
        _last,
        (),
        ("last_word",),
    ),
    "last_word:last_word_answer": Rule(
        'The last word of your response should be the word "{last_word}".',
        _last_of_all_reference,
        _last_of_all,
        (),
        ("last_word",),
    ),
    "detectable_format:bigram_wrapping": Rule(
        "Wrap every word bigram in double angular brackets, such as <<I am>> <<at home>>.", _bigrams_reference, _bigrams
    ),
    "copy:copying_simple": Rule(_REPEAT, _copy, texts=("prompt_to_repeat",)),
    "copy:copying_multiple": Rule(
        'Repeat this {N} times, separated by 6 asterisks, and write nothing else: "{prompt_to_repeat}"',
        _copies,
        _copies_plain,
        ("N",),
        ("prompt_to_repeat",),
    ),
    "punctuation:punctuation_dot": Rule("", lambda text: "." not in text),
    "punctuation:punctuation_exclamation": Rule("", lambda text: "!" not in text),
    "count:lowercase_counting": Rule(
        "Use at most {N} words that are all in lowercase.", _lowercase_reference, _lowercase, ("N",)
    ),
    "letters:letter_counting": Rule(
        "Answer with {relation} {N} letters.", _letters_reference, _letters, ("N",), ("relation",)
    ),
    "count:counting_composition": Rule(
        "Write 3 paragraphs, delimited by the markdown divider: * * *, with exactly {n_sent} sentences each, with "
        "exactly {n_words} words in each sentence.",
        _composed_reference,
        _composed,
        ("n_sent", "n_words"),
    ),
    "count:count_unique": Rule(
        "Only use unique words in your response, no word should be repeated!", _unique_reference, _unique
    ),
    "count:count_increment_word": Rule("", _once_and_twice, texts=("keyword1", "keyword2")),
    "keywords:palindrome": Rule("Include a palindrome in your response.", _palindrome_reference, _palindrome),
    "keywords:keyword_specific_position": Rule("", _placed, None, ("n", "m"), ("keyword",)),
    "keywords:start_end": Rule(
        "Start and end your response with the same word (do not write anything after the last word, not even "
        "punctuation).",
        _same_ends_reference,
        _same_ends,
    ),
}
"""By the id of the instruction."""


@register
class IFTrain(Twofold):
    """A rule of IFTrain, by its id; the reference's faults are in the reference profile. (Two: its sentence splitter,
    and a palindrome of one letter.)

    instruction: the id; arguments: those of the rule.
    """

    kind: ClassVar[str] = "benchmark.iftrain"
    empty_meets: ClassVar[bool] = False
    pieces: ClassVar[tuple[str, ...]] = ("[a]", "<<a b>>", "level", "sea ", "a. ", "-", "The ", "***", "b")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\brule `(?P<id>[\w:]{1,60})` of IFTrain(?: with (?P<arguments>\{[^\n]{0,4000}\}))?", re.I),
    )

    instruction: str
    arguments: tuple[tuple[str, str | int], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _sorted(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("arguments"), dict):
            values = {**values, "arguments": tuple(sorted(values["arguments"].items()))}
        return values

    @model_validator(mode="after")
    def _known(self) -> Self:
        rule = RULES.get(self.instruction)
        if rule is None:
            raise ValueError(f"IFTrain has no rule {self.instruction!r}")
        given = dict(self.arguments)
        for names, kind, what in ((rule.numbers, int, "a whole number"), (rule.texts, str, "a text")):
            for name in names:
                value = given.pop(name, None)
                if not isinstance(value, kind) or isinstance(value, bool):
                    raise ValueError(f"{name} must be {what}")
        if given:
            raise ValueError(f"{self.instruction} takes no {next(iter(given))}")
        if "relation" in dict(self.arguments) and dict(self.arguments)["relation"] not in ("at least", "less than"):
            raise ValueError('relation must be "at least" or "less than"')
        return self

    def describe(self) -> str:
        given = f" with {json.dumps(dict(self.arguments), ensure_ascii=False)}" if self.arguments else ""
        said = RULES[self.instruction].says.format(**dict(self.arguments))
        return f"Follow the rule `{self.instruction}` of IFTrain{given}{f' ({said})' if said else ''}"

    def followed(self, text: str) -> bool:
        return RULES[self.instruction].reference(text, **dict(self.arguments))

    def judge(self, text: str) -> Check:
        rule = RULES[self.instruction]
        met = (rule.fixed or rule.reference)(text, **dict(self.arguments))
        said = rule.says.format(**dict(self.arguments)) or self.instruction
        return Check(HOLDS if met else BROKEN, f"{'follows' if met else 'does not follow'}: {said}", wanted=said)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (
            cls(instruction="count:count_unique"),
            cls(instruction="last_word:last_word_sent", arguments=(("last_word", "sea"),)),
            cls(instruction="letters:letter_counting", arguments=(("N", 5), ("relation", "at least"))),
        )

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        try:
            return cls.model_validate({"instruction": match["id"], "arguments": json.loads(match["arguments"] or "{}")})
        except ValueError:
            return None
