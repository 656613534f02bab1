"""API pages: what each public package exports in `__all__`, from signatures and docstrings.

Read with griffe, without importing anything: the text is the same under every Python version, and names that are loaded
lazily are found through their `TYPE_CHECKING` imports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

SOURCE = Path(__file__).resolve().parents[2] / "src"
PACKAGES = {
    "adhere": "The stable interface: what `import adhere` offers.",
    "adhere.constraints": "Constraints: check a text, watch it while it is written, read instructions, combine.",
    "adhere.problems": "Problems with checkable answers: mathematics, multi-hop questions, code.",
    "adhere.explain": "Captured states of labelled responses, for probes and erasure.",
    "adhere.warden": "Principals, decisions about acts, and verified stops.",
    "adhere.train": "Rewards and training recipes.",
}
INHERITED = {"model_config"}


def pages() -> Iterator[tuple[str, str]]:
    """(name, Markdown) of every API page: an index, and one page for each package with exports."""
    root = griffe.load("adhere", search_paths=[SOURCE], docstring_parser="google")
    assert isinstance(root, griffe.Module)
    rows = []
    for package, purpose in PACKAGES.items():
        module = _module(root, package)
        names = sorted(_exports(module), key=str.lower)
        if not names:
            continue
        rows.append(f"| [`{package}`]({package}.md) | {purpose} | {len(names)} |")
        yield f"api/{package}.md", _package(module, package, purpose, names)
    index = "\n".join(["# Python API", "", "| package | purpose | names |", "|---|---|---|", *rows])
    yield "api/index.md", index + "\n\nEverything that is not listed here is internal and may change without notice.\n"


def _module(root: griffe.Module, package: str) -> Any:
    parts = package.split(".")[1:]
    module: Any = root
    for part in parts:
        module = module.members.get(part)
        if module is None:
            return None
    return module


def _exports(module: Any) -> list[str]:
    return [] if module is None or module.exports is None else [str(name) for name in module.exports]


def _package(module: Any, package: str, purpose: str, names: list[str]) -> str:
    lines = [f"# {package}", "", purpose]
    for name in names:
        member = module.members[name]
        target = member.final_target if member.is_alias else member
        lines += ["", f"## {name}", "", *_object(target, name, level=3)]
    return "\n".join(lines)


def _object(target: Any, name: str, level: int) -> list[str]:
    if target.is_function:
        return [_code(_signature(target, name)), "", *_docstring(target)]
    if target.is_class:
        return _class(target, name, level)
    value = f": {target.annotation}" if getattr(target, "annotation", None) else ""
    return [_code(f"{name}{value}"), "", *_docstring(target)]


def _class(target: Any, name: str, level: int) -> list[str]:
    bases = ", ".join(str(base) for base in target.bases)
    lines = [_code(f"class {name}({bases})" if bases else f"class {name}"), "", *_docstring(target)]
    fields = [m for m in target.members.values() if m.is_attribute and _public(m) and "property" not in m.labels]
    if fields:
        lines += ["", "| attribute | type | default |", "|---|---|---|"]
        lines += [f"| `{m.name}` | {_cell(m.annotation)} | {_cell(m.value)} |" for m in fields]
    for member in target.members.values():
        documented = member.docstring is not None  # an override without a docstring says what its base says
        if not _public(member) or not documented or not (member.is_function or "property" in member.labels):
            continue
        shown = f"{name}.{member.name}"
        heading = f"{'#' * level} {shown}"
        if member.is_function:
            lines += ["", heading, "", _code(_signature(member, member.name)), "", *_docstring(member)]
        else:
            lines += ["", heading, "", f"Property, {_cell(member.annotation)}.", "", *_docstring(member)]
    return lines


def _public(member: Any) -> bool:
    return not member.name.startswith("_") and not member.is_alias and member.name not in INHERITED


def _signature(function: Any, name: str) -> str:
    shown, keyword_only = [], False
    for parameter in function.parameters:
        if parameter.name in ("self", "cls"):
            continue
        kind = parameter.kind.value
        text = f"{ {'variadic positional': '*', 'variadic keyword': '**'}.get(kind, '') }{parameter.name}"
        if kind == "keyword-only" and not keyword_only:
            shown.append("*")
        keyword_only = keyword_only or kind in ("keyword-only", "variadic positional")
        if parameter.annotation is not None:
            text += f": {parameter.annotation}"
        if parameter.default is not None and not kind.startswith("variadic"):
            text += f" = {parameter.default}"
        shown.append(text)
    returns = f" -> {function.returns}" if function.returns is not None else ""
    line = f"{name}({', '.join(shown)}){returns}"
    if len(line) <= 100:
        return line
    inner = "".join(f"    {part},\n" for part in shown)
    return f"{name}(\n{inner}){returns}"


def _docstring(target: Any) -> list[str]:
    if target.docstring is None:
        return []
    lines: list[str] = []
    for section in target.docstring.parse("google", warnings=False):
        if section.kind.value == "text":
            lines += [_cross_references(section.value), ""]
        elif section.kind.value in ("parameters", "raises", "returns", "yields", "attributes"):
            lines += [f"**{section.kind.value.capitalize()}**", ""]
            lines += [_item(entry) for entry in section.value]
            lines.append("")
        elif section.kind.value == "examples":
            lines += [_code(value) if kind.value == "examples" else value for kind, value in section.value]
    return lines[:-1] if lines and not lines[-1] else lines


def _item(entry: Any) -> str:
    label = getattr(entry, "name", "") or str(entry.annotation or "")
    text = " ".join(str(entry.description).split())
    return f"- `{label}`: {text}" if label else f"- {text}"


def _cross_references(text: str) -> str:
    """Docstrings are Markdown; a line of prose that ends in a colon before an indented block starts a code block."""
    return re.sub(r"(?m)(\S)\n(    \S)", r"\1\n\n\2", text) if re.search(r"(?m)^    \S", text) else text


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = " ".join(str(value).split()).replace("|", "\\|")
    return f"`{text}`" if len(text) <= 80 else f"`{text[:77]}...`"
