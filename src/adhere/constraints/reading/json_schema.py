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
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from adhere.constraints.reading.linear_regex import compiled
from adhere.core.errors import UserError

LARGEST = 200_000
"""Characters of a schema."""
_DEEPEST = 200

_local = threading.local()

Schema = dict[str, Any] | bool


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


@cache
def _validator_class(base: Any) -> Any:
    """The library's validator for a draft, each keyword counted, the dangerous ones replaced."""
    library = _library()

    def counted(keyword: str, function: Any) -> Any:
        def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
            size = len(value) if isinstance(value, (list, dict)) else 1
            if keyword in ("enum", "const"):
                size = _size(value)
            _spend(1 + size)
            yield from function(validator, value, instance, schema) or ()

        return check

    def pattern(validator: Any, value: str, instance: Any, _: Any) -> Iterator[Any]:
        if validator.is_type(instance, "string"):
            _spend(len(instance))
            if not compiled(value).search(instance):
                yield library.ValidationError(f"{instance[:80]!r} does not match {value!r}")

    def pattern_properties(validator: Any, value: Any, instance: Any, _: Any) -> Iterator[Any]:
        if validator.is_type(instance, "object"):
            for expression, inner in value.items():
                for name, item in instance.items():
                    _spend(1 + len(name))
                    if compiled(expression).search(name):
                        yield from validator.descend(item, inner, path=name, schema_path=expression)

    def additional(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if not validator.is_type(instance, "object"):
            return
        known, expressions = schema.get("properties", {}), schema.get("patternProperties", {})
        for name, item in instance.items():
            _spend(1 + len(name) * len(expressions))
            if name in known or any(compiled(expression).search(name) for expression in expressions):
                continue
            if value is False:
                yield library.ValidationError(f"{name!r} is not among the properties")
            elif isinstance(value, dict):
                yield from validator.descend(item, value, path=name)

    def unique(validator: Any, value: Any, instance: Any, _: Any) -> Iterator[Any]:
        if value and validator.is_type(instance, "array"):
            _spend(_size(instance))
            if len({_canonical(item) for item in instance}) < len(instance):
                yield library.ValidationError("the array has an item twice")

    own = {"patternProperties": pattern_properties, "additionalProperties": additional, "uniqueItems": unique}
    keywords = {name: counted(name, function) for name, function in base.VALIDATORS.items()}
    return library.validators.extend(base, {**keywords, **own, "pattern": pattern})


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
        if keyword in ("$ref", "$dynamicRef") and isinstance(value, str):
            if not value.startswith("#"):
                raise ValueError(
                    f"the JSON Schema refers to {value[:80]!r}; only references within it (#/...) are read"
                )
            if (value == "#" or value.startswith("#/")) and target(schema, value) is None:
                raise ValueError(f"the JSON Schema has nothing at {value[:80]!r}")
        elif keyword == "pattern" and isinstance(value, str):
            compiled(value)
        elif keyword == "patternProperties" and isinstance(value, dict):
            for expression in value:
                compiled(expression)
    problem = _against_its_own_schema(schema, len(text))
    if problem:
        raise ValueError(f"not a JSON Schema: {problem}")
    return schema


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


def target(schema: Schema, reference: str) -> Schema | None:
    """What a reference such as `#/$defs/point` points to; None where nothing is there."""
    place: Any = schema
    for part in reference[1:].split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and part in place:
            place = place[part]
        elif isinstance(place, list) and part.isascii() and part.isdigit() and int(part) < len(place):
            place = place[int(part)]
        else:
            return None
    return place if isinstance(place, (dict, bool)) else None


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


_ANNOTATIONS = frozenset(
    "title description default examples $comment $schema $id $defs definitions deprecated readOnly writeOnly type "
    "format properties required items prefixItems additionalProperties patternProperties $anchor".split()
)

TYPES = {"{": "object", "[": "array", '"': "string", "t": "boolean", "f": "boolean", "n": "null"}


class Part:
    """What can be told of a place in a schema while a value is being written: a sound part of what the schema asks."""

    def __init__(self, root: Schema, schema: Schema) -> None:
        self._root, self.schema = root, schema
        own: Mapping[str, Any] = schema if isinstance(schema, dict) else {}
        types = own.get("type")
        self.types = None if types is None else frozenset([types] if isinstance(types, str) else types)
        if schema is False:
            self.types = frozenset()
        self.most = own.get("maxItems")
        self.required = frozenset(own.get("required", ()))
        self._properties: Mapping[str, Any] = own.get("properties", {})
        self._additional = None if "patternProperties" in own else own.get("additionalProperties")
        items = own.get("items")
        self._items = items if isinstance(items, (dict, bool)) else None
        prefix = own.get("prefixItems", items)
        self._prefix: list[Any] = prefix if isinstance(prefix, list) else []
        self.judged = bool(own.keys() - _ANNOTATIONS)
        """Whether a text, number or literal has more to meet than its type."""

    def allows(self, start: str) -> bool:
        """Whether a value may begin with this character."""
        if self.types is None:
            return True
        kind = TYPES.get(start, "number")
        return kind in self.types or (kind == "number" and "integer" in self.types)

    def knows(self, key: str) -> bool:
        """Whether an object may have this key."""
        return self._additional is not False or key in self._properties

    def member(self, key: str) -> Part | None:
        """The part for the value of a key; None where nothing is asked of it."""
        inner = self._properties.get(key, self._additional if key not in self._properties else None)
        return _part(self._root, inner)

    def item(self, index: int) -> Part | None:
        """The part for an item of an array."""
        return _part(self._root, self._prefix[index] if index < len(self._prefix) else self._items)


def _part(root: Schema, schema: Any) -> Part | None:
    for _ in range(16):
        if not isinstance(schema, dict) or "$ref" not in schema or schema.keys() - {"$ref"} - _ANNOTATIONS:
            break
        schema = target(root, schema["$ref"])
    return Part(root, schema) if isinstance(schema, (dict, bool)) and schema is not True else None


def whole(root: Schema) -> Part | None:
    """The part for the whole value."""
    return _part(root, root)


def names(keys: Iterable[str]) -> str:
    """Keys as a message lists them."""
    return ", ".join(f'"{key}"' for key in sorted(keys))
