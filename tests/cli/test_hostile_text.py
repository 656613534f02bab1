"""Names that steer terminals, pushed through every command: shown as text, never obeyed, never a traceback."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import unicodedata
from pathlib import Path

import pytest

from adhere.cli import run
from adhere.cli.app import Commands

HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J[bold red]x[/bold red]\r[link=http://e.vil]y[/link]",
    "user\u202egnp.exe\u200b\u2066",
    "half\udc80\ud800",
    "[/]",
    "\x9b31m:smile:",
)
_STYLE = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b]*\x1b\\")
"""What rich itself writes to a terminal."""


class _Stream(io.TextIOWrapper):
    """Standard output or error, a terminal or not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def text(self) -> str:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


def _printed(args: list[str], terminal: bool) -> tuple[object, str, str]:
    out, err = _Stream(terminal), _Stream(terminal)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: object = run(args)
        except SystemExit as ended:
            code = ended.code
    return code, out.text(), err.text()


def _assert_harmless(args: list[str], terminal: bool) -> tuple[object, str]:
    code, out, err = _printed(args, terminal)
    for text in (out, err):
        bare = _STYLE.sub("", text) if terminal else text
        bad = {c for c in bare if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
        assert not bad, (args, bad)
        assert "Traceback" not in text
    if code == 2:
        lines = [line for line in err.splitlines() if line.startswith("adhere: ")]
        assert lines, (args, err)
        assert err.rstrip("\n").splitlines()[-1] == lines[-1]
    return code, out + err


def _commands(name: str) -> list[list[str]]:
    return [
        [name],
        ["score", name],
        ["score", "--no-such-option", name],
        ["score", f"--{name}"],
        ["score", "--profile", name, "x"],
        ["score", "x.jsonl", "--prompts", name],
        ["score", name, name],
        ["compare", name, name],
        ["claims", name],
        ["view", name],
        ["export", name, "--to", "csv", "--out", name],
        ["compare", "good.jsonl::" + name, "good.jsonl"],
        ["constraints", name],
        ["parse", name],
        ["check-prompts", name],
        ["audit", f"./{name}"],
        ["audit", "--also", name],
        ["audit", "--set", name, "--limit", "1", "--out", "run"],
        ["sustain", f"./{name}"],
        ["sustain", "--arms", name],
        ["sustain", "--constraints", name],
        ["sustain", "--from-responses", name],
        ["corrigibility", "--tiers", name],
        ["corrigibility", "--factors", name],
        ["corrigibility", "--evals", name],
        ["agents", f"./{name}"],
        ["agents", "--world", name],
        ["agents", "--arms", name],
        ["agents", "--budget", name],
        ["explain", f"./{name}"],
        ["explain", "--skills", name],
        ["explain", "--positions", name],
        ["explain", "--layers", name],
        ["modular", "train", "--operation", name],
        ["modular", "classify", name],
        ["modular", "check", name],
        ["serve", "--upstream", name],
        ["serve", "--upstream", "http://127.0.0.1:9/v1", "--speaks", name],
        ["serve", "--upstream", "http://127.0.0.1:9/v1", "--policy", name],
        ["serve", "--upstream", "http://127.0.0.1:9/v1", "--key-env", name],
        ["policy", "check", name],
        ["policy", "try", name, name],
        ["monitor", "read", name],
        ["monitor", "train", name, "--out", "x.npz"],
        ["pocket", "evaluate", "--model", name],
        ["pocket", "train", "--out", "run", "--size", name],
        ["pocket", "train", "--out", "run", "--until", name],
        ["models", "get", name],
        ["train", "filter", "--prompts", name, "--out", "pool"],
        ["train", "filter", "--prompts", "good.jsonl", "--held-out", name, "--out", "pool"],
        ["train", "pairs", name, "--out", "pairs.jsonl"],
        ["train", "sft", "--data", name, "--out", "run"],
        ["train", "grpo", "--data", "good.jsonl", "--constraints", name, "--out", "run"],
        ["train", "domain", "--constraints", name, "--prompts", "good.jsonl", "--out", "run"],
        ["train", "study", name, "--out", "study", "--size", "tiny"],
        ["warden", "status", "--charter", name],
        ["warden", "charter", "show", "--charter", name],
        ["warden", "charter", "init", "--principal", name],
        ["warden", "charter", "init", "--grant", name],
        ["warden", "decide", "tool", name],
        ["warden", "lease", "--for", name],
        ["warden", "attest", "verify", name, "--key", "00"],
    ]


def test_no_command_is_left_out() -> None:
    hidden = {"mcp"}  # speaks a protocol, and takes no text
    tried = {args[0] for args in _commands("x")}
    assert {entry.name for entry in Commands.entries} - hidden <= tried


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    lines = [
        {
            "model": f"{hostile}{n}",
            "key": f"{hostile}{n}",
            "prompt": hostile,
            "response": "by the sea",
            "constraints": c,
        }
        for n in range(2)
        for hostile in HOSTILE
        for c in ([{"kind": "length.words", "at_most": 1 + 4 * n}], [{"kind": "contains.terms", "terms": [hostile]}])
    ]
    for number, line in enumerate(lines):
        line["key"] = f"{line['key']}{number}"
    (tmp_path / "good.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    bad = [{"prompt": "p", "response": "r", "constraints": [{"kind": hostile, hostile: 1}]} for hostile in HOSTILE]
    for number, line in enumerate(bad):
        (tmp_path / f"bad{number}.jsonl").write_text(json.dumps(line) + "\n")
    os.mkdir("charter")
    return tmp_path


@pytest.mark.parametrize("terminal", [False, True])
def test_models_keys_and_answers_of_strangers_are_shown_and_never_obeyed(folder: Path, terminal: bool) -> None:
    del folder
    code, shown = _assert_harmless(["score", "good.jsonl"], terminal)
    assert code == 0
    assert "[bold red]x[/bold red]" in shown
    assert "\\x1b]0;owned\\x07" in shown
    for number in range(len(HOSTILE)):
        code, _ = _assert_harmless(["score", f"bad{number}.jsonl"], terminal)
        assert code == 2
        _assert_harmless(["score", "--skip-bad", "good.jsonl", f"bad{number}.jsonl"], terminal)


ARGUMENTS = tuple(hostile.replace("\ud800", "") for hostile in HOSTILE)
"""What a shell can pass: of surrogates only those that stand for bytes that are no UTF-8."""


@pytest.mark.parametrize("hostile", ARGUMENTS, ids=range(len(ARGUMENTS)))
def test_every_command_refuses_a_hostile_argument_in_one_harmless_line(folder: Path, hostile: str) -> None:
    del folder
    for args in _commands(hostile):
        code, _ = _assert_harmless(args, terminal=False)
        assert code in (0, 1, 2), args
