"""The table of commands: what help says without importing a command is what the command says itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from adhere.cli.app import Commands, app
from adhere.cli.lazy import LazyCommand, walk

GROUP = typer.main.get_command(app)


@pytest.mark.parametrize("entry", Commands.entries, ids=lambda entry: entry.name)
def test_the_sentence_in_the_table_begins_the_commands_own_help(entry) -> None:
    command = LazyCommand(entry).load()
    first = " ".join((command.help or "").split("\n\n")[0].split())
    assert first == entry.help


def test_every_command_can_print_its_help() -> None:
    paths = list(walk(GROUP))
    assert len(paths) > 40
    for words, _ in paths:
        result = CliRunner().invoke(app, [*words, "--help"])
        assert result.exit_code == 0, (words, result.output)


def test_listing_the_commands_imports_none_of_them() -> None:
    names = [entry.target.partition(":")[0] for entry in Commands.entries]
    code = (
        "import sys\nfrom adhere.cli.app import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {names!r} + ['numpy', 'pydantic', 'torch', 'asyncio'] if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_mistyped_command_names_the_nearest() -> None:
    result = CliRunner().invoke(app, ["scor"])
    assert result.exit_code == 2
    assert "'score'" in result.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("adhere constraints length.w", ["length.words"]),
        ("adhere explain --skills word_count,to", ["word_count,topic", "word_count,toxicity"]),
        ("adhere audit poc", ["pocket"]),
    ],
)
def test_the_shell_completes_kinds_skills_and_models(words: str, expected: list[str]) -> None:
    asks = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_ADHERE_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-m", "adhere"], env={**os.environ, **asks}, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == expected
