"""Command-line pages: every command with its arguments, options and defaults, from the help itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer.main

from adhere.cli.app import app
from adhere.cli.exit_codes import EXIT_CODES


def pages() -> Iterator[tuple[str, str]]:
    """(name, Markdown): an index of commands, and one page for each command of the first level."""
    root: Any = typer.main.get_command(app)
    rows = []
    for name, command in root.commands.items():
        if command.hidden:
            continue
        rows.append(f"| [`adhere {name}`]({name}.md) | {command.rich_help_panel or ''} | {_first(command)} |")
        yield f"cli/{name}.md", "\n".join(_command(f"adhere {name}", command.load(), level=1))
    head = ["# Command line", "", "| command | part | purpose |", "|---|---|---|"]
    codes = [
        "## Exit codes",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| {n} | {why} |" for n, why in EXIT_CODES.items()),
    ]
    yield "cli/index.md", "\n".join([*head, *rows, "", *codes])


def _command(path: str, command: Any, level: int) -> Iterator[str]:
    yield from (f"{'#' * min(level, 6)} {path}", "", _help(command), "")
    children = {n: c for n, c in getattr(command, "commands", {}).items() if not c.hidden}
    if children:
        yield from ("| command | purpose |", "|---|---|")
        for name, child in children.items():
            anchor = re.sub(r"[^a-z0-9]+", "-", f"{path} {name}".lower()).strip("-")
            yield f"| [`{path} {name}`](#{anchor}) | {_first(child)} |"
        yield ""
        for name, child in children.items():
            yield from _command(f"{path} {name}", child, level + 1)
        return
    arguments = [p for p in command.params if p.param_type_name == "argument" and not getattr(p, "hidden", False)]
    options = [p for p in command.params if p.param_type_name == "option" and not getattr(p, "hidden", False)]
    usage = " ".join([path, *(["[OPTIONS]"] if options else []), *(_metavar(a) for a in arguments)])
    yield from ("```text", usage, "```", "")
    if arguments:
        yield from ("| argument | meaning | default |", "|---|---|---|")
        yield from (f"| `{_metavar(a)}` | {_cell(getattr(a, 'help', '') or '')} | {_default(a)} |" for a in arguments)
        yield ""
    options = [o for o in options if o.name != "help"]
    if options:
        yield from ("| option | value | meaning | default |", "|---|---|---|---|")
        for option in options:
            names = ", ".join(f"`{n}`" for n in [*option.opts, *option.secondary_opts])
            yield f"| {names} | {_value(option)} | {_cell(option.help or '')} | {_default(option)} |"
        yield ""


def _help(command: Any) -> str:
    return re.sub(r"(?m)^ {0,3}(?=\S)", "", (command.help or "").replace("\b\n", "")).strip()


def _first(command: Any) -> str:
    text = (command.short_help or command.help or "").strip().split("\n\n")[0]
    return _cell(re.split(r"(?<=\.)\s", " ".join(text.split()))[0])


def _metavar(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _value(option: Any) -> str:
    if option.is_flag:
        return ""
    kind = option.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(f"`{member.value}`" for member in kind)
    return f"`{option.metavar}`" if option.metavar else f"`{getattr(kind, '__name__', kind)}`"


def _default(parameter: Any) -> str:
    if isinstance(parameter.show_default, str):
        return _cell(parameter.show_default)
    value = parameter.default
    if getattr(parameter, "required", False):
        return "required"
    if value is None or value is False or callable(value) or value == () or "Sentinel" in type(value).__name__:
        return ""
    value = getattr(value, "value", value)
    return f"`{value}`" if value != "" else ""


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
