"""What a stranger's request may cost: refused by one line before anything is built, and read in linear time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adhere.gateway.answering.admission import _prepare
from adhere.gateway.app import _values
from adhere.gateway.exchange import Unreadable
from adhere.gateway.wire import chat, messages, responses
from adhere.gateway.wire.form import Failure
from adhere.gateway.wire.limits import Limits
from adhere.gateway.wire.sse import Reader


def nested(levels: int, width: int = 1) -> dict[str, Any]:
    one: dict[str, Any] = {"kind": "length.words", "at_most": 3}
    for _ in range(levels):
        one = {"kind": "any_of", "of": [one] * width}
    return one


COSTLY = {
    "terms": [{"kind": "excludes.terms", "terms": [f"t{n}" for n in range(3_000)]}],
    "characters": [{"kind": "excludes.terms", "terms": ["x" * 30_000]}],
    "constraints": [nested(0) for _ in range(65)],
    "nesting": [nested(20)],
}


@pytest.mark.parametrize("name", COSTLY)
def test_what_would_cost_too_much_is_refused_by_the_name_of_its_limit(name: str) -> None:
    with pytest.raises(Unreadable, match=rf"limits\.{name}"):
        chat.read({"model": "m", "messages": [{"role": "user", "content": "x"}], "constraints": COSTLY[name]})


def test_constraints_within_constraints_are_counted() -> None:
    with pytest.raises(Unreadable, match=r"limits\.constraints"):
        chat.read({"model": "m", "messages": [{"role": "user", "content": "x"}], "constraints": [nested(7, 2)]})


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (chat, {"messages": [{"role": "user", "content": "x"}] * 6}),
        (messages, {"max_tokens": 5, "messages": [{"role": "user", "content": "x"}] * 6}),
        (responses, {"input": [{"role": "user", "content": "x"}] * 6}),
    ],
)
def test_every_api_counts_its_messages(wire: Any, body: dict[str, Any]) -> None:
    with pytest.raises(Unreadable, match=r"limits\.messages"):
        wire.read({"model": "m", **body}, Limits(messages=5))


def test_terms_that_all_end_in_one_place_are_refused() -> None:
    terms = [" ".join(["a"] * n) for n in range(1, 40)]
    (constraint,) = chat.read(
        {
            "model": "m",
            "messages": [{"role": "user", "content": "x"}],
            "constraints": [{"kind": "excludes.terms", "terms": terms}],
        }
    ).constraints
    with pytest.raises(Failure, match="end in the same words"):
        _prepare(constraint)


@pytest.mark.parametrize(
    ("value", "values"),
    [({"a": 'one, "two", three' * 9}, 3), ({"a": [1] * 50}, 52), ({"a": ["b,c"] * 50}, 101)],
)
def test_values_are_counted_outside_of_texts_only(value: Any, values: int) -> None:
    assert abs(_values(json.dumps(value).encode()) - values) <= values // 2


def test_a_long_event_in_small_pieces_is_joined_once() -> None:
    reader = Reader()
    assert [e for _ in range(1000) for e in reader.feed(b"data: x")] == []
    assert len(reader._rest) == 1000  # kept as pieces: joining them each time would be quadratic
    (event,) = reader.feed(b"\n\n")
    assert event.data == "x" + "data: x" * 999
