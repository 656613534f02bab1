"""Conditions on one argument of an act, each typed by what the argument is.

Rules
- A condition of an allowing rule is met only by a value that it understands whole; what it cannot parse is not met. A
  condition of an asking or denying rule is met by what it cannot parse: a missing or strange value opens no door.
- `addresses`: every address of a list (text with commas, or a list) matches one of the patterns. An address is
  `local@domain`, without display name, quotes or line breaks.
- `inside`: an absolute path that lies in the folder once links are resolved. `..`, variables, globs, braces,
  percent-encoding and a leading `~` are not paths here: whoever opens the file might expand them.
- `command`: a command line of one program, split as a shell does. Substitution, chaining, redirection, expansion,
  escapes and line breaks are refused, in quotes too. The pattern is compared word by word; a last word `*` stands for
  any further words.
- `at_most` of an allowing rule without `at_least` has the minimum 0. No number is infinite.
- Text with `*`, `?` or `[` is a weak pattern: in an allowing rule it matches no control or format character, no `..`
  step, no command substitution; with `@` in it no list; with a blank in it no chained command.
"""

from __future__ import annotations

import functools
import math
import os
import re
import shlex
import unicodedata
from collections.abc import Callable, Mapping
from fnmatch import translate
from typing import Any

NAMES = frozenset(("at_most", "at_least", "one_of", "regex", "addresses", "inside", "command"))
UNSAFE = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
"""Categories of characters that are obeyed or hidden where they are shown."""
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_STEP_UP = re.compile(r"(^|[/\\])(\.|%2e){2}($|[/\\])|%2f|%5c|%00", re.IGNORECASE)
_EXPANDED = re.compile(r"[$`*?\[\]{}%\\]|^~")
_SHELL = re.compile(r"[$`;&|<>(){}\[\]*?!#~\\\r\n]")
_SUBSTITUTED = re.compile(r"\$[({]|`|[<>]\(")
_CHAINED = re.compile(r"[;&|<>\r\n]")


def check(name: str, wanted: Any) -> None:
    """Check the condition on the argument `name` as it stands in a rule.

    Raises:
        ValueError: there is no such condition, or its value cannot be one.
    """
    if not isinstance(wanted, dict):
        if not isinstance(wanted, (str, int, float, bool)):
            raise ValueError(f"{name}: a condition is text, a number, a truth value or an object")
        return
    unknown = set(wanted) - NAMES
    if unknown or not wanted:
        raise ValueError(f"{name}: no such condition {sorted(unknown) or 'given'}")
    if "regex" in wanted:
        try:
            re.compile(wanted["regex"])
        except (re.error, TypeError) as error:
            raise ValueError(f"{name}: the regular expression cannot be read: {error}") from None
    for kind in ("addresses", "command"):
        if kind in wanted and not _texts(wanted[kind]):
            raise ValueError(f"{name}: {kind} is a pattern or a list of patterns")
    if "inside" in wanted and not (isinstance(wanted["inside"], str) and os.path.isabs(wanted["inside"])):
        raise ValueError(f"{name}: inside is the absolute path of a folder")


def met(value: Any, wanted: Any, unsure: bool) -> bool:
    """Whether `value` meets one condition; `unsure` is the answer where the two cannot be compared.

    `unsure` is True for rules that ask or deny, and False for rules that allow.
    """
    if isinstance(wanted, dict):
        return all(_PARTS[kind](value, wanted, unsure) for kind in wanted)
    if isinstance(wanted, bool) or isinstance(value, bool):
        return value is wanted if isinstance(value, bool) and isinstance(wanted, bool) else unsure
    if isinstance(wanted, str):
        if not isinstance(value, str):
            return unsure
        return wildcard(wanted, value) and (unsure or value == wanted or _is_plain(wanted, value))
    return value == wanted if isinstance(value, (int, float)) else unsure


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    if not any(c in pattern for c in "*?["):
        return None
    return re.compile(translate(pattern))


def wildcard(pattern: str, text: str) -> bool:
    """Whether the whole of `text` matches `pattern`; without `*`, `?`, `[` the two must be equal."""
    compiled = _compiled(pattern)
    return text == pattern if compiled is None else compiled.match(text) is not None


def has_unsafe(text: str) -> bool:
    """Whether `text` has a control, format, separator or private-use character, or half a character."""
    return not (text.isascii() and text.isprintable()) and any(unicodedata.category(c) in UNSAFE for c in text)


def _is_plain(pattern: str, value: str) -> bool:
    """Whether a wildcard may stand for `value` in a rule that allows."""
    if has_unsafe(value) or _STEP_UP.search(value) or _SUBSTITUTED.search(value):
        return False
    if "@" in pattern and re.search(r"[,;<>\s]", value):
        return False
    return not (" " in pattern and _CHAINED.search(value))


def _one_of(value: Any, wanted: Mapping[str, Any], unsure: bool) -> bool:
    return value in wanted["one_of"] or (unsure and value is None)


def _regex(value: Any, wanted: Mapping[str, Any], unsure: bool) -> bool:
    if not isinstance(value, str):
        return unsure
    if unsure:
        return re.fullmatch(wanted["regex"], value, re.DOTALL) is not None
    return re.fullmatch(wanted["regex"], value) is not None and not _STEP_UP.search(value)


def _number(value: Any, wanted: Mapping[str, Any], unsure: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        return unsure
    least = wanted.get("at_least", value if unsure else 0 if "at_most" in wanted else value)
    if not unsure and isinstance(value, float) and math.isinf(value):
        return False
    return bool(least <= value <= wanted.get("at_most", value))


def _addresses(value: Any, wanted: Mapping[str, Any], unsure: bool) -> bool:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) for part in parts):
        return unsure
    addresses = [part.strip(" ") for part in parts]
    if not all(_ADDRESS.fullmatch(address) for address in addresses):
        return unsure
    each = any if unsure else all
    patterns = _texts(wanted["addresses"])
    return each(any(wildcard(pattern, address) for pattern in patterns) for address in addresses)


def _inside(value: Any, wanted: Mapping[str, Any], unsure: bool) -> bool:
    if not isinstance(value, str) or not os.path.isabs(value) or has_unsafe(value):
        return unsure
    if _STEP_UP.search(value) or _EXPANDED.search(value):
        return unsure
    try:
        folder, path = os.path.realpath(wanted["inside"]), os.path.realpath(value)
    except (OSError, ValueError):
        return unsure
    return bool(os.path.commonpath((folder, path)) == folder)


def _command(value: Any, wanted: Mapping[str, Any], unsure: bool) -> bool:
    if not isinstance(value, str) or has_unsafe(value) or _SHELL.search(value):
        return unsure
    try:
        words = shlex.split(value)
    except ValueError:
        return unsure
    if not words or (not unsure and any(_STEP_UP.search(word) for word in words)):
        return unsure
    return any(_same_words(pattern.split(), words) for pattern in _texts(wanted["command"]))


def _same_words(pattern: list[str], words: list[str]) -> bool:
    if pattern and pattern[-1] == "*" and len(pattern) > 1:
        pattern, words = pattern[:-1], words[: len(pattern) - 1]
    return len(pattern) == len(words) and all(map(wildcard, pattern, words))


def _texts(value: Any) -> list[str]:
    """One text or a list of texts as a list; empty where it is neither."""
    texts = [value] if isinstance(value, str) else value
    return texts if isinstance(texts, list) and all(isinstance(text, str) and text for text in texts) else []


_PARTS: dict[str, Callable[[Any, Mapping[str, Any], bool], bool]] = {
    "at_most": _number,
    "at_least": _number,
    "one_of": _one_of,
    "regex": _regex,
    "addresses": _addresses,
    "inside": _inside,
    "command": _command,
}
