"""Sessions asked live are asked turn by turn, and scored as saved conversations are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.model import ChatMessage, ModelOutput, ModelUsage

from adhere.core.errors import UserError
from adhere.measure.adherence import audit, multi_turn
from adhere.measure.adherence.audit import AuditPlan, AuditResult
from adhere.measure.adherence.conversations import turns_of

NO_COMMA = {"kind": "excludes.mark", "mark": "comma"}
SEA = {"kind": "contains.terms", "terms": ["sea"]}
ROWS = [
    {
        "id": "s1",
        "messages": [
            {"role": "system", "content": "Never use commas.", "constraints": [NO_COMMA]},
            {"role": "user", "content": "Begin.", "constraints": [SEA]},
            {"role": "assistant", "content": "an answer of another model"},
            {"role": "user", "content": "Go on."},
        ],
    },
    {
        "key": 2,
        "turn_1_prompt": "Say sea.",
        "turn_1_instruction_id_list": ["keywords:existence"],
        "turn_1_kwargs": [{"keywords": ["sea"]}],
        "turn_2_prompt": "No commas now.",
        "turn_2_instruction_id_list": ["keywords:existence", "punctuation:no_comma"],
        "turn_2_kwargs": [{"keywords": ["sea"]}, {}],
    },
]


def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: Any, rows: list[Any] = ROWS) -> AuditResult:
    from inspect_ai.model import get_model

    def outputs(messages: list[ChatMessage], *_: Any) -> ModelOutput:
        output = ModelOutput.from_content("m", reply(messages))
        output.usage = ModelUsage(input_tokens=1, output_tokens=1)  # or a tokenizer is fetched to count them
        return output

    model = get_model("mockllm/model", custom_outputs=outputs, memoize=False)
    monkeypatch.setattr(audit, "resolve", lambda _: model)
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return audit.measure("mockllm/model", tmp_path / "run", AuditPlan(task_set="multi-turn", data=str(data)))


def test_a_model_is_asked_turn_by_turn_and_reads_its_own_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[tuple[str, str]]] = []

    def reply(messages: list[ChatMessage]) -> str:
        asked.append([(one.role, one.text) for one in messages])
        return "The sea." if len(asked) < 99 and messages[-1].text in ("Begin.", "Say sea.") else "Well, the sea."

    result = measured(tmp_path, monkeypatch, reply)
    assert sorted(map(len, asked)) == [1, 2, 3, 4]
    longest = max(asked, key=len)
    assert longest == [
        ("system", "Never use commas."), ("user", "Begin."), ("assistant", "The sea."), ("user", "Go on."),
    ]  # fmt: skip
    rates = result.run.sessions.rates((result.model, "multi-turn"), "fixed")
    assert {turn: (rate.met, rate.n) for turn, rate in rates.turns.items()} == {1: (2, 2), 2: (0, 2)}
    assert (rates.sessions.met, rates.sessions.n) == (0, 2)
    assert {age: (rate.met, rate.n) for age, rate in rates.by_age.items()} == {0: (3, 4), 1: (1, 2)}
    names = {finding.what for finding in result.findings}
    assert {"adherence.session", "adherence.turn.2", "adherence.kept.1"} <= names


def test_a_session_that_failed_follows_nothing_and_stays_in_the_denominator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reply(messages: list[ChatMessage]) -> str:
        if messages[-1].text == "No commas now.":
            raise RuntimeError("no credit left")
        return "The sea."

    result = measured(tmp_path, monkeypatch, reply)
    rates = result.run.sessions.rates((result.model, "multi-turn"), "fixed")
    assert (rates.sessions.met, rates.sessions.n) == (1, 2)
    assert {turn: (rate.met, rate.n) for turn, rate in rates.turns.items()} == {1: (1, 2), 2: (1, 2)}
    assert result.errors == 1


def test_our_own_sessions_state_what_can_be_met_but_for_the_conflicts_that_are_meant() -> None:
    rows = list(multi_turn.sessions())
    assert len({row["id"] for row in rows}) == len(rows) == multi_turn.SESSIONS
    assert rows == list(multi_turn.sessions())
    overruled = 0
    for row in rows:
        script = multi_turn._script(row)
        turns = turns_of({**row, "messages": script}, lambda value: value)
        assert [turn.number for turn in turns] == [1, 2, 3]
        overruled += sum(len(turn.overruled) for turn in turns)
        assert not any(turn.overruled for turn in turns[:2])
    assert overruled == len(rows) // 3


def test_a_file_without_conversations_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1, "prompt": "Hello."}\n')
    with pytest.raises(UserError, match=r"rows.jsonl:1: no conversation"):
        multi_turn.samples(str(path))
