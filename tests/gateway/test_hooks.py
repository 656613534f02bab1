# ruff: noqa: ARG002, ARG005
"""Those who take part decide, and where they break nothing is allowed."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest
from tests.gateway.conftest import serve
from tests.gateway.fake import Fake, Turn
from tests.gateway.ways import WAYS, ask

from adhere.constraints import from_json
from adhere.gateway.exchange import Message, Request, Text, ToolCall
from adhere.gateway.hooks import Admission, Caller, Exchange, ExchangeOutcome, Handling, PassThrough, StatedConstraint
from adhere.warden.acts.acts import Act, Decision, Verdict

CALL = ("call_1", "send", json.dumps({"to": "everybody", "body": "the sea is wide"}))
DENY = Decision(Verdict.DENY, "rule", "not to everybody")
NO_SEA = {"kind": "excludes.terms", "terms": ["sea"]}


class Watched(PassThrough):
    """Points whose answers a test sets; it keeps what was recorded."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(fields.pop("handling", None))
        self.admission: Any = None
        self.decision: Any = Decision(Verdict.ALLOW, "rule")
        self.stop: Any = None
        self.watch: Any = None
        self.recording: Any = None
        self.person: Any = Decision(Verdict.DENY, "no")
        self.outcomes: list[ExchangeOutcome] = []
        self.seen: list[Request] = []
        for name, value in fields.items():
            setattr(self, name, value)

    async def admit(self, caller: Caller, request: Request) -> Admission:
        self.seen.append(request)
        admission = await super().admit(caller, request)
        if self.watch:
            admission = dataclasses.replace(admission, watches=(self.watch(),))
        if callable(self.admission):
            return self.admission(admission)  # type: ignore[no-any-return]
        return admission

    async def decide(self, exchange: Exchange, call: ToolCall, doubt: Decision | None) -> Decision:
        return self.decision(call) if callable(self.decision) else self.decision  # type: ignore[no-any-return]

    async def hand_over(self, exchange: Exchange, text: str, outcome: ExchangeOutcome) -> Decision:
        return self.person  # type: ignore[no-any-return]

    async def record(self, exchange: Exchange, outcome: ExchangeOutcome) -> None:
        self.outcomes.append(outcome)
        if self.recording:
            self.recording()

    def stopped(self) -> str | None:
        return self.stop() if callable(self.stop) else None


def breaks(*_: Any) -> Any:
    raise RuntimeError("swordfish")


@pytest.mark.parametrize("way", WAYS)
def test_a_denied_call_is_not_released_and_the_answer_says_so(fake: Fake, way: str) -> None:
    points = Watched(decision=DENY)
    with serve(fake, points=points) as url:
        got = ask(url, way, fake.says(f"denied-{way}", Turn(calls=(CALL,), finish="tool_calls")), tools=["send"])
    assert got.calls == ()
    assert got.text == "[send was not called: deny (rule): not to everybody]"
    assert got.report["ending"] == "denied"
    assert "wide" not in repr(got)
    assert points.outcomes[-1].calls == ()


@pytest.mark.parametrize("decision", [breaks, lambda call: Decision(Verdict.TRANSFORM, "no-act")])
def test_a_decision_that_breaks_releases_nothing(fake: Fake, decision: Any) -> None:
    with serve(fake, points=Watched(decision=decision)) as url:
        got = ask(url, "chat-streamed", fake.says("breaks", Turn(calls=(CALL,), finish="tool_calls")), tools=["send"])
    assert got.calls == ()
    assert got.report["decisions"][-1]["failed"]
    assert "swordfish" not in repr(got)


def test_a_transformed_call_carries_what_was_decided(fake: Fake) -> None:
    def narrow(call: ToolCall) -> Decision:
        return Decision(Verdict.TRANSFORM, "rule", act=Act("send", {"to": "nobody"}))

    with serve(fake, points=Watched(decision=narrow)) as url:
        model = fake.says("narrowed", Turn(calls=(CALL,), finish="tool_calls"))
        for way in WAYS:
            got = ask(url, way, model, tools=["send"])
            arguments = got.calls[0][1]
            assert (json.loads(arguments) if isinstance(arguments, str) else arguments) == {"to": "nobody"}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_forbidden_does_not_slip_out_at_the_end_of_a_text_before_a_call(fake: Fake, way: str) -> None:
    with serve(fake, points=Watched(handling=Handling(attempts=0))) as url:
        model = fake.says(f"slips-{way}", Turn("this is the ", "sea", calls=(CALL,), finish="tool_calls"))
        got = ask(url, way, model, constraints=[NO_SEA], tools=["send"])
    assert got.error == "constraints_unmet"
    assert "sea" not in got.text
    assert got.calls == ()


def test_a_stop_by_a_decision_ends_the_answer(fake: Fake) -> None:
    with serve(fake, points=Watched(decision=Decision(Verdict.STOP, "stop"))) as url:
        got = ask(
            url, "chat-streamed", fake.says("stop", Turn("so ", calls=(CALL,), finish="tool_calls")), tools=["send"]
        )
    assert got.error == "stopped"
    assert got.calls == ()


@pytest.mark.parametrize("way", WAYS)
def test_a_request_that_is_not_admitted_never_reaches_the_model(fake: Fake, way: str) -> None:
    for name, admission, status in (
        ("denied", lambda a: dataclasses.replace(a, decision=DENY), 403),
        ("stopped", lambda a: dataclasses.replace(a, decision=Decision(Verdict.STOP, "stop")), 403),
        ("denied", lambda a: dataclasses.replace(a, decision=Decision(Verdict.ASK, "ask", approval="7")), 403),
        ("denied", breaks, 503),
    ):
        asked = len(fake.asked)
        with serve(fake, points=Watched(admission=admission)) as url:
            got = ask(url, way, "m")
        assert (got.error, got.status) == (name, status)
        assert len(fake.asked) == asked
        assert "swordfish" not in repr(got)


def test_the_policys_constraints_hold_beside_the_requests(fake: Fake) -> None:
    own = StatedConstraint(from_json(NO_SEA), "policy")
    points = Watched(admission=lambda a: dataclasses.replace(a, asked=(own,)))
    with serve(fake, points=points) as url:
        model = fake.says("policed", Turn("the sea"), Turn("the sky"))
        got = ask(url, "chat-whole", model, constraints=[{"kind": "length.words", "at_most": 2}])
        assert got.text == "the sky"
        assert [c["from"] for c in got.report["checked"]] == ["policy", "request"]
        got = ask(url, "chat-whole", model, constraints=[{"kind": "contains.terms", "terms": ["sea"]}])
        assert got.error == "contradiction"


@pytest.mark.parametrize("way", WAYS)
def test_a_gateway_that_breaks_says_so_and_has_it_on_the_record(fake: Fake, way: str, monkeypatch: Any) -> None:
    points = Watched()
    monkeypatch.setattr("adhere.gateway.answering.guard.Guard.feed", breaks)
    with serve(fake, points=points) as url:
        got = ask(url, way, fake.says(f"broke-{way}", Turn("the sky")), constraints=[NO_SEA])
    assert (got.error, got.text) == ("internal_error", "")
    assert "swordfish" not in repr(got)
    assert [outcome.ending for outcome in points.outcomes] == ["failed"]


def test_an_admitted_request_may_be_another_than_the_one_that_came(fake: Fake) -> None:
    def masked(admission: Admission) -> Admission:
        request = admission.request.with_messages((Message("user", (Text("masked"),)),))
        return dataclasses.replace(admission, request=request, decision=Decision(Verdict.TRANSFORM, "masked"))

    with serve(fake, points=Watched(admission=masked)) as url:
        ask(url, "messages-whole", fake.says("masked", Turn("x")), prompt="my number is 7")
    assert fake.asked[-1]["messages"] == [{"role": "user", "content": "masked"}]


class Once:
    """A watch that speaks when it sees a word."""

    def __init__(self, word: str, decision: Any) -> None:
        self.word, self.decision = word, decision

    def feed(self, chunk: str) -> Decision | None:
        if self.word in chunk:
            return self.decision() if callable(self.decision) else self.decision  # type: ignore[no-any-return]
        return None

    async def close(self) -> Decision | None:
        return self.feed("at the end")


@pytest.mark.parametrize("decision", [DENY, breaks], ids=["denies", "breaks"])
@pytest.mark.parametrize("word", ["two", "the end"])
def test_a_watch_cuts_the_answer_off_before_the_chunk_is_released(fake: Fake, word: str, decision: Any) -> None:
    points = Watched(watch=lambda: Once(word, decision))
    with serve(fake, points=points) as url:
        got = ask(url, "chat-streamed", fake.says("cut", Turn("one ", "two ", "three", pause=0.05)))
    assert got.error == "denied"
    assert "two" not in got.text or word == "the end"
    assert points.outcomes[-1].ending == "denied"


def test_a_doubt_of_a_watch_keeps_calls_back_and_lets_text_go(fake: Fake) -> None:
    points = Watched(watch=lambda: Once("one", Decision(Verdict.ASK, "judge", "looks odd")))
    with serve(fake, points=points) as url:
        model = fake.says("doubt", Turn("one ", "two", calls=(CALL,), finish="tool_calls"))
        got = ask(url, "chat-streamed", model, tools=["send"])
    assert got.text.startswith("one two")
    assert got.calls == ()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_on_the_record_is_not_delivered_as_checked(fake: Fake, way: str) -> None:
    with serve(fake, points=Watched(recording=breaks)) as url:
        got = ask(url, way, fake.says(f"unrecorded-{way}", Turn("one ", "two")))
    assert got.error == "unrecorded"
    assert got.report is None


def test_a_stop_holds_in_the_middle_of_a_stream(fake: Fake) -> None:
    points = Watched()
    turns = iter(range(100))
    points.stop = lambda: "a principal said stop" if next(turns) > 6 else None
    with serve(fake, points=points) as url:
        model = fake.says("long", Turn(*(f"{n} " for n in range(50)), pause=0.01))
        got = ask(url, "chat-streamed", model)
        assert got.error == "stopped"
        assert "49" not in got.text
        assert points.outcomes[-1].ending == "stopped"
        assert points.outcomes[-1].characters == len(got.text)
        assert ask(url, "chat-whole", model).status == 403


def test_a_switch_that_breaks_has_been_thrown(fake: Fake) -> None:
    with serve(fake, points=Watched(stop=breaks)) as url:
        assert ask(url, "chat-whole", "m").error == "stopped"


@pytest.mark.parametrize(("verdict", "error"), [(Verdict.ALLOW, ""), (Verdict.ASK, "constraints_unmet")])
def test_a_person_may_let_a_broken_answer_go(fake: Fake, verdict: Verdict, error: str) -> None:
    points = Watched(handling=Handling(attempts=0, spent="human"), person=Decision(verdict, "person"))
    with serve(fake, points=points) as url:
        got = ask(url, "chat-streamed", fake.says("human", Turn("the ", "sea ", "is", pause=0.1)), constraints=[NO_SEA])
    assert got.error == error
    assert got.text == ("the sea is" if not error else "the ")
    assert points.outcomes[-1].ending == ("flagged" if not error else "refused")


def test_two_turns_of_the_user_in_a_row_are_both_read(fake: Fake) -> None:
    points = Watched(handling=Handling(attempts=0, read_prompt=True))
    with serve(fake, points=points) as url:
        prompt: Any = [{"type": "text", "text": "Answer in at most 2 words. Write half a page."}]
        turns = [{"role": "user", "content": prompt}, {"role": "user", "content": "Do not use the word sea."}]
        model = fake.says("two-turns", Turn("three of them"), Turn("the sea"), Turn("one two"))
        body = {"model": model, "messages": turns}

        async def send() -> list[Any]:
            import aiohttp

            async with aiohttp.ClientSession() as session:
                answers = []
                for _ in range(3):
                    async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
                        answers.append((answer.status, await answer.json()))
                return answers

        first, second, third = asyncio.run(send())
    assert (first[0], second[0], third[0]) == (422, 422, 200)
    assert [c["from"] for c in third[1]["adhere"]["checked"]] == ["prompt", "prompt"]
    read = third[1]["adhere"]["prompt"]
    assert [clause["text"] for clause in read["understood"]] == [
        "Answer in at most 2 words",
        "Do not use the word sea",
    ]
    assert [clause["text"] for clause in read["not_understood"]] == ["Write half a page"]
    assert {role for request in points.seen for role, _ in request.texts()} == {"user"}
    assert len(list(points.seen[0].texts())) == 2
