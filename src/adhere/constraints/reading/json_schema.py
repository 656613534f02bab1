"""JSON Schemas, checked when they are given and evaluated at bounded cost.

`jsonschema` (MIT; the reference library in Python) does the evaluating. What a stranger's schema or value could make
costly is done here instead: patterns are linear-time (`reading.linear_regex`), `uniqueItems` compares hashes,
references stay within the schema (nothing is ever fetched), and every evaluation has a budget of steps in proportion to
the text.

Draft 2020-12 unless `$schema` names another. `format` is an annotation, as the standard has it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import Any

from adhere.constraints.reading.json_schema_parts import Schema, target
from adhere.constraints.reading.linear_regex import compiled
from adhere.core.errors import UserError

LARGEST = 200_000
"""Characters of a schema."""
_DEEPEST = 200

_local = threading.local()


class TooCostly(Exception):
    """The evaluation would take more steps than its budget has."""


def _spend(steps: int) -> None:
    _local.left -= steps
    if _local.left < 0:
        raise TooCostly


@cache
def _library() -> Any:
    try:
        import jsonschema
    except ModuleNotFoundError:
        raise UserError("a JSON Schema needs jsonschema: pip install jsonschema") from None
    return jsonschema


Keyword = Callable[[Any, Any, Any, Any], Iterator[Any]]
"""Checks an instance against a keyword's value: (validator, value, instance, schema) to errors."""


@cache
def _validator_class(base: Any) -> Any:
    """The library's validator for a draft, each keyword counted, the dangerous ones replaced."""
    keywords = {name: _counted(name, function) for name, function in base.VALIDATORS.items()}
    own = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional,
        "uniqueItems": _unique,
    }
    return _library().validators.extend(base, {**keywords, **own})


def _counted(keyword: str, function: Keyword) -> Keyword:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        size = len(value) if isinstance(value, (list, dict)) else 1
        if keyword in ("enum", "const"):
            size = _size(value)
        _spend(1 + size)
        yield from function(validator, value, instance, schema) or ()

    return check


def _pattern(validator: Any, value: str, instance: Any, _: Any) -> Iterator[Any]:
    if validator.is_type(instance, "string"):
        _spend(len(instance))
        if not compiled(value).search(instance):
            yield _library().ValidationError(f"{instance[:80]!r} does not match {value!r}")


def _pattern_properties(validator: Any, value: Any, instance: Any, _: Any) -> Iterator[Any]:
    if validator.is_type(instance, "object"):
        for expression, inner in value.items():
            for name, item in instance.items():
                _spend(1 + len(name))
                if compiled(expression).search(name):
                    yield from validator.descend(item, inner, path=name, schema_path=expression)


def _additional(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not validator.is_type(instance, "object"):
        return
    known, expressions = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, item in instance.items():
        _spend(1 + len(name) * len(expressions))
        if name in known or any(compiled(expression).search(name) for expression in expressions):
            continue
        if value is False:
            yield _library().ValidationError(f"{name!r} is not among the properties")
        elif isinstance(value, dict):
            yield from validator.descend(item, value, path=name)


def _unique(validator: Any, value: Any, instance: Any, _: Any) -> Iterator[Any]:
    if value and validator.is_type(instance, "array"):
        _spend(_size(instance))
        if len({_canonical(item) for item in instance}) < len(instance):
            yield _library().ValidationError("the array has an item twice")


def _size(value: Any) -> int:
    """How many values are in a value, itself included."""
    count, stack = 0, [value]
    while stack:
        one = stack.pop()
        count += 1
        stack += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return count


def _canonical(value: Any) -> str:
    """The same text for values that JSON Schema calls equal (1 and 1.0 are; 1 and true are not)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_canonical(value[key])}" for key in sorted(value)) + "}"
    return json.dumps(value)


def checked(schema: Any) -> Schema:
    """The schema itself, if it can be used.

    Raises:
        ValueError: it is no valid JSON Schema, refers outside itself, or has a pattern that takes no linear time.
    """
    if not isinstance(schema, (dict, bool)):
        raise ValueError("a JSON Schema is an object, or true or false")
    try:
        text = json.dumps(schema)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("the JSON Schema is nested too deep, or holds what is not JSON") from None
    if len(text) > LARGEST:
        raise ValueError(f"the JSON Schema has {len(text):,} characters; the most is {LARGEST:,}")
    keywords = list(_keywords(schema))
    used = {keyword for keyword, _ in keywords}
    if used & {"unevaluatedProperties", "unevaluatedItems"} and "patternProperties" in used:
        raise ValueError("the JSON Schema has patternProperties beside unevaluated..., which takes no linear time")
    for keyword, value in keywords:
        _check_keyword(schema, keyword, value)
    problem = _against_its_own_schema(schema, len(text))
    if problem:
        raise ValueError(f"not a JSON Schema: {problem}")
    return schema


def _check_keyword(schema: Schema, keyword: str, value: Any) -> None:
    """Refuse a reference that leads outside the schema or nowhere, and a pattern that takes no linear time."""
    if keyword in ("$ref", "$dynamicRef") and isinstance(value, str):
        if not value.startswith("#"):
            raise ValueError(f"the JSON Schema refers to {value[:80]!r}; only references within it (#/...) are read")
        if (value == "#" or value.startswith("#/")) and target(schema, value) is None:
            raise ValueError(f"the JSON Schema has nothing at {value[:80]!r}")
    elif keyword == "pattern" and isinstance(value, str):
        compiled(value)
    elif keyword == "patternProperties" and isinstance(value, dict):
        for expression in value:
            compiled(expression)


def _against_its_own_schema(schema: Schema, size: int) -> str | None:
    """What is wrong with a schema as a schema."""
    from jsonschema_specifications import REGISTRY

    base = _draft(schema)
    _local.left = _budget(size)
    try:
        error = next(iter(_validator_class(base)(base.META_SCHEMA, registry=REGISTRY).iter_errors(schema)), None)
    except (TooCostly, RecursionError):
        raise ValueError("the JSON Schema is too large or nested too deep") from None
    return _message(error)


def _draft(schema: Schema) -> Any:
    """The library's validator class for the draft that a schema names."""
    library = _library()
    return library.validators.validator_for(schema, default=library.Draft202012Validator)


def _budget(size: int) -> int:
    """Steps that an evaluation of a text of `size` characters may take."""
    return 100_000 + 20 * size


def _message(error: Any) -> str | None:
    if error is None:
        return None
    place = "/".join(map(str, error.absolute_path))
    return f"{error.message[:200]}{f' (at {place})' if place else ''}"


def _keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every member of every object in the schema. (A property may be named "pattern": then its value is an object.)"""
    stack = [(schema, 0)]
    while stack:
        one, depth = stack.pop()
        if depth > _DEEPEST:
            raise ValueError("the JSON Schema is nested too deep")
        if isinstance(one, dict):
            yield from one.items()
            stack += [(value, depth + 1) for value in one.values()]
        elif isinstance(one, list):
            stack += [(value, depth + 1) for value in one]


@lru_cache(maxsize=128)
def evaluator(schema: str) -> Evaluator:
    """The evaluator of a schema given as JSON; the last few are kept."""
    return Evaluator(json.loads(schema))


class Evaluator:
    """Evaluates values against a schema and its parts."""

    def __init__(self, schema: Schema) -> None:
        import referencing

        self.schema = schema
        # an empty registry: the library's own would fetch what a reference names
        self._validator = _validator_class(_draft(schema))(schema, registry=referencing.Registry())

    def problem(self, value: Any, size: int, part: Schema | None = None) -> str | None:
        """What is wrong with `value` (a text of `size` characters), or None; `part` of the schema instead of all of it.

        Raises:
            TooCostly: it cannot be told within the budget.
        """
        _local.left = _budget(size)
        validator = self._validator if part is None else self._validator.evolve(schema=part)
        try:
            error = next(iter(validator.iter_errors(value)), None)
        except (RecursionError, OverflowError):
            raise TooCostly from None
        return _message(error)


def names(keys: Iterable[str]) -> str:
    """Keys as a message lists them."""
    return ", ".join(f'"{key}"' for key in sorted(keys))
