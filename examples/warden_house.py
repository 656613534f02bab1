"""A charter for the examples: three people, two of whom instruct, and a mailbox that is only pretended.

Run by the other examples; by itself it only shows what it founds.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from typer.testing import CliRunner

from adhere.cli.app import app

RULES = [
    {"tools": ["read_*", "list_*"], "then": "allow", "source": "external", "harmless": True},
    {"tools": ["send_email"], "then": "allow", "source": "model", "impact": {"reversible": False, "reach": 1}},
    {"tools": ["delete_*"], "then": "deny", "because": "nothing is ever deleted"},
]


def adhere(*words: str) -> str:
    """Run one `adhere warden` command and return what it prints."""
    result = CliRunner().invoke(app, ["warden", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def found(folder: Path) -> Path:
    """Found a charter in `folder` and instruct the agent; return the charter's folder."""
    charter = folder / "charter"
    (folder / "rules.json").write_text(json.dumps(RULES), encoding="utf-8")
    people = []
    for name in ("owner", "deputy", "board"):
        adhere("key", "new", str(folder / name))
        people += ["--principal", f"{name}={folder / name}.pub"]
    quorums = ["--instruct", "2", "--amend", "2", "--stop", "1"]
    adhere("charter", "init", *people, *quorums, "--rules", str(folder / "rules.json"), "--charter", str(charter))
    signed = ["--sign", str(folder / "owner.key"), "--sign", str(folder / "deputy.key")]
    adhere("instruct", "Answer the mail that came in today", *signed, "--charter", str(charter))
    return charter


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(adhere("charter", "show", "--charter", str(found(Path(scratch)))))
