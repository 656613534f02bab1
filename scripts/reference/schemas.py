"""Pages of data: every constraint kind, every finding's name, the policy file, the charter's terms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from adhere.constraints import registry
from adhere.core.findings import NAMES, Finding
from adhere.gateway.policy.policy import Policy
from adhere.warden.acts.acts import Rule
from adhere.warden.charter.terms import Terms

FINDINGS = """\
# Findings

Every measuring command writes its results with `--json FILE`, as a list of findings. Names are stable: other
programs can rely on them, and a finding under a name that is not listed here is refused. A `*` stands for one or more
further words.
"""
POLICY = """\
# Policy file

The YAML file that `adhere serve --policy FILE` reads. Unknown fields and repeated keys are refused. How to write one is
described in [Write a policy](../how-to/policy.md).
"""
CHARTER = """\
# Charter terms

The terms that principals sign: `adhere warden charter init --terms FILE` takes them as JSON. Times are in seconds.
Unknown fields are refused. How to change them is described in [Operate the warden](../how-to/warden.md).
"""
CONSTRAINTS = """\
# Constraint kinds

A constraint is a JSON object with its `kind` and its parameters: `{"kind": "length.words", "at_most": 50}`. "Early"
means that a monitor can decide the outcome before the text is complete. `adhere constraints NAME --json FILE` writes
the JSON schema of a kind.
"""


def pages() -> Iterator[tuple[str, str]]:
    """(name, Markdown) of the four pages."""
    yield "constraints.md", "\n".join([CONSTRAINTS, *_constraints()])
    yield "findings.md", "\n".join([FINDINGS, *_findings()])
    yield "policy.md", "\n".join([POLICY, *_models(Policy)])
    yield "charter.md", "\n".join([CHARTER, *_models(Terms, Rule)])


def _constraints() -> Iterator[str]:
    yield from ("| kind | instruction | parameters | skill | early |", "|---|---|---|---|---|")
    for kind, family in sorted(registry.families().items()):
        example = family.examples()[0]
        fields = ", ".join(f"`{name}`" for name in family.model_fields if name != "profile")
        skill = (family.skill or "").replace("_", " ")
        early = "yes" if family.decides_early else ""
        yield f"| `{kind}` | {_cell(example.describe())} | {fields} | {skill} | {early} |"


def _findings() -> Iterator[str]:
    yield from ("| name | meaning |", "|---|---|")
    yield from (f"| `{name}` | {_cell(meaning)} |" for name, meaning in NAMES.items())
    yield from ("", "## Fields of a finding", "", *_fields(Finding, {}))


def _models(*roots: type[BaseModel]) -> Iterator[str]:
    """A section for each model that is reachable from `roots`, in the order of first mention."""
    seen: dict[str, type[BaseModel]] = {}
    waiting = list(roots)
    while waiting:
        model = waiting.pop(0)
        if model.__name__ in seen or model.__module__.startswith("adhere.constraints"):
            continue
        seen[model.__name__] = model
        waiting += [found for field in model.model_fields.values() for found in _nested(field.annotation)]
    for name, model in seen.items():
        yield from (f"## {name}", "")
        if model.__doc__:
            yield from (_prose(model.__doc__), "")
        yield from _fields(model, seen)
        yield ""


def _nested(annotation: Any) -> list[type[BaseModel]]:
    arguments = getattr(annotation, "__args__", ())
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and not arguments:
        return [annotation]
    return [model for argument in arguments for model in _nested(argument)]


def _fields(model: type[BaseModel], seen: dict[str, type[BaseModel]]) -> Iterator[str]:
    schema = model.model_json_schema(mode="serialization") if model is Finding else model.model_json_schema()
    described = schema.get("properties", {})
    yield from ("| field | type | default |", "|---|---|---|")
    for name in model.model_fields:
        one = described.get(name, {})
        default = "required" if name in schema.get("required", ()) else _default(one)
        yield f"| `{name}` | {_type(one, seen)} | {default} |"


def _default(described: dict[str, Any]) -> str:
    if "default" not in described:
        return ""
    text = json.dumps(described["default"], ensure_ascii=False)
    return f"`{text.replace('|', chr(92) + '|')}`" if len(text) <= 400 else "see the class"


def _type(described: dict[str, Any], seen: dict[str, type[BaseModel]]) -> str:
    if "$ref" in described:
        return _link(described["$ref"].rpartition("/")[2], seen)
    if "enum" in described:
        return " or ".join(f"`{value}`" for value in described["enum"])
    if "const" in described:
        return f"`{described['const']}`"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in described:
            return " or ".join(dict.fromkeys(_type(one, seen) for one in described[several]))
    kind = described.get("type", "any")
    if kind == "array":
        return f"list of {_type(described.get('items', {}), seen)}"
    if kind == "object" and isinstance(described.get("additionalProperties"), dict):
        return f"object of {_type(described['additionalProperties'], seen)}"
    limits = [
        f"{sign} {described[key]:g}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if key in described
    ]
    return f"{kind} {', '.join(limits)}".strip()


def _link(name: str, seen: dict[str, type[BaseModel]]) -> str:
    return f"[{name}](#{name.lower()})" if name in seen else ("constraint" if "Constraint" in name else name)


def _prose(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
