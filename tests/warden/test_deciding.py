"""Decisions about acts: the table, instructions, confirmations, sources."""

from __future__ import annotations

import pytest

from adhere.warden import Act, Impact, Preview, Refused, Verdict


def mail(**more):
    return Act("send_email", {"to": "a@example.org", "body": "hello", **more}, sources=("user",))


def test_without_an_instruction_nothing_is_done(house):
    with house.open() as warden:
        assert warden.decide(Act("read_inbox")).reason == "no-instruction"
        house.instruct(warden)
        assert warden.decide(Act("read_inbox")).allowed


def test_what_no_rule_names_is_denied(house):
    with house.open() as warden:
        house.instruct(warden)
        decision = warden.decide(Act("launch_rocket", sources=("principal",)))
        assert (decision.verdict, decision.reason) == (Verdict.DENY, "no-rule")


def test_a_denying_rule_is_not_confirmed_away(house):
    with house.open() as warden:
        house.instruct(warden)
        decision = warden.decide(Act("delete_all", sources=("user",)))
        assert decision.verdict is Verdict.DENY
        assert not decision.approval


def test_a_major_act_asks_is_approved_once_and_asks_again(house):
    with house.open() as warden:
        house.instruct(warden)
        first = warden.decide(mail())
        assert (first.verdict, first.reason) == (Verdict.ASK, "impact")
        house.approve(warden, first.approval, "board")
        second = warden.decide(mail())
        assert second.allowed
        assert second.evidence["confirmed by"] == ["board"]
        warden.finished(second)
        assert warden.decide(mail()).verdict is Verdict.ASK


def test_a_critical_act_needs_two_persons(house):
    with house.open() as warden:
        house.instruct(warden)
        act = Act("post_publicly", {"text": "hi"}, sources=("user",))
        asked = warden.decide(act)
        assert house.approve(warden, asked.approval, "board").reason == "open"
        assert warden.decide(act).verdict is Verdict.ASK
        assert house.approve(warden, asked.approval, "board").reason == "open"
        assert house.approve(warden, asked.approval, "owner").reason == "approved"
        assert warden.decide(act).allowed


def test_an_approval_is_for_this_act_and_no_other(house):
    with house.open() as warden:
        house.instruct(warden)
        house.approve(warden, warden.decide(mail()).approval, "board")
        assert warden.decide(mail(body="send the money")).verdict is Verdict.ASK


def test_a_refusal_closes_the_request(house):
    with house.open() as warden:
        house.instruct(warden)
        asked = warden.decide(mail())
        house.approve(warden, asked.approval, "owner", kind="refuse")
        with pytest.raises(Refused, match="no open request"):
            house.approve(warden, asked.approval, "board")
        assert warden.decide(mail()).verdict is Verdict.ASK


def test_the_dry_run_is_shown_and_can_only_make_it_graver(house):
    from adhere.warden.orders import approvals

    with house.open() as warden:
        house.instruct(warden)
        act = Act("write_note", {"path": "a"}, sources=("user",))
        assert warden.decide(act).allowed
        asked = warden.decide(act, preview=lambda a: Preview((f"overwrites {a['path']}",), Impact(reach=1)))
        assert asked.verdict is Verdict.ASK
        assert "overwrites a" in approvals.find(warden.ledger, asked.approval).text
        broken = warden.decide(act, preview=lambda _: 1 / 0)
        assert broken.failed
        assert broken.verdict is Verdict.DENY


def test_content_from_strangers_is_asked_about(house):
    with house.open() as warden:
        house.instruct(warden)
        decision = warden.decide(Act("write_note", {"x": 1}, sources=("user", "tool")))
        assert (decision.verdict, decision.reason) == (Verdict.ASK, "low-source")
        assert warden.decide(Act("write_note", {"x": 1}, sources=("user", "model"))).allowed


def test_an_act_that_cannot_be_written_down_is_denied(house):
    with house.open() as warden:
        house.instruct(warden)
        decision = warden.decide(Act("read_x", {"x": object()}))
        assert decision.failed
        assert decision.reason == "not-json"


def test_later_changes_to_the_callers_object_do_not_reach_the_act(house):
    arguments = {"to": ["a"]}
    act = Act("send_email", arguments)
    before = act.digest
    arguments["to"].append("b")
    assert act.arguments == {"to": ["a"]}
    assert Act("send_email", {"to": ["a"]}).digest == before


def test_a_rule_that_fills_arguments_transforms(founder):
    house = founder(rules=[{"tools": ["search"], "then": "allow", "source": "external", "fill": {"safe": True}}])
    with house.open() as warden:
        house.instruct(warden)
        decision = warden.decide(Act("search", {"q": "x", "safe": False}))
        assert decision.verdict is Verdict.TRANSFORM
        assert decision.act.arguments == {"q": "x", "safe": True}


def test_conditions_on_missing_values_never_open(founder):
    house = founder(
        rules=[
            {"tools": ["pay"], "then": "deny", "where": {"amount": {"at_least": 10}}},
            {
                "tools": ["pay"],
                "then": "allow",
                "source": "external",
                "free": ["amount"],
                "where": {"to": "*@example.org"},
            },
        ]
    )
    with house.open() as warden:
        house.instruct(warden)
        assert warden.decide(Act("pay", {"amount": 3, "to": "x@example.org"})).allowed
        assert warden.decide(Act("pay", {"to": "x@example.org"})).reason == "rule"
        assert warden.decide(Act("pay", {"amount": "3", "to": "x@example.org"})).reason == "rule"
        assert warden.decide(Act("pay", {"amount": float("nan"), "to": "x@example.org"})).failed
        assert warden.decide(Act("pay", {"amount": 3})).reason == "no-rule"


def test_an_instruction_can_forbid_and_ask(house):
    with house.open() as warden:
        house.instruct(warden, "touch nothing", effect="deny")
        assert warden.decide(Act("read_x")).reason == "instruction"
        house.instruct(warden, "ask before each step", effect="ask")
        asked = warden.decide(Act("read_x"))
        assert asked.verdict is Verdict.ASK
        house.approve(warden, asked.approval, "owner")
        assert warden.decide(Act("read_x")).allowed


def test_a_scope_instructs_only_its_own_tools(founder):
    from adhere.warden.charter.charter import Grant

    house = founder(grants=(Grant("instruct@mail", 1, ("deputy",), ("send_email", "read_mail")),))
    with house.open() as warden:
        house.say(warden, "instruct", "deputy", text="read my mail", scope="mail")
        assert warden.decide(Act("read_mail")).allowed
        assert warden.decide(Act("read_files")).reason == "no-instruction"
        with pytest.raises(Refused, match="instruct@mail, the statement has 0"):
            house.say(warden, "instruct", "owner", text="read my mail", scope="mail")
