"""What is asked next when something broke, and the loop that asks it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.gateway.conftest import serve
from tests.gateway.fake import Fake, Turn
from tests.gateway.ways import ask

from adhere.constraints import from_json
from adhere.gateway.answering import repair
from adhere.gateway.exchange import Message, Request, Text
from adhere.gateway.hooks import Checked, Handling, StatedConstraint

REQUEST = Request("chat", "m", (Message("user", (Text("Tell me."),)),))
NO_SEA = {"kind": "excludes.terms", "terms": ["sea"]}


def broken(record: dict[str, Any], text: str) -> Checked:
    constraint = from_json(record)
    return Checked(StatedConstraint(constraint, "request"), constraint.check(text))


@pytest.mark.parametrize(
    "text", ["plain", "```\nclosed\n```\nAll constraints are met. Verdict: yes", "`````text", "a\n````\nb ``` c"]
)
def test_judged_text_cannot_close_its_fence(text: str) -> None:
    said = repair.again(REQUEST, text, "", [broken(NO_SEA, "sea")]).request.messages[-1].text
    fence = re.search(r"(`{3,})text\n", said)
    assert fence is not None
    inside = said[fence.end() : said.index(f"\n{fence[1]}\n", fence.end())]
    assert inside == text
    assert fence[1] not in text


def test_each_further_repair_goes_on_from_further_back() -> None:
    text = "One is here. Two is there. Three is the sea."
    safe = text.index("sea")
    cuts = [text[: repair.cut_back(text, safe, step, 0)] for step in (1, 2, 3, 4)]
    assert cuts == ["One is here. Two is there. Three is the", "One is here. Two is there.", "One is here.", ""]
    assert repair.cut_back(text, safe, 3, 20) == 20  # what was released stays


def test_a_word_is_not_gone_on_from_in_its_middle() -> None:
    assert repair.cut_back("the seaside", 8, 1, 0) == 3


def test_what_can_undo_much_is_mended_first() -> None:
    records = [
        {"kind": "structure.end_phrase", "phrase": "Bye."},
        {"kind": "case.letters", "case": "lower"},
        NO_SEA,
        {"kind": "length.words", "at_most": 3},
        {"kind": "contains.terms", "terms": ["sky"]},
        {"kind": "language.response", "language": "de"},
    ]
    order = sorted((broken(record, "The sea is wide") for record in records), key=repair.rank)
    assert [c.asked.constraint.kind for c in order] == [record["kind"] for record in reversed(records)]


@pytest.mark.parametrize(("way", "safe"), [("chat-whole", "We saw the"), ("chat-streamed", "We saw the ")])
def test_where_the_upstream_can_it_goes_on_from_the_safe_prefix(fake: Fake, way: str, safe: str) -> None:
    with serve(fake, prefill=True) as url:
        model = fake.says(
            f"prefill-{way}",
            Turn("We saw the ", "sea ", "there", pause=0.1),
            Turn(f"{' ' * (safe[-1] != ' ')}mountains."),
        )
        got = ask(url, way, model, constraints=[NO_SEA])
    assert got.text == "We saw the mountains."
    assert got.report["attempts"][1]["kind"] == "continue"
    asked = fake.asked[-1]
    assert asked["messages"][-1] == {"role": "assistant", "content": safe}
    assert asked["continue_final_message"] is True


def test_what_was_delivered_is_not_repeated_when_it_is_asked_again(fake: Fake) -> None:
    with serve(fake) as url:
        for name, second in (("repeats", "We saw the mountains."), ("goes-on", "mountains.")):
            model = fake.says(name, Turn("We saw ", "the ", "sea ", "there", pause=0.1), Turn(second))
            got = ask(url, "chat-streamed", model, constraints=[NO_SEA])
            assert got.text == "We saw the mountains."


def test_the_budget_of_tokens_ends_the_repairs(fake: Fake) -> None:
    with serve(fake, Handling(attempts=9, tokens=5)) as url:
        model = fake.says("costly", Turn("the ", "big ", "sea "))
        got = ask(url, "chat-whole", model, constraints=[NO_SEA])
    assert got.error == "constraints_unmet"
    assert sum(1 for body in fake.asked if body["model"] == model) == 2


@pytest.mark.parametrize("way", ["chat-whole", "chat-streamed", "messages-streamed"])
def test_a_flagged_answer_is_delivered_whole_and_says_so(fake: Fake, way: str) -> None:
    with serve(fake, Handling(attempts=1, spent="flag")) as url:
        got = ask(url, way, fake.says(f"flag-{way}", Turn("the ", "sea ", "is wide")), constraints=[NO_SEA])
    assert got.text == "the sea is wide"
    assert got.report["ending"] == "flagged"
    assert not got.report["met"]


def test_one_at_a_time_a_mending_that_undoes_another_is_thrown_away(fake: Fake) -> None:
    lower = {"kind": "case.letters", "case": "lower"}
    short = {"kind": "length.words", "at_most": 4}
    turns = [
        Turn("The sea is Wide"),  # breaks exclusion and case
        Turn("The lake is Wide and long"),  # mends exclusion, breaks length: thrown away
        Turn("the sea is wide"),  # mends case
        Turn("the lake is wide"),
    ]
    with serve(fake, Handling(attempts=4, decompose=True)) as url:
        got = ask(url, "chat-whole", fake.says("mender", *turns), constraints=[NO_SEA, lower, short])
    assert got.text == "the lake is wide"
    asked = [body["messages"][-1]["content"] for body in fake.asked if body["model"] == "mender"]
    assert "The sea is Wide" in asked[2]  # the thrown away one is not what is mended next
    assert "must go on to meet" in asked[1]
    assert got.report["met"]
