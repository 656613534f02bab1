"""Which families there are. Ours register when `adhere.constraints` is imported, others by its entry point.

An entry point names a module (importing it registers its families) or a `Constraint` subclass. A plug-in that does
not load is a warning, never a crash: it must not take the others down.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError

from adhere.constraints.constraint import Constraint
from adhere.core.errors import UserError

ENTRY_POINT = "adhere.constraints"

_families: dict[str, type[Constraint]] = {}

Family = TypeVar("Family", bound=type[Constraint])


def register(family: Family) -> Family:
    """Class decorator: make `family` known under its `kind`.

    Raises:
        ValueError: another family has that kind already.
    """
    known = _families.setdefault(family.kind, family)
    if known.__qualname__ != family.__qualname__ or known.__module__ != family.__module__:
        raise ValueError(f"two families are named {family.kind!r}: {known!r} and {family!r}")
    return family


@cache
def _load_plugins() -> None:
    for point in entry_points(group=ENTRY_POINT):
        try:
            loaded = point.load()
            if isinstance(loaded, type) and issubclass(loaded, Constraint):
                register(loaded)
        except Exception as error:
            warnings.warn(f"constraints of {point.value} did not load: {error}", stacklevel=2)


def families() -> Mapping[str, type[Constraint]]:
    """Every family by its kind, in alphabetical order."""
    _load_plugins()
    return MappingProxyType(dict(sorted(_families.items())))


def family(kind: str) -> type[Constraint]:
    """The family of that kind.

    Raises:
        UserError: there is none; names the nearest.
    """
    _load_plugins()
    try:
        return _families[kind]
    except KeyError:
        raise UserError(f"no constraint is called {kind!r}{nearest(kind, _families)}") from None


def nearest(name: str, known: Mapping[str, object]) -> str:
    """A hint for an error line: the known names most like `name`."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; nearest: {', '.join(close)}" if close else ""


def _listed(fields: Mapping[str, object]) -> str:
    return f"; it takes: {', '.join(fields)}" if fields else "; it takes none"


def from_json(record: Mapping[str, Any]) -> Constraint:
    """The constraint that a JSON object describes.

    Raises:
        UserError: no kind, an unknown kind, or parameters that the family does not take.
    """
    kind = record.get("kind")
    if not isinstance(kind, str):
        raise UserError('a constraint needs a "kind", as in {"kind": "length.words", "at_most": 50}')
    return build(family(kind), {key: value for key, value in record.items() if key != "kind"})


def build(of: type[Constraint], parameters: Mapping[str, Any]) -> Constraint:
    """A member of the family `of`, or a `UserError` that names the parameter at fault."""
    try:
        return of.model_validate(dict(parameters))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            fields = {name: None for name in of.model_fields if name != "profile"}
            raise UserError(
                f"{of.kind} has no parameter {where!r}{nearest(where, fields) or _listed(fields)}"
            ) from None
        what = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{of.kind}: {where + ': ' if where else ''}{what}") from None
