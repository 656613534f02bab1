"""Adhere: measure, explain and enforce instruction following of language models.

    import adhere

    adhere.check("Answer in under 50 words.", text).all_met
    run = adhere.audit("pocket", per_skill=20)
    run.report("page.html")
    adhere.reward("contains.terms", terms=["sea"])

`__all__` is the stable interface: it changes with a deprecation warning for one minor version, never without.
Everything else may change. Names are imported when they are first used, so `import adhere` costs next to nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from adhere.core.version import VERSION

if TYPE_CHECKING:
    from inspect import Signature

    from adhere.api.audit import audit
    from adhere.api.check import check
    from adhere.api.compare import compare
    from adhere.api.corrigibility import corrigibility
    from adhere.api.explain import explain
    from adhere.api.reward import reward
    from adhere.api.score import score
    from adhere.api.serve import serve
    from adhere.api.sustain import sustain
    from adhere.constraints.constraint import Constraint
    from adhere.constraints.induce import induce
    from adhere.constraints.instructions.reading import Reading, read_instructions
    from adhere.constraints.parse import parse
    from adhere.integrations.inspect import as_inspect_scorer

__version__ = VERSION

__all__ = [
    "Constraint",
    "Reading",
    "as_inspect_scorer",
    "audit",
    "check",
    "compare",
    "corrigibility",
    "explain",
    "induce",
    "parse",
    "read_instructions",
    "reward",
    "score",
    "serve",
    "sustain",
]

_HOMES = {
    "Constraint": "adhere.constraints.constraint",
    "Reading": "adhere.constraints.instructions.reading",
    "as_inspect_scorer": "adhere.integrations.inspect",
    "induce": "adhere.constraints.induce",
    "parse": "adhere.constraints.parse",
    "read_instructions": "adhere.constraints.instructions.reading",
}
"""Where a name lives, if not in the module of the same name in `adhere.api`."""

_RENAMED: dict[str, tuple[str, str]] = {}
"""Old names that still work: the new name, and the version in which the old one is removed."""


def __getattr__(name: str) -> Any:
    if name == "explain":  # the package of that name, which is also the function: see `_Callable`
        return importlib.import_module("adhere.explain")
    if name in __all__:
        value = getattr(importlib.import_module(_HOMES.get(name, f"adhere.api.{name}")), name)
        globals()[name] = value
        return value
    if name in _RENAMED:
        from adhere.core.deprecation import deprecated

        new, removed_in = _RENAMED[name]
        deprecated(f"adhere.{name}", f"adhere.{new}", removed_in=removed_in)
        return getattr(sys.modules[__name__], new)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Callable(ModuleType):
    """A package that is also the use case of its name: `adhere.explain(...)` and `adhere.explain.probing` both work."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._use_case()(*arguments, **options)

    @property
    def __signature__(self) -> Signature:
        from inspect import signature

        return signature(self._use_case())

    def _use_case(self) -> Any:
        name = self.__name__.rpartition(".")[2]
        return getattr(importlib.import_module(f"adhere.api.{name}"), name)


class _Front(ModuleType):
    """The package `adhere`: makes a subpackage callable that shares its name with a use case, whoever imports it."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in __all__ and isinstance(value, ModuleType):
            value.__class__ = _Callable
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Front
