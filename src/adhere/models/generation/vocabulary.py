"""A vocabulary by its bytes and characters: whole sets of tokens are struck out at once, not one refusal at a time.

Rules:

- A monitor's verdict is final: a token is refused for good at a place if a beginning of it is. Tokens are grouped by
  how they begin (`beginnings`: the first character, and the one behind a first space), so that one look at a monitor
  settles the group.
- Some constraints look at characters alone, whatever stands before them (`characterwise`): for those the mask is
  computed once for the vocabulary and costs nothing while an answer is written.
- A token may end within a character. What it may become is a range of code points (`completions`); it is refused where
  all of a sample of them are.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from adhere.constraints.constraint import BROKEN, Constraint
from adhere.constraints.families.case import LetterCase
from adhere.constraints.families.language import ResponseLanguage
from adhere.constraints.families.marks import WithoutMark
from adhere.constraints.reading import languages

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BEFORE = ("", "a", "a ", "3", "A.\n")
"""What stands before a character when a characterwise constraint is asked about it."""
SAMPLED = 12
"""Code points of a range that are tried for a token that ends within a character."""


class Vocabulary:
    """The tokens of a tokenizer as bytes.

    Attributes:
        size: of the model's output, which may be larger than the tokenizer's vocabulary.
        bytes: of each token; special tokens and those without a name are empty.
        texts: each token's whole characters; what is not a whole character at either end is left out.
        beginning: number of each token's beginning [size]; -1 where it begins within a character.
        beginnings: the beginnings, by number.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, size: int) -> None:
        self.size = size
        special = set(tokenizer.all_special_ids)
        names = tokenizer.convert_ids_to_tokens(list(range(min(size, len(tokenizer)))))
        by_bytes = _is_byte_level(tokenizer)
        read = _from_byte_level if by_bytes else _from_pieces
        self.bytes = [b"" if k in special or name is None else read(str(name)) for k, name in enumerate(names)]
        self.bytes += [b""] * (size - len(self.bytes))
        self.texts = [_whole(one) for one in self.bytes]
        numbers: dict[str, int] = {}
        self.beginning = np.full(size, -1, dtype=np.int32)
        for token, (raw, text) in enumerate(zip(self.bytes, self.texts, strict=True)):
            if text and raw.startswith(text.encode()):
                self.beginning[token] = numbers.setdefault(text[:2] if text[0] == " " else text[0], len(numbers))
        self.beginnings = list(numbers)
        self._masks: dict[str, np.ndarray] = {}

    def mask(self, constraint: Constraint) -> np.ndarray | None:
        """The tokens [size] that a characterwise constraint allows; None for any other constraint."""
        if not characterwise(constraint):
            return None
        key = repr(constraint.to_json())
        if key not in self._masks:
            bad = _forbidden(constraint, {c for text in self.texts for c in text})
            allowed = np.array([not bad.intersection(text) for text in self.texts])
            self._masks = {key: allowed, **dict(list(self._masks.items())[:15])}
        return self._masks[key]

    def tokens_of(self, numbers: Sequence[int]) -> np.ndarray:
        """The tokens [size] that begin in one of these ways."""
        return np.isin(self.beginning, numbers)


_KNOWN: weakref.WeakKeyDictionary[Any, Vocabulary] = weakref.WeakKeyDictionary()


def vocabulary_of(tokenizer: PreTrainedTokenizerBase, size: int) -> Vocabulary:
    """The vocabulary, read once for each tokenizer."""
    known = _KNOWN.get(tokenizer)
    if known is None or known.size != size:
        known = _KNOWN[tokenizer] = Vocabulary(tokenizer, size)
    return known


def characterwise(constraint: Constraint) -> bool:
    """Whether a constraint forbids characters wherever they stand. A language forbids the letters of other scripts:
    more than it says, for names may stand in them, but an answer that begins in another script does not come back."""
    return isinstance(constraint, LetterCase | WithoutMark | ResponseLanguage) and constraint.profile == "fixed"


def _forbidden(constraint: Constraint, alphabet: set[str]) -> set[str]:
    if isinstance(constraint, ResponseLanguage):
        script = languages.SCRIPT_OF[constraint.language]
        return {c for c in alphabet if (other := languages.script(c)) and other != script}
    forbidden = alphabet
    for before in BEFORE:
        context = constraint.monitor()
        if before and context.feed(before) is BROKEN:
            continue
        forbidden = {c for c in forbidden if context.fork().feed(c) is BROKEN}
    return forbidden


def completions(raw: bytes) -> list[str]:
    """A sample of the texts that bytes which end within a character may become; empty if they cannot become any."""
    whole = _whole_start(raw)
    rest = raw[len(whole.encode()) :]
    if not rest:
        return [whole]
    length = next(
        (n for low, high, n in ((0xC2, 0xDF, 2), (0xE0, 0xEF, 3), (0xF0, 0xF4, 4)) if low <= rest[0] <= high), 0
    )
    if len(rest) >= length:
        return []
    return [whole + one for one in _sampled(rest, length)]


@lru_cache(maxsize=1_024)
def _sampled(rest: bytes, length: int) -> tuple[str, ...]:
    missing = 6 * (length - len(rest))
    value = rest[0] & (0x7F >> length)
    for byte in rest[1:]:
        value = value << 6 | byte & 0x3F
    low, high = value << missing, (value + 1) << missing
    found = []
    for point in np.linspace(low, high - 1, SAMPLED * 4).astype(int).tolist():
        try:
            one = chr(point)
            if one.encode().startswith(rest) and one.isprintable():
                found.append(one)
        except (ValueError, UnicodeEncodeError):
            continue
    return tuple(dict.fromkeys(found))[:: max(1, len(found) // SAMPLED)]


def _whole_start(raw: bytes) -> str:
    """The whole characters at the start of `raw`."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        return raw[: error.start].decode()


def _whole(raw: bytes) -> str:
    """The characters of `raw`, those cut at either end left out."""
    return raw.decode(errors="ignore")


def _is_byte_level(tokenizer: Any) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return "ByteLevel" in repr(getattr(backend, "decoder", None))


@lru_cache(maxsize=1)
def _byte_of() -> dict[str, int]:
    """GPT-2's characters for bytes: printable ones stand for themselves, the rest are moved up to 256 and on."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [byte for byte in range(256) if byte not in kept]
    return {chr(byte): byte for byte in kept} | {chr(256 + k): byte for k, byte in enumerate(moved)}


def _from_byte_level(name: str) -> bytes:
    known = _byte_of()
    if all(c in known for c in name):
        return bytes(known[c] for c in name)
    return name.encode()  # an added token stands as it is


def _from_pieces(name: str) -> bytes:
    if len(name) == 6 and name.startswith("<0x") and name.endswith(">"):
        return bytes([int(name[3:5], 16)])
    return name.replace("▁", " ").encode()


def held_bytes(vocabulary: Vocabulary, tokens: Sequence[int]) -> bytes:
    """The bytes of `tokens`, one after the other."""
    return b"".join(vocabulary.bytes[token] for token in tokens)


def top_beginnings(vocabulary: Vocabulary, tokens: Sequence[int]) -> Iterator[tuple[int, str]]:
    """How `tokens` begin, each way once."""
    for number in dict.fromkeys(vocabulary.beginning[list(tokens)].tolist()):
        if number >= 0:
            yield number, vocabulary.beginnings[number]
