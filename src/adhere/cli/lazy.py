"""Commands that are imported when they are run, not when they are listed.

    class Commands(LazyGroup):
        entries = (Entry("score", "adhere.cli.score:score", "Measure", "Score saved responses."),)

    app = typer.Typer(cls=Commands)

Rules:

- `adhere --help`, shell completion of command names and "did you mean" read the table alone.
- A command's module is imported when the command runs or prints its own help.
- The sentence in the table is the first paragraph of the command's own help. A test compares the two.
- An option that was renamed still works under its old name, is in no help text, and prints a notice.
- Every command takes `--quiet`, except those whose entry turns it off.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from adhere.cli import console as output


class Entry(NamedTuple):
    """One command of a table.

    Attributes:
        name: as it is typed.
        target: `module:attribute`; the attribute is a function, or a `typer.Typer` with commands of its own.
        panel: the heading under which help lists it.
        help: one sentence.
        hidden: whether help leaves it out.
        settings: Typer's settings of the command, such as `context_settings`.
        renamed: old names of options, with their new ones.
        quiet: whether the command, and those below it, take `--quiet`.
    """

    name: str
    target: str
    panel: str
    help: str
    hidden: bool = False
    settings: Mapping[str, Any] = {}
    renamed: Mapping[str, str] = {}
    quiet: bool = True


class LazyCommand(TyperCommand):
    """A placeholder in listings for a command whose module is not imported yet."""

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
        for _, leaf in walk(command):
            if not isinstance(leaf, TyperGroup):
                leaf.callback = _guarded(leaf.callback)
                if self.entry.quiet:
                    leaf.params.append(_quiet())
        return command

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **options: Any) -> Any:
        return self.load().make_context(info_name, _current(args, self.entry.renamed), *rest, **options)


def _guarded(callback: Callable[..., Any]) -> Callable[..., Any]:
    """`callback`, which ends with exit code 141 where whoever read its output has left."""

    @functools.wraps(callback)
    def guarded(*arguments: Any, **options: Any) -> Any:
        try:
            value = callback(*arguments, **options)
            sys.stdout.flush()
            return value
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(141) from None

    return guarded


def _quiet() -> TyperOption:
    """The option `--quiet`, which no function has to take."""
    template = typer.Typer(add_completion=False)

    @template.command()
    def _template(
        quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only; files are written.")] = False,
    ) -> None:
        del quiet

    option = next(one for one in typer.main.get_command(template).params if one.name == "quiet")
    assert isinstance(option, TyperOption)
    option.expose_value = False
    option.callback = lambda _context, _option, value: output.set_quiet(bool(value))
    return option


def _current(args: Sequence[str], renamed: Mapping[str, str]) -> list[str]:
    """`args` with renamed options under their new names; what stands behind `--` is left alone."""
    end = args.index("--") if "--" in args else len(args)
    current = []
    for word in args[:end]:
        name, equals, value = word.partition("=")
        if name in renamed:
            print(f"adhere: {name} is now {renamed[name]}; the old name will be removed", file=sys.stderr)
            word = renamed[name] + equals + value
        current.append(word)
    return [*current, *args[end:]]


class LazyGroup(TyperGroup):
    """A group that reads its commands from a table; commands registered in the usual way come first."""

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
