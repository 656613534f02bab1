"""Plain data as bytes, for a pipe whose other end may lie.

Rules:
- `encode` calls no method of a class that the data brings: contents are read with the methods of the builtin that the
  class extends, so an object that says it equals everything arrives as the plain value it holds.
- `decode` builds builtins, and the few containers of the standard library listed here, from JSON. Nothing is imported
  by name and no code is run.
- Both are bounded: depth, number of parts, bytes. Iterators arrive as iterators over what they gave.

Only the standard library is imported: this file is loaded by path inside a bare interpreter.
"""

from __future__ import annotations

import collections
import decimal
import fractions
import itertools
import json
import re
import sys
import types
from collections.abc import Callable
from typing import Any, cast

DEEPEST = 60
MOST_PARTS = 1_000_000
MOST_STEPS = 100_000  # of an iterator, which may never end
LARGEST = 8 << 20  # bytes of one message
LONGEST_INTEGER = 1 << 22  # bits

_EMPTY: tuple[Any, ...] = ([], (), "", b"", set(), {}, {}.values(), {}.items(), range(0))
_ITERATORS: tuple[type, ...] = (
    *(types.GeneratorType, map, filter, zip, enumerate, reversed, itertools.chain, itertools.islice),
    *(type(iter(empty)) for empty in _EMPTY),
)
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
_SEQUENCES: tuple[tuple[Any, str], ...] = (
    (tuple, "tuple"),
    (set, "set"),
    (frozenset, "frozenset"),
    (collections.deque, "deque"),
)
_CONTAINERS: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "iterator": iter,
    "deque": collections.deque,
}
_MAPPINGS: dict[str, Callable[[list[Any]], Any]] = {
    "dict": dict,
    "Counter": lambda pairs: collections.Counter(dict(pairs)),
    "OrderedDict": collections.OrderedDict,
}


class FoundText:
    """What a `re.Match` tells of its match, without the pattern that made it."""

    def __init__(self, groups: list[Any], span: tuple[int, int]) -> None:
        self._groups, self._span = groups, span

    def group(self, number: int = 0) -> Any:
        """The text of a group, None where it took no part."""
        return self._groups[number]

    def groups(self) -> tuple[Any, ...]:
        """The texts of all groups but the whole."""
        return tuple(self._groups[1:])

    def span(self) -> tuple[int, int]:
        """Where the whole match begins and ends."""
        return self._span


class NotPlain(TypeError):
    """The value holds something that is no plain data, or too much of it."""


def encode(value: object) -> bytes:
    """`value` as JSON.

    Raises:
        NotPlain: it holds something that is not plain data, or too much.
    """
    parts = itertools.count()
    data = json.dumps(_packed(value, 0, parts)).encode()
    if len(data) > LARGEST:
        raise NotPlain(f"the value takes more than {LARGEST >> 20} MiB")
    return data


def _packed(value: Any, depth: int, parts: itertools.count[int]) -> Any:
    if depth > DEEPEST or next(parts) > MOST_PARTS:
        raise NotPlain("the value is too deep or too large")
    kind = type(value)
    if value is None or kind is bool:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return _packed_integer(int.__int__(value))
    if isinstance(value, float):
        return {"float": float.hex(float.__float__(value))}
    if isinstance(value, list):
        return [_packed(part, depth + 1, parts) for part in list.__iter__(value)]
    simple = _packed_simple(value, kind)
    if simple is not None:
        return simple
    if isinstance(value, dict):
        name = "Counter" if kind is collections.Counter else "dict"
        name = "OrderedDict" if kind is collections.OrderedDict else name
        return {name: [[_packed(part, depth + 1, parts) for part in pair] for pair in dict.items(value)]}
    for base, name in _SEQUENCES:
        if isinstance(value, base):
            return {name: [_packed(part, depth + 1, parts) for part in base.__iter__(value)]}
    if kind in _VIEWS:
        return [_packed(part, depth + 1, parts) for part in value]
    if kind in _ITERATORS:
        steps = [_packed(part, depth + 1, parts) for part in itertools.islice(value, MOST_STEPS + 1)]
        if len(steps) > MOST_STEPS:
            raise NotPlain("the iterator does not end")
        return {"iterator": steps}
    raise NotPlain(f"the value is not plain data but {kind.__name__}")


def _packed_integer(value: int) -> Any:
    if -(1 << 53) < value < 1 << 53:
        return value
    if value.bit_length() > LONGEST_INTEGER:
        raise NotPlain("the number is too large")
    return {"int": hex(value)}


def _packed_simple(value: Any, kind: Any) -> Any:
    if kind in (bytes, bytearray):
        return {kind.__name__: bytes(value).hex()}
    if kind is complex:
        return {"complex": [float.hex(value.real), float.hex(value.imag)]}
    if kind is range:
        return {"range": [hex(value.start), hex(value.stop), hex(value.step)]}
    if kind is type:
        name = str(value.__name__)
        if getattr(sys.modules["builtins"], name, None) is value:
            return {"type": name}
    if kind is re.Match:
        return {"match": [list(value.span()), value.group(), *value.groups()]}
    if kind is decimal.Decimal:
        return {"Decimal": str(value)}
    if kind is fractions.Fraction:
        return {"Fraction": [hex(value.numerator), hex(value.denominator)]}
    return None


def decode(data: bytes) -> Any:
    """The value that `data` holds.

    Raises:
        ValueError: it is not what `encode` writes.
    """
    if len(data) > LARGEST:
        raise ValueError("the message is too large")
    try:
        return _unpacked(json.loads(data), 0)
    except ValueError:
        raise
    except Exception as error:  # a list as a key, a name that is no text: whatever a liar may send
        raise ValueError("this is no value") from error


def _unpacked(packed: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError("the message is too deep")
    if packed is None or isinstance(packed, str | bool | int):
        return packed
    if isinstance(packed, list):
        return [_unpacked(part, depth + 1) for part in packed]
    if not isinstance(packed, dict) or len(packed) != 1:
        raise ValueError("this is no value")
    [(name, inside)] = packed.items()
    if name in _CONTAINERS:
        return _CONTAINERS[name]([_unpacked(part, depth + 1) for part in inside])
    if name in _MAPPINGS:
        return _MAPPINGS[name]([(_unpacked(key, depth + 1), _unpacked(part, depth + 1)) for key, part in inside])
    return _unpacked_simple(name, inside)


def _unpacked_simple(name: str, inside: Any) -> Any:
    if name == "int":
        return int(inside, 16)
    if name == "float":
        return float.fromhex(inside)
    if name == "bytes":
        return bytes.fromhex(inside)
    if name == "bytearray":
        return bytearray.fromhex(inside)
    if name == "complex":
        return complex(*map(float.fromhex, inside))
    if name == "range":
        return range(*(int(part, 16) for part in inside))
    if name == "type":
        kind = getattr(sys.modules["builtins"], inside)
        if not isinstance(kind, type):
            raise ValueError("this is no type")
        return kind
    if name == "match":
        (start, end), *groups = inside
        return FoundText(groups, (start, end))
    if name == "Decimal":
        return decimal.Decimal(inside)
    if name == "Fraction":
        return fractions.Fraction(*(int(part, 16) for part in inside))
    raise ValueError("this is no value")


def raised(name: object, message: object) -> BaseException:
    """An exception to raise here for one that was raised there: the builtin of that name, else a class called so."""
    text = message if isinstance(message, str) else ""
    if not isinstance(name, str) or not name.isidentifier() or len(name) > 80:
        return RuntimeError(text)
    kind = getattr(sys.modules["builtins"], name, None)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        try:
            error: BaseException = kind(text)
            return error
        except TypeError:  # UnicodeDecodeError takes five arguments
            pass
    return cast("BaseException", type(name, (Exception,), {})(text))
