"""A missing optional module is one line that names what to install."""

from __future__ import annotations

import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from adhere.core.extras import EXTRAS, MissingExtra, naming_extras, require

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def _names(requirements: list[str]) -> set[str]:
    import re

    return {re.split(r"[\[<>=~! ;]", one, maxsplit=1)[0].lower().replace("_", "-") for one in requirements}


def test_every_extra_named_installs_its_module() -> None:
    brought = packages_distributions()
    declared = {extra: _names(lines) for extra, lines in PROJECT["optional-dependencies"].items()}
    indirect = {"latex2sympy2_extended": "math-verify", "cryptography": "securesystemslib"}
    for module, extra in EXTRAS.items():
        packages = {indirect.get(module, "")} | {name.lower().replace("_", "-") for name in brought.get(module, ())}
        assert packages & declared[extra], f"{module} is not brought by the extra {extra}"


def test_every_optional_package_has_its_line() -> None:
    brought: dict[str, set[str]] = {}
    for module, packages in packages_distributions().items():
        for name in packages:
            brought.setdefault(name.lower().replace("_", "-"), set()).add(module)
    core = _names(PROJECT["dependencies"])
    for extra, lines in PROJECT["optional-dependencies"].items():
        if extra in ("dev", "all"):
            continue
        for name in _names(lines) - core - {"adhere"}:
            if name in brought:
                assert brought[name] & EXTRAS.keys(), f"{name} of {extra} has no line in core.extras.EXTRAS"


def test_the_error_of_a_missing_module_names_the_extra_and_the_command() -> None:
    with pytest.raises(MissingExtra, match=r'extra "explain": pip install "adhere\[explain\]"'), naming_extras():
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")


def test_a_module_of_ours_that_is_missing_keeps_its_traceback() -> None:
    with pytest.raises(ModuleNotFoundError), naming_extras():
        raise ModuleNotFoundError("No module named 'adhere.gone'", name="adhere.gone")


def test_require_fails_before_anything_is_imported() -> None:
    require("json")
    with pytest.raises(MissingExtra, match="no_such_module"):
        require("json", "no_such_module")
