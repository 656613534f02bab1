"""What a JSON Schema asks of a place in a value while the value is being written.

A `Part` knows a sound part of what the schema asks there: types, keys, items. What only the whole value can tell is
left to `json_schema.Evaluator`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any] | bool


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
