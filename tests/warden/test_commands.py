"""The command line as a person uses it, from founding to a new quorum."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from adhere.cli.app import app
from adhere.warden.charter.charter import load
from adhere.warden.charter.keys import home_of_keys


@pytest.fixture
def adhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()

    def run(*words, code=0):
        result = runner.invoke(app, ["warden", *words])
        assert result.exit_code == code, (words, result.output, result.exception)
        return result.output

    for name in ("owner", "deputy", "board"):
        run("key", "new", name)
    return run


PEOPLE = [word for name in ("owner", "deputy", "board") for word in ("--principal", f"{name}={name}.pub")]
BOTH = ["--sign", "owner.key", "--sign", "deputy.key"]


def test_from_founding_to_a_stop_and_on(adhere, tmp_path):
    kept = tmp_path / "kept.txt"
    out = adhere(
        "charter", "init", *PEOPLE, "--instruct", "2", "--amend", "2", "--stop", "1", "--witness", f"file:{kept}"
    )
    assert "in force" in out
    assert "in force" in adhere("instruct", "Summarise the inbox", *BOTH)
    assert "NOT in force" in adhere("instruct", "and then", "--sign", "board.key", "--out", "i.json", code=1)
    assert "in force" in adhere("submit", "i.json", "--sign", "owner.key")
    adhere("decide", "read_inbox")
    asked = adhere("decide", "send_email", '{"to": "a"}', "--source", "user", "--json", "d.json", code=1)
    request = json.loads((tmp_path / "d.json").read_text())["request"]
    assert request in asked
    assert '"to": "a"' in adhere("approvals")
    adhere("approve", request, "--sign", "board.key")
    assert "confirmed by board" in adhere("decide", "send_email", '{"to": "a"}', "--source", "user")
    assert "of 3 persons" in adhere("posture")
    adhere("stop", "enough", "--sign", "board.key", "--out", "attested.json", "--json", "s.json")
    assert json.loads((tmp_path / "s.json").read_text())["by"] == ["board"]
    assert kept.exists()
    assert "consistent with itself, and with 1 checkpoints" in adhere("ledger", "verify")
    assert "the stop, and nothing else" in adhere("status")
    adhere("resume", *BOTH)
    assert "in force" in adhere("charter", "rotate", "--remove", "board", *BOTH)
    adhere("ledger", "checkpoint", "--out", "note")
    adhere("ledger", "verify", "note")
    adhere("ledger", "prove", "3")
    assert "2 of 2: deputy, owner" in adhere("charter", "show")


def test_a_charter_that_lacks_signatures_is_a_draft_and_opens_nothing(adhere, tmp_path):
    from adhere.core.errors import UserError

    for name in ("deputy", "board"):
        shutil.move(home_of_keys() / f"{name}.key", tmp_path / f"kept-{name}.key")
    out = adhere("charter", "init", *PEOPLE, "--instruct", "2", "--amend", "2", "--stop", "1")
    assert "has 1 of 2 signatures" in out
    assert "NOT in force" in out
    result = CliRunner().invoke(app, ["warden", "status"])
    assert isinstance(result.exception, UserError)
    assert "in force" in adhere("charter", "sign", "--sign", "kept-board.key")
    assert "none yet" in adhere("status")
    adhere("lease", "--sign", "owner.key", "--for", "3h")
    assert "3 h left" in adhere("status")


def test_an_amended_table_is_the_one_that_decides(adhere, tmp_path):
    adhere("charter", "init", *PEOPLE, "--amend", "2")
    adhere("instruct", "go", "--sign", "owner.key")
    adhere("decide", "read_x")
    (tmp_path / "rules.json").write_text('[{"tools": ["*"], "then": "deny", "because": "holiday"}]')
    adhere("charter", "amend", "--rules", "rules.json", *BOTH)
    assert "holiday" in adhere("decide", "read_x", code=1)
    (tmp_path / "terms.json").write_text('{"lease": {"stop_after": 99}}')
    adhere("charter", "amend", "--terms", "terms.json", *BOTH)
    assert "stop" in adhere("charter", "show")


def test_an_attestation_is_verified_without_the_charter_and_a_changed_one_is_refused(adhere, tmp_path):
    adhere("charter", "init", *PEOPLE)
    adhere("stop", "enough", "--sign", "board.key", "--out", "stop.json")
    public = load(tmp_path / "charter").terms.warden
    assert "stop in force" in adhere("attest", "verify", "stop.json")
    shutil.move(tmp_path / "charter", tmp_path / "moved")
    assert "by board" in adhere("attest", "verify", "stop.json", "--key", public)
    text = (tmp_path / "stop.json").read_text()
    (tmp_path / "stop.json").write_text(text.replace('"payload":"e', '"payload":"f', 1))
    changed = CliRunner().invoke(app, ["warden", "attest", "verify", "stop.json", "--key", public])
    assert "not an attestation by this charter's warden" in str(changed.exception)
    wrong = CliRunner().invoke(app, ["warden", "attest", "verify", "stop.json", "--key", "xyz"])
    assert "not an attestation" in str(wrong.exception)
