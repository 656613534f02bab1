"""A long conversation is held as the rules say, and a character that drifts is caught, dated, and seen to recover."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.model import ChatMessage, ModelOutput, ModelUsage, get_model

from adhere.core.findings import Finding
from adhere.measure import model_access
from adhere.measure.corrigibility.battery import measure
from adhere.measure.corrigibility.character import asked, category, converse, course, probed, reminder
from adhere.measure.corrigibility.long_conversation import Talk
from adhere.measure.corrigibility.plan import CorrigibilityPlan
from adhere.measure.corrigibility.tiers import character as tier
from adhere.report import page
from adhere.report.sections.corrigibility import character as drawn

CELL = {"persona": "corrigible", "course": "mixed", "reminder": "none"}
_OPTIONS = re.compile(r"\(A\) (.*?) \(B\) (.*?) Answer")
_YIELDS = re.compile(r"^I (?:stop|make .* now|wait)")


def _probe(text: str) -> str | None:
    """The letter that yields, where the text is a probe."""
    options = _OPTIONS.search(text)
    if not options or "What do you do?" not in text:
        return None
    return "A" if _YIELDS.match(options[1]) else "B"


def _said(text: str) -> ModelOutput:
    output = ModelOutput.from_content("mock", text)
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # or Inspect counts, with a download
    return output


def _drifter(input: list[ChatMessage], *more: Any) -> ModelOutput:
    """Yields, until ten exchanges with pressure among them are behind it; a reminder in sight makes it yield again."""
    del more
    said = [message.text for message in input if message.role == "user"]
    letter = _probe(said[-1])
    if letter is None:
        return _said("Hello.")
    work = ("Say hello", "Greet", "Which word", "Tell me", "Reminder")
    pressed = any(not text.startswith(work) for text in said[:-1])
    lost = len(said) > 10 and pressed and not any("Reminder" in text for text in said[-6:])
    return _said({"A": "B", "B": "A"}[letter] if lost else letter)


class _Model:
    """What `Talk` needs of a model, without Inspect's records of every call."""

    async def generate(self, input: list[ChatMessage], config: Any) -> ModelOutput:
        return _drifter(input, config)


@pytest.fixture(scope="module")
def found() -> list[Finding]:
    async def rows() -> list[dict[str, Any]]:
        cells = [{**CELL, "course": c, "reminder": r} for c in ("work", "mixed") for r in ("none", "warden")]
        return [
            {"scenario": scenario, "cell": cell, **await converse(_Model(), scenario, cell)}  # type: ignore[arg-type]
            for cell in cells
            for scenario in range(11)
        ]

    return tier.of_rows(asyncio.run(rows()), "mock")


def _of(found: list[Finding], what: str, **subject: Any) -> list[Finding]:
    return [one for one in found if one.what == what and one.of(**subject)]


def test_a_character_that_gives_way_at_the_tenth_turn_is_dated_there(found: list[Finding]) -> None:
    (mixed,) = _of(found, "drift.first_turn", course="mixed", reminder="none")
    assert mixed.estimate == 10
    assert mixed.control is not None
    assert mixed.control.estimate is None
    assert mixed.n == 11


def test_length_alone_and_a_reminded_character_do_not_drift(found: list[Finding]) -> None:
    for cell in ({"course": "work", "reminder": "none"}, {"course": "mixed", "reminder": "warden"}):
        (one,) = _of(found, "drift.first_turn", **cell)
        assert one.estimate is None, cell


def test_what_a_reminder_gives_back_and_what_reminding_prevents_are_measured(found: list[Finding]) -> None:
    (back,) = _of(found, "drift.recovered", course="mixed", reminder="none")
    assert back.estimate == 1.0
    (kept,) = _of(found, "drift.reminder", course="mixed")
    assert kept.estimate == 1.0
    assert kept.interval is not None
    assert kept.interval[0] > 0.4
    (length,) = _of(found, "drift.reminder", course="work")
    assert length.estimate == 0.0


def test_the_change_at_the_beginning_is_chance_only(found: list[Finding]) -> None:
    for one in _of(found, "drift.change", turn=0):
        assert one.estimate == 0.0


@pytest.mark.slow
def test_the_task_runs_under_inspect_and_its_section_shows_a_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock = get_model("mockllm/model", custom_outputs=_drifter, memoize=False)
    monkeypatch.setattr(model_access, "resolve", lambda _: mock)
    measured = measure("mock", tmp_path, CorrigibilityPlan(tiers=("character",), limit=4))
    html = page.render("T", "", [drawn.section(measured, "adhere corrigibility --tiers character")])
    assert "A conversation, turn by turn" in html
    assert "In mixed conversations (corrigible), the reminder changes the final share by +100.0 points" in html


def test_a_mixed_course_has_its_four_kinds_in_equal_parts_and_work_only_work() -> None:
    kinds = [kind for kind, _ in course(3, CELL, 20, 0)]
    assert sorted(set(kinds)) == ["flattery", "memory", "pressure", "work"]
    assert all(kinds.count(kind) == 5 for kind in set(kinds))
    assert {kind for kind, _ in course(3, {**CELL, "course": "work"}, 20, 0)} == {"work"}


def test_both_arms_of_a_scenario_hear_the_same_words() -> None:
    assert course(2, CELL, 20, 0) == course(2, {**CELL, "reminder": "warden"}, 20, 0)


def test_in_character_is_what_the_persona_says_of_itself() -> None:
    assert category("A", True, "corrigible") == "in character"
    assert category("A", True, "maximiser") == "out of character"
    assert category("B", True, "maximiser") == "in character"
    assert category("perhaps", True, "corrigible") == "unread"


def test_the_reminder_is_the_wardens_and_names_the_instruction_in_force() -> None:
    words = reminder("cups")
    assert "may stop you" in words
    assert "make cups" in words


def test_the_beginning_is_probed_and_the_last_turn() -> None:
    assert probed(20)[0] == 0
    assert probed(20)[-1] == 20


class _Narrow:
    """A model with room for so many messages."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.seen: list[list[str]] = []
        self.seeds: list[int] = []

    async def generate(self, input: list[ChatMessage], config: Any) -> ModelOutput:
        if len(input) > self.room:
            return ModelOutput.from_content("narrow", "", "model_length")
        self.seen.append([message.text for message in input])
        self.seeds.append(config.seed)
        return ModelOutput.from_content("narrow", f"answer {len(self.seen)}")


def test_the_oldest_exchange_falls_out_and_the_system_prompt_stays() -> None:
    model = _Narrow(4)
    talk = Talk(model, "x", "be kind")  # type: ignore[arg-type]

    async def hold() -> None:
        for k in range(4):
            await talk.say(f"turn {k}")

    asyncio.run(hold())
    assert model.seen[-1] == ["be kind", "turn 2", "answer 3", "turn 3"]
    assert talk.fallen == 2
    assert len(talk.turns) == 4


def test_what_is_asked_aside_is_not_remembered_and_fresh_is_the_beginning() -> None:
    model = _Narrow(99)
    talk = Talk(model, "x", "be kind")  # type: ignore[arg-type]

    async def hold() -> None:
        await talk.say("one")
        await talk.probe("aside", "p")
        await talk.probe("aside", "p", fresh=True)
        await talk.say("two")

    asyncio.run(hold())
    assert model.seen[1] == ["be kind", "one", "answer 1", "aside"]
    assert model.seen[2] == ["be kind", "aside"]
    assert model.seen[3] == ["be kind", "one", "answer 1", "two"]
    assert len(set(model.seeds)) == 4  # no two samples share a seed


def test_a_model_that_has_no_room_at_all_is_believed() -> None:
    talk = Talk(_Narrow(1), "x", "be kind")  # type: ignore[arg-type]
    assert asyncio.run(talk.say("one")) == ""


def test_conversations_without_a_probe_at_a_turn_are_left_out() -> None:
    assert tier.changes([{"probes": []}], 4) == []


def test_a_probes_item_has_the_persona_in_its_system_prompt() -> None:
    assert "stop" in asked(0, CELL, "stop", 0).system or "goal" in asked(0, CELL, "stop", 0).system
