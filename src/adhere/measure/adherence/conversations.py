"""Conversations with instructions: what is in force at each turn, and what the model answered there.

    ours       {"id": ..., "messages": [{"role": "system", "content": ..., "constraints": [...]},
                                        {"role": "user", "content": ..., "constraints": [...], "ends": ["short"]},
                                        {"role": "assistant", "content": ...}, ...]}
    Multi-IF   {"key": ..., "turn_1_prompt": ..., "turn_1_instruction_id_list": [...], "turn_1_kwargs": [...],
                "turn_2_prompt": ..., ...} with the answers in "turn_1_response", ..., or "responses", or "messages"

Rules.

- A constraint of the system prompt is in force for all turns; one of a user's message for the answer to that message,
  unless it says `"lasts": "session"`. A constraint with a `"name"` ends where a later message names it in `"ends"`, and
  is replaced by a later one of the same name.
- System stands above user, user above tool. An instruction that contradicts one in force from higher up
  (`constraints.conflicts`) is *overruled*: it is checked, so that one can see who wins, and counts nowhere else. What a
  tool's text asks for is never in force. Of two of the same rank that contradict each other the later one holds.
- Multi-IF's lists are cumulative: an instruction that stood in the turn before is kept from there.
- Each answer of the assistant is a response of its own: the turn is its number, and the turns of a session are one
  cluster. Turns at which nothing is in force are not scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from adhere.constraints.conflicts import contradict
from adhere.constraints.constraint import Constraint
from adhere.constraints.registry import from_json
from adhere.core.errors import UserError

MOST_TURNS = 1_000


class Stated(NamedTuple):
    """An instruction in force at a turn."""

    asked_as: str | None
    parameters: dict[str, Any]
    since: int
    """The turn at which it was stated; 0 for the system prompt."""


class Overruled(NamedTuple):
    """An instruction that contradicts one in force from higher up."""

    parameters: dict[str, Any]
    source: str
    by: int
    """Which of the turn's instructions it contradicts, from 0."""
    higher: str


class Turn(NamedTuple):
    """One answer of a conversation."""

    number: int
    """From 1."""
    prompt: str
    stated: tuple[Stated, ...]
    message: Any
    """What the assistant said, as its message or text; None where there is no answer."""
    overruled: tuple[Overruled, ...] = ()


def is_conversation(record: Mapping[str, Any]) -> bool:
    """Whether a row states instructions turn by turn."""
    if "turn_1_instruction_id_list" in record:
        return True
    messages = record.get("messages")
    return isinstance(messages, list) and any(isinstance(one, dict) and "constraints" in one for one in messages)


def turns_of(record: Mapping[str, Any], meant: Any) -> list[Turn]:
    """The answers in a conversation, with what was in force. `meant` reads a table's cell.

    Raises:
        UserError: a message or a turn is malformed.
    """
    turns = _of_multi_if(record, meant) if "turn_1_instruction_id_list" in record else _of_messages(record["messages"])
    if not turns:
        raise UserError("the conversation has no turn at which an instruction is in force")
    return turns


RANK = {"system": 2, "developer": 2, "user": 1, "tool": 0}


class _InForce(NamedTuple):
    name: str | None
    lasts: bool
    stated: Stated
    source: str
    constraint: Constraint


def _of_messages(messages: Sequence[Any]) -> list[Turn]:
    in_force: list[_InForce] = []
    turns: list[Turn] = []
    turn, prompt = 0, ""
    for at, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise UserError(f'"messages[{at}]" must be an object with a "role"')
        role = message["role"]
        if role == "assistant":
            if turn and in_force:
                turns.append(_turn(turn, prompt, in_force, message))
            in_force = [one for one in in_force if one.lasts]
            continue
        if role not in RANK:
            continue
        if role == "user":
            turn += 1
            content = message.get("content")
            prompt = content if isinstance(content, str) else ""
        ended = set(message.get("ends") or ())
        stated = _constraints_of(message, at, 0 if RANK[role] == 2 else turn, role)
        named = {one.name for one in stated if one.name} | ended
        in_force = [one for one in in_force if one.name not in named and not _replaced(one, stated)] + stated
    if turn and in_force and messages[-1].get("role") in ("user", "tool"):
        turns.append(_turn(turn, prompt, in_force, None))
    return turns[:MOST_TURNS]


def _turn(number: int, prompt: str, stated: Sequence[_InForce], message: Any) -> Turn:
    """A turn, with what higher ranks overrule told apart. A tool's text is never in force."""
    ranked = sorted(stated, key=lambda one: -RANK[one.source])
    in_force: list[_InForce] = []
    overruled: dict[int, tuple[_InForce, _InForce]] = {}
    for one in ranked:
        higher = (above for above in in_force if RANK[above.source] > RANK[one.source])
        above = next((above for above in higher if contradict(above.constraint, one.constraint)), None)
        if above is not None:
            overruled[id(one)] = one, above
        elif one.source != "tool":
            in_force.append(one)
    kept = [one for one in stated if any(one is other for other in in_force)]
    lost = tuple(
        Overruled(one.stated.parameters, one.source, next(at for at, other in enumerate(kept) if other is above), rank)
        for one, above in overruled.values()
        for rank in ["user" if above.source == "user" else "system"]
    )
    return Turn(number, prompt, tuple(one.stated for one in kept), message, lost)


def _replaced(one: _InForce, later: Sequence[_InForce]) -> bool:
    """Whether an instruction of the same rank takes its place."""
    return any(other.source == one.source and contradict(one.constraint, other.constraint) for other in later)


def _constraints_of(message: Mapping[str, Any], at: int, turn: int, source: str) -> list[_InForce]:
    entries = message.get("constraints") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f'"messages[{at}].constraints" must be a list of objects')
    named = []
    for entry in entries:
        parameters = {key: value for key, value in entry.items() if key not in ("name", "lasts")}
        lasts = entry.get("lasts", "session" if RANK[source] == 2 else "turn")
        if lasts not in ("session", "turn"):
            raise UserError(f'"messages[{at}]": lasts must be "session" or "turn"')
        source = "system" if source == "developer" else source
        stated = Stated(None, parameters, turn)
        named.append(_InForce(entry.get("name"), lasts == "session", stated, source, from_json(parameters)))
    return named


def _of_multi_if(record: Mapping[str, Any], meant: Any) -> list[Turn]:
    answers = _answers(record)
    turns: list[Turn] = []
    before: dict[str, int] = {}
    for number in range(1, MOST_TURNS):
        names = meant(record.get(f"turn_{number}_instruction_id_list"))
        prompt = meant(record.get(f"turn_{number}_prompt"))
        if not names or prompt is None:
            break
        kwargs = [meant(entry) for entry in meant(record.get(f"turn_{number}_kwargs")) or []]
        if not isinstance(names, list) or len(kwargs) != len(names):
            raise UserError(f'"turn_{number}_kwargs" has {len(kwargs)} entries for {len(names)} instructions')
        stated = []
        for name, given in zip(names, kwargs, strict=True):
            given = {key: value for key, value in (given or {}).items() if value is not None}
            since = before.get(f"{name} {sorted(given.items())}", number)
            stated.append(Stated(str(name), given, since))
        before = {f"{one.asked_as} {sorted(one.parameters.items())}": one.since for one in stated}
        answer = answers[number - 1] if number <= len(answers) else record.get(f"turn_{number}_response")
        text = prompt.get("content", "") if isinstance(prompt, dict) else str(prompt)
        turns.append(Turn(number, text, tuple(stated), answer))
    return turns


def _answers(record: Mapping[str, Any]) -> list[Any]:
    messages = record.get("messages")
    if isinstance(messages, list):
        return [one for one in messages if isinstance(one, dict) and one.get("role") == "assistant"]
    responses = record.get("responses")
    return responses if isinstance(responses, list) else []
