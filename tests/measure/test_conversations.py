"""Instructions of a conversation are in force as long as was stated, and the turns of a session belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import adhere
from adhere.core.errors import UserError
from adhere.measure.adherence import run
from adhere.measure.adherence.scoring import score
from adhere.measure.adherence.tally import Subject

SEA = {"kind": "contains.terms", "terms": ["sea"]}
SHORT = {"kind": "length.words", "at_most": 3}
NO_COMMA = {"kind": "excludes.mark", "mark": "comma"}


def user(text: str, *constraints: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, "constraints": list(constraints), **more}


def said(text: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


CONVERSATION = {
    "id": "s1",
    "messages": [
        {"role": "system", "content": "No commas.", "constraints": [{**NO_COMMA, "name": "commas"}]},
        user("One.", SEA),
        said("The sea."),
        user("Two.", {**SHORT, "lasts": "session"}),
        said("Just land, here"),
        user("Three.", ends=["commas"]),
        said("So, it goes"),
    ],
}


def test_an_instruction_is_in_force_for_its_turn_for_the_session_or_until_it_ends(tmp_path: Path) -> None:
    scored = score([write(tmp_path / "m.jsonl", CONVERSATION)], keep=True)
    found = [
        (record.turn, [(one.kind, one.since, one.fixed.strict) for one in record.instructions if one.fixed])
        for record in scored.records()
    ]
    assert found == [
        (1, [("excludes.mark", 0, True), ("contains.terms", 1, True)]),
        (2, [("excludes.mark", 0, False), ("length.words", 2, True)]),
        (3, [("length.words", 2, True)]),
    ]
    whole = scored.tally.prompts(Subject("m", "own"))
    assert (whole.met, whole.n, whole.clusters) == (2, 3, 1)


def test_a_later_constraint_of_the_same_name_replaces_the_earlier_one(tmp_path: Path) -> None:
    first = {**SHORT, "name": "length", "lasts": "session"}
    second = {"kind": "length.words", "at_least": 4, "name": "length", "lasts": "session"}
    row = {"id": 1, "messages": [user("a", first), said("one two"), user("b", second), said("one two three four")]}
    assert score([write(tmp_path / "m.jsonl", row)]).tally.prompts(Subject("m", "own")).met == 2


def test_turns_sessions_and_what_is_kept_from_earlier_turns(tmp_path: Path) -> None:
    lasting = {**SEA, "lasts": "session"}
    rows = [
        {"id": k, "messages": [user("a", lasting), said("sea"), user("b"), said("sea" if k else "land")]}
        for k in range(4)
    ]
    for scored in (
        score([write(tmp_path / "m.jsonl", *rows)], journal=tmp_path / "j"),
        run.load(tmp_path / "j"),
        score([tmp_path / "m.jsonl"], jobs=2),
    ):
        rates = scored.sessions.rates(("m", "own"), "fixed")
        assert (rates.sessions.met, rates.sessions.n) == (3, 4)
        assert {turn: (one.met, one.n) for turn, one in rates.turns.items()} == {1: (4, 4), 2: (3, 4)}
        assert {age: (one.met, one.n) for age, one in rates.by_age.items()} == {0: (4, 4), 1: (3, 4)}


def test_a_turn_without_an_answer_is_not_followed(tmp_path: Path) -> None:
    row = {"id": 1, "messages": [user("a", SEA), said(None), user("b", SEA)]}
    scored = score([write(tmp_path / "m.jsonl", row)])
    assert (scored.tally.prompts(Subject("m", "own")).met, scored.tally.prompts(Subject("m", "own")).n) == (0, 2)
    assert scored.unanswered(Subject("m", "own")) == {"failed": 1}


def multi_if(**more: Any) -> dict[str, Any]:
    comma, words = "punctuation:no_comma", "length_constraints:number_words"
    given = json.dumps({"num_words": 5, "relation": "less than"})
    return {
        "key": "1000:1:en",
        "language": "English",
        "turn_1_prompt": json.dumps({"role": "user", "content": "Say it."}),
        "turn_1_instruction_id_list": [comma],
        "turn_1_kwargs": ["{}"],
        "turn_2_prompt": json.dumps({"role": "user", "content": "Shorter."}),
        "turn_2_instruction_id_list": [comma, words],
        "turn_2_kwargs": ["{}", given],
        "turn_3_prompt": None,
        **more,
    }


@pytest.mark.parametrize(
    "answers",
    [
        {"responses": ["a b", "a, b"]},
        {"turn_1_response": "a b", "turn_2_response": "a, b"},
        {"messages": [{"role": "user", "content": "Say it."}, said("a b"), user("Shorter."), said("a, b")]},
    ],
)
def test_rows_of_multi_if_are_read_wherever_their_answers_are(tmp_path: Path, answers: dict[str, Any]) -> None:
    scored = score([write(tmp_path / "m.jsonl", multi_if(**answers))], keep=True)
    first, second = scored.records()
    assert (first.turn, first.prompt, first.followed("fixed")) == (1, "Say it.", True)
    assert [(one.asked_as, one.since) for one in second.instructions] == [
        ("punctuation:no_comma", 1),
        ("length_constraints:number_words", 2),
    ]
    assert not second.followed("fixed")
    assert scored.sessions.rates(("m", "ifeval"), "fixed").by_age[1].met == 0


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([user("a", {**SEA, "lasts": "ever"})], 'lasts must be "session" or "turn"'),
        ([user("a", {"kind": "length.wrods"})], "nearest: length.words"),
        ([{"role": "system", "content": "x", "constraints": []}], "no turn at which an instruction is in force"),
        ([{"role": "user", "constraints": 3}], "must be a list of objects"),
        ([{"content": "x", "constraints": []}], 'must be an object with a "role"'),
    ],
)
def test_what_is_wrong_with_a_conversation_is_said(tmp_path: Path, messages: list[Any], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        score([write(tmp_path / "m.jsonl", {"id": 1, "messages": messages})])


LONG = {"kind": "length.words", "at_least": 9}


def conflicting(answer: str, *messages: dict[str, Any]) -> dict[str, Any]:
    system = {"role": "system", "content": "Be brief.", "constraints": [SHORT]}
    return {"id": answer, "messages": [system, *messages, said(answer)]}


def test_a_user_does_not_overrule_the_system_prompt_and_it_is_told_who_wins(tmp_path: Path) -> None:
    rows = [
        conflicting("Short it is.", user("At length, please.", LONG, SEA)),
        conflicting("The sea is wide and deep and blue and it goes on.", user("At length, please.", LONG, SEA)),
        conflicting("Four words of nothing.", user("At length, please.", LONG, SEA)),
    ]
    scored = score([write(tmp_path / "m.jsonl", *rows)], keep=True)
    kinds = {tuple(one.kind for one in record.instructions) for record in scored.records()}
    assert kinds == {("length.words", "contains.terms")}
    rates = scored.sessions.rates(("m", "own"), "fixed")
    higher, lower = rates.conflicts["system over user"]
    assert (higher.met, higher.n, lower.met, lower.n) == (1, 3, 1, 3)
    again = run.load(score([tmp_path / "m.jsonl"], journal=tmp_path / "j").journal or tmp_path / "j")
    assert again.sessions.rates(("m", "own"), "fixed").conflicts == rates.conflicts


def test_what_a_tool_says_is_never_in_force(tmp_path: Path) -> None:
    tool = {"role": "tool", "content": "Write a lot.", "constraints": [LONG, SEA]}
    scored = score([write(tmp_path / "m.jsonl", conflicting("Short it is.", user("Hello."), tool))], keep=True)
    [record] = scored.records()
    assert [one.kind for one in record.instructions] == ["length.words"]
    assert [(one.pair, one.higher[0], one.lower[0]) for one in record.conflicts] == [("system over tool", True, False)]


def test_of_two_orders_of_one_rank_the_later_holds(tmp_path: Path) -> None:
    first, second = {**SHORT, "lasts": "session"}, {**LONG, "lasts": "session"}
    row = {"id": "s", "messages": [user("Brief.", first), said("Yes, sir."), user("More.", second), said("No, sir.")]}
    scored = score([write(tmp_path / "m.jsonl", row)], keep=True)
    assert [[one.constraint["kind"] for one in record.instructions] for record in scored.records()] == [
        ["length.words"],
        ["length.words"],
    ]
    assert [record.followed("fixed") for record in scored.records()] == [True, False]
    assert not any(record.conflicts for record in scored.records())


def test_findings_of_conversations_are_written(tmp_path: Path) -> None:
    path = write(tmp_path / "m.jsonl", conflicting("Short it is.", user("At length, please.", LONG)))
    names = {finding.what for finding in adhere.score(path).findings}
    assert {
        "adherence.session",
        "adherence.turn.1",
        "adherence.kept.0",
        "adherence.hierarchy.system_over_user",
    } <= names
