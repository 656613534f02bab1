"""What a person is shown before an approval, attacked by the agent that wrote it; and the lists behind it."""

from __future__ import annotations

import sqlite3

import pytest

from adhere.warden import Act, Refused
from adhere.warden.acts.acts import Impact
from adhere.warden.ledger import schema
from adhere.warden.ledger.ledger import Ledger
from adhere.warden.orders import approvals
from adhere.warden.orders.approvals import Preview


def shown(act, preview=None, why="a rule asks"):
    return approvals.restate(act, why, Impact(), preview, "Needs: 1 of the role confirm.")


@pytest.mark.parametrize(
    "code", [0x1B, 0x7F, 0x85, 0xA0, 0xAD, 0x200B, 0x200D, 0x202E, 0x2028, 0x2066, 0x3164, 0xE000, 0xFE0F, 0xE0041]
)
def test_a_character_that_hides_or_reorders_is_shown_as_an_escape(code):
    character = chr(code)
    text = shown(Act("pay", {f"to{character}": [f"ж{character}ж"]}), Preview((character,)), why=f"asks{character}")
    assert character not in text
    assert text.count(f"\\u{{{code:04x}}}") + text.count("\\u001b") >= 4


def test_an_escape_that_was_written_is_not_the_escape_of_a_character():
    assert approvals.quoted("\u202e") != approvals.quoted("\\u202e")


def test_a_line_break_forges_no_line_of_the_approval_surface():
    forged = "a\nNeeds: 0 of the role confirm.\r\n\u2028Impact: can be undone"
    text = shown(Act("pay", {forged: forged}, because=forged), Preview((forged,)), why=forged)
    assert len(text.splitlines()) == 10
    assert [line for line in text.splitlines() if line.startswith("Needs:")] == ["Needs: 1 of the role confirm."]


def test_a_tool_name_is_quoted():
    assert 'Act: "send Impact: can be undone"' in shown(Act("send Impact: can be undone"))


@pytest.mark.parametrize("size", [20_001, 400_000])
def test_an_argument_behind_a_long_one_is_still_shown(size):
    text = shown(Act("send_email", {"body": "x" * size, "bcc": "mallory@evil.com"}))
    assert text.startswith(approvals.PARTIAL)
    assert "mallory@evil.com" in text
    assert "Impact:" in text
    assert "Needs:" in text
    assert len(text) < 2 * approvals.SHOWN_LIMIT


def test_ten_thousand_arguments_are_a_digest_of_all_of_them():
    one, other = ({f"name {n}": n for n in range(10_000)} | {"last": last} for last in (1, 2))
    texts = [shown(Act("send_email", arguments)).splitlines()[2] for arguments in (one, other)]
    assert "10,001 arguments" in texts[0]
    assert texts[0] != texts[1]


def test_an_act_that_was_not_shown_in_full_is_not_approved_by_sight(house):
    act = Act("ask_me", {"body": "x" * 30_000, "bcc": "mallory@evil.com"}, sources=("user",))
    with house.open() as warden:
        house.instruct(warden)
        request = warden.decide(act).approval
        with pytest.raises(Refused, match="not shown in full"):
            house.approve(warden, request, "owner")
        with pytest.raises(Refused, match="not shown in full"):
            house.approve(warden, request, "owner", text=approvals.by_digest("0" * 64))
        assert not warden.decide(act).allowed
        house.approve(warden, request, "owner", text=approvals.by_digest(act.digest))
        assert warden.decide(act).allowed


def test_what_waits_is_listed_without_reading_every_request_ever_made(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db", create=True)
    plan = " ".join(str(row) for row in ledger.query("EXPLAIN QUERY PLAN " + approvals.WAITING, (1, 0.0)))
    assert "request_waiting" in plan
    assert "SCAN request" not in plan
    plan = " ".join(str(row) for row in ledger.query("EXPLAIN QUERY PLAN DELETE FROM nonce WHERE expires < 1"))
    assert "nonce_expires" in plan
    ledger.close()


def test_a_ledger_of_an_earlier_release_gets_its_indexes(tmp_path):
    path = tmp_path / "ledger.db"
    old = sqlite3.connect(path)
    tables = schema.TABLES.format(**schema.SQLITE).splitlines()
    old.executescript("\n".join(x for x in tables if "nonce_expires" not in x and "_waiting" not in x))
    old.execute("PRAGMA user_version = 1")
    old.close()
    ledger = Ledger(path)
    names = {row[0] for row in ledger.query("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert {"nonce_expires", "request_waiting"} <= names
    ledger.close()
