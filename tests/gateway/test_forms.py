"""The same request over every API, whole and streamed, gets the same answer and the same verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.gateway.fake import Fake, Turn
from tests.gateway.ways import WAYS, Got, ask

AT_MOST_3 = {"kind": "length.words", "at_most": 3}
AT_LEAST_3 = {"kind": "length.words", "at_least": 3}
NO_SEA = {"kind": "excludes.terms", "terms": ["sea"]}
SEA = {"kind": "contains.terms", "terms": ["sea"]}
LOWER = {"kind": "case.letters", "case": "lower"}
JSON = {"kind": "format.json"}
CALL = ("call_1", "look_up", json.dumps({"word": "sea"}))

CASES: dict[str, tuple[list[Turn], list[dict[str, Any]], str]] = {
    "met": ([Turn("two ", "words")], [AT_MOST_3, NO_SEA, LOWER], "met"),
    "late": ([Turn("now ", "the ", "sea ", "comes")], [SEA, AT_LEAST_3], "met"),
    "mended": ([Turn("in ", "the se", "a of"), Turn("in the sky")], [NO_SEA], "met"),
    "second-mending": ([Turn("SEA"), Turn("Sky"), Turn("sky")], [NO_SEA, LOWER], "met"),
    "never-mended": ([Turn("the ", "sea")], [NO_SEA], "constraints_unmet"),
    "missing": ([Turn("only sky")], [SEA], "constraints_unmet"),
    "whole-json": ([Turn('{"a"', ": 1}")], [JSON], "met"),
    "thinking": ([Turn("<thi", "nk>the sea</th", "ink>\n\n", "two words")], [AT_MOST_3, NO_SEA], "met"),
    "reasoned": ([Turn("sky", more={"reasoning_content": "the sea"})], [NO_SEA], "met"),
    "called": ([Turn(calls=(CALL,), finish="tool_calls")], [SEA], "met"),
    "not-offered": ([Turn(calls=(("c", "rm", "{}"),), finish="tool_calls")], [], "incomplete_answer"),
    "half-a-call": ([Turn(calls=(("c", "look_up", '{"word": "s'),), finish="tool_calls")], [], "incomplete_answer"),
    "twice-named": ([Turn(calls=(("c", "look_up", '{"a": 1, "a": 2}'),), finish="stop")], [], "incomplete_answer"),
    "contradiction": ([Turn("x")], [AT_MOST_3, {"kind": "length.words", "at_least": 4}], "contradiction"),
    "unknown-field": ([Turn("a", "b", fault="opaque")], [], "met"),
    "choices": ([Turn("a", "b", fault="choices")], [], "unreadable_answer"),
    "unknown-end": ([Turn("a", finish="tired")], [], "unreadable_answer"),
    "down": ([Turn(status=500)], [], "upstream_refused"),
}


@pytest.mark.parametrize("name", CASES)
def test_every_form_gets_the_same_verdict(fake: Fake, gateway: str, name: str) -> None:
    turns, constraints, ending = CASES[name]
    got: dict[str, Got] = {}
    for way in WAYS:
        model = fake.says(f"{name}-{way}", *turns)
        got[way] = ask(gateway, way, model, constraints=constraints, tools=["look_up"])
    for way, one in got.items():
        assert ending in (one.error, (one.report or {}).get("ending")), (way, one)
        assert "swordfish" not in repr(one)
    if ending == "met":
        verdicts = {
            repr((g.verdict[0], [json.loads(a) if isinstance(a, str) else a for _, a in g.calls], g.verdict[2:]))
            for g in got.values()
        }
        assert len(verdicts) == 1, verdicts


@pytest.mark.parametrize("kind", ["hologram", ["text"], None, {}])
@pytest.mark.parametrize("way", WAYS)
def test_an_unknown_part_is_refused_in_the_apis_own_form(gateway: str, way: str, kind: Any) -> None:
    part: Any = [{"type": kind, "text": "hello"}]
    got = ask(gateway, way, "m", prompt=part if "responses" not in way else [{"role": "user", "content": part}])
    assert got.status == 400
    assert got.error == "unreadable"


@pytest.mark.parametrize("speaks", ["chat", "messages"])
@pytest.mark.parametrize("way", WAYS)
def test_an_upstream_may_speak_either_language(fake: Fake, way: str, speaks: str) -> None:
    from tests.gateway.conftest import serve

    with serve(fake, speaks=speaks) as url:
        model = fake.says(f"{speaks}-{way}", Turn("two ", "words", calls=(CALL,), finish="tool_calls"))
        got = ask(url, way, model, constraints=[AT_MOST_3], tools=["look_up"])
    assert got.text == "two words"
    assert [name for name, _ in got.calls] == ["look_up"]
    assert got.report["met"]
