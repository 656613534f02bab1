"""What is held back and what is let go while an answer is being written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.constraints.test_laws import quick

from adhere.constraints import from_json
from adhere.gateway.answering.guard import Guard
from adhere.gateway.answering.reasoning_filter import ReasoningFilter
from adhere.gateway.hooks import StatedConstraint


def guard(*records: dict[str, Any], hold: Any = "met") -> Guard:
    return Guard([StatedConstraint(from_json(record), "request") for record in records], hold)


NO_SEA = {"kind": "excludes.terms", "terms": ["sea", "new york"]}


@pytest.mark.parametrize(
    ("record", "chunks", "released"),
    [
        ({"kind": "length.words", "at_most": 50}, ["one", " two", " three"], ["one", " two", " three"]),
        (
            {"kind": "length.words", "at_least": 3},
            ["one", " two", " three", " four"],
            ["", "", "one two three", " four"],
        ),
        (NO_SEA, ["the s", "ky new", " ", "day"], ["the ", "sky ", "", "new day"]),
        ({"kind": "contains.terms", "terms": ["sea"]}, ["the ", "sea", ".", " x"], ["", "the sea", ".", " x"]),
        ({"kind": "format.json"}, ['{"a"', ": 1", "}"], ["", "", '{"a": 1}']),
        ({"kind": "excludes.mark", "mark": "comma"}, ["a", " b"], ["a", " b"]),
    ],
    ids=str,
)
def test_no_more_is_held_back_than_is_needed(record: dict[str, Any], chunks: list[str], released: list[str]) -> None:
    watch = guard(record)
    assert [watch.feed(chunk) for chunk in chunks] == released


def test_what_is_only_wanted_in_the_end_holds_nothing_back_where_the_policy_says_so() -> None:
    watch = guard({"kind": "contains.terms", "terms": ["moon"]}, NO_SEA, hold="doomed")
    assert watch.feed("all but the s") == "all but the "
    assert watch.feed("ky") == "sky"


def test_a_secret_cut_into_chunks_is_not_let_out_in_pieces() -> None:
    watch = guard({"kind": "excludes.terms", "terms": ["swordfish"]})
    out = "".join(watch.feed(piece) for piece in ("it is ", "sw", "or", "d", "fi", "s", "h", "."))
    watch.close()
    assert out == "it is "
    assert watch.broken
    assert watch.leaked() == 0


def test_the_safe_prefix_ends_before_the_break() -> None:
    watch = guard(NO_SEA)
    watch.feed("we saw the sea and")
    watch.close()
    assert watch.text[: watch.safe()] == "we saw the "
    watch = guard({"kind": "length.words", "at_most": 2})
    watch.feed("one two three four")
    watch.close()
    assert watch.text[: watch.safe()] == "one two "


def test_what_leaked_is_counted_where_a_family_cannot_hold_back() -> None:
    # the second time is one too many; it was let go while nobody had said that it may not stand there
    watch = guard({"kind": "length.words", "at_most": 1})
    assert watch.feed("wo") == "wo"
    watch.feed("rd word")
    watch.close()
    assert watch.leaked() == 0


@quick(200)
@given(
    text=st.lists(st.sampled_from("the sea sky s e a new york , . moon x".split(" ")), max_size=20),
    cuts=st.lists(st.integers(1, 7), min_size=1, max_size=10),
    record=st.sampled_from(
        [
            NO_SEA,
            {"kind": "length.words", "at_most": 6},
            {"kind": "length.words", "at_least": 3},
            {"kind": "contains.terms", "terms": ["moon"]},
            {"kind": "contains.frequency", "term": "sea", "at_most": 1},
            {"kind": "all_of", "of": [NO_SEA, {"kind": "length.words", "at_most": 9}]},
        ]
    ),
)
def test_what_was_let_go_was_met_however_it_was_cut(text: list[str], cuts: list[int], record: dict[str, Any]) -> None:
    whole = " ".join(text)
    watch = guard(record)
    out, at, turn = "", 0, 0
    while at < len(whole) and not watch.broken:
        chunk = whole[at : at + cuts[turn % len(cuts)]]
        at, turn = at + len(chunk), turn + 1
        out += watch.feed(chunk)
    checked = watch.close(finished=not watch.broken)
    assert whole.startswith(out)
    assert watch.leaked() == 0
    if watch.broken:
        assert not from_json(record).check(whole).met
    elif checked[0].check is not None and checked[0].check.met:
        assert out + watch.rest() == whole
    assert len(out) == watch.released or not watch.broken


@quick(100)
@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_reasoning_is_taken_out_however_it_is_cut(cuts: list[int]) -> None:
    for text, left in (
        ("<think>the sea</think>\n\nIt is <think> here.", "It is <think> here."),
        ("  <thinking>x</thinking>y", "y"),
        ("<thing> is no tag", "<thing> is no tag"),
        ("<think>never closed", ""),
        ("<thi", "<thi"),
        ("", ""),
    ):
        thoughts, out, at, turn = ReasoningFilter(), "", 0, 0
        while at < len(text):
            out += thoughts.feed(text[at : at + cuts[turn % len(cuts)]])
            at, turn = at + cuts[turn % len(cuts)], turn + 1
        out += thoughts.close()
        assert out == left
        assert thoughts.inside == (text == "<think>never closed")
