"""Commands that are imported when they are run, not when they are listed.

    class Commands(LazyGroup):
        entries = (Entry("score", "adhere.cli.score:score", "Measure", "Score saved responses."),)

    app = typer.Typer(cls=Commands)

Rules:

- `adhere --help`, shell completion of command names and "did you mean" read the table alone.
- A command's module is imported when its own context is made: when it runs, and when it prints its own help.
- The sentence in the table is the first paragraph of the command's own help. A test compares the two.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Entry(NamedTuple):
    """One command of a table.

    Attributes:
        name: as it is typed.
        target: `module:attribute`; the attribute is a function, or a `typer.Typer` with commands of its own.
        panel: the heading under which help lists it.
        help: one sentence.
        hidden: whether help leaves it out.
        settings: Typer's settings of the command, such as `context_settings`.
    """

    name: str
    target: str
    panel: str
    help: str
    hidden: bool = False
    settings: dict[str, Any] = {}  # noqa: RUF012 (never changed)


class LazyCommand(TyperCommand):
    """Stands in a listing for a command whose module is not imported yet."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(
            entry.name, help=entry.help, short_help=entry.help, hidden=entry.hidden, rich_help_panel=entry.panel
        )
        self.entry = entry

    def load(self) -> Any:
        """The command itself."""
        module, _, attribute = self.entry.target.partition(":")
        target = getattr(importlib.import_module(module), attribute)
        if not isinstance(target, typer.Typer):
            app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
            app.command(self.entry.name, **self.entry.settings)(target)
            target = app
        command = typer.main.get_command(target)
        command.name = self.entry.name
        return command

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        return self.load().make_context(*arguments, **options)


class LazyGroup(TyperGroup):
    """A group whose commands stand in a table, after those that are registered the ordinary way."""

    entries: ClassVar[tuple[Entry, ...]] = ()

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for entry in self.entries:
            self.add_command(LazyCommand(entry))


def walk(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below `command`, loaded, with the words that call it: for tests and the generated reference."""
    if isinstance(command, LazyCommand):
        command = command.load()
    yield words, command
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            yield from walk(child, (*words, name))
