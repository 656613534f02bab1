"""Foreign text cannot steer the terminal, hide, or be read as markup."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from adhere.core.terminal import cell, escaped, visible


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\rb", "a\\rb"),
        ("two\nlines", "two\\nlines"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("half \ud800", "half \\ud800"),
        ("line\u2028end", "line\\u2028end"),
        ("tag\U000e0041", "tag\\U000e0041"),
    ],
)
def test_what_a_terminal_obeys_or_hides_is_shown(hostile: str, shown: str) -> None:
    assert visible(hostile) == shown


@pytest.mark.parametrize("plain", ["gpt-5", "Größe", "日本語", "👩\u200d👧", "क्\u200dष", "[bold]x[/bold]"])
def test_readable_text_stays_as_it_is(plain: str) -> None:
    assert visible(plain) == plain


@given(st.text(st.characters(codec=None), max_size=40))
def test_whatever_is_written_one_line_reaches_the_terminal_as_printable_text(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in shown)
    for form in (cell(text), escaped(text)):
        file = io.StringIO()
        Console(file=file, width=2000, force_terminal=True, color_system=None, highlight=False).print(form, emoji=False)
        assert file.getvalue().rstrip("\n").rstrip() == shown.rstrip()


def test_a_long_text_is_cut() -> None:
    assert len(visible("x" * 10_000_000)) == 2_000
