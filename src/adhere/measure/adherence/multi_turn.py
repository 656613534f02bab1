"""Conversations asked live: instructions of the system prompt and of earlier turns, kept or not, turn after turn.

    adhere audit openai/gpt-5 --set multi-turn                     # the sessions of `sessions()`
    adhere audit openai/gpt-5 --set multi-turn --data multi_if.jsonl   # Multi-IF's, or your own (`conversations`)

Rules:

- A sample is one session. The user's turns are asked one after the other, and the model reads its own answers; those in
  a file are left out. What a tool says in a file is given to the model as a message of the user that names the tool.
- Every turn at which an instruction is in force is scored by itself, as `adhere score` scores a saved conversation.
- Of our own sessions two of three begin with a rule in the system prompt for every answer; in every third one the last
  turn asks for the opposite, and the system prompt is to win.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from adhere.constraints.conflicts import contradict
from adhere.constraints.constraint import Constraint
from adhere.constraints.reasoning import answer_from_parts
from adhere.constraints.registry import from_json
from adhere.core.errors import UserError
from adhere.measure.adherence.checking import record
from adhere.measure.adherence.conversations import Overruled, Turn, is_conversation, turns_of
from adhere.measure.adherence.responses import (
    Line,
    Question,
    Response,
    StatedInstruction,
    identity_of,
    lines,
    meant,
    row_of,
)
from adhere.measure.files import LIMIT, Bad
from adhere.measure.listening import sample_done

NAME = "multi-turn"
_MULTI_IF = "turn_1_instruction_id_list"
SESSIONS = 60
"""Sessions of our own."""

_TOPICS = (
    "bees", "the tides", "paper", "chess", "volcanoes", "bread", "bicycles", "the moon", "rivers", "tea", "bridges",
    "glass", "owls", "maps", "sleep", "clouds", "coins", "gardens", "radio", "salt",
)  # fmt: skip
_QUESTIONS = ("Tell me about {}.", "What do people often get wrong about {}?", "Give me one more fact about {}.")
_OPPOSED: tuple[dict[str, Any], ...] = (
    {"kind": "length.sentences", "at_most": 3},
    {"kind": "length.words", "at_most": 40},
    {"kind": "excludes.terms", "terms": ["very"]},
)
"""Rules for every answer that have one of `_OPPOSITES`."""
_LASTING: tuple[dict[str, Any], ...] = (
    *_OPPOSED,
    {"kind": "case.letters", "case": "lower"},
    {"kind": "excludes.mark", "mark": "comma"},
    {"kind": "structure.end_phrase", "phrase": "Any other questions?"},
)
_OPPOSITES: tuple[dict[str, Any], ...] = (
    {"kind": "length.sentences", "at_least": 6},
    {"kind": "length.words", "at_least": 80},
    {"kind": "contains.terms", "terms": ["very"]},
)
_PASSING: tuple[dict[str, Any], ...] = (
    {"kind": "contains.terms", "terms": ["history"]},
    {"kind": "contains.terms", "terms": ["people"]},
    {"kind": "excludes.mark", "mark": "exclamation mark"},
    {"kind": "excludes.terms", "terms": ["important"]},
    {"kind": "length.sentences", "exactly": 2},
)


def sessions(count: int = SESSIONS, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Our own sessions of three turns, as rows of `conversations`."""
    rng = random.Random(f"multi-turn {seed}")
    for number in range(count):
        topic = _TOPICS[number % len(_TOPICS)]
        by_system, conflicts = number % 3 != 0, number % 3 == 1
        lasting = from_json(rng.choice(_OPPOSED if conflicts else _LASTING))
        opposite = next((one for one in map(from_json, _OPPOSITES) if contradict(one, lasting)), None)
        in_force = [lasting]
        messages: list[dict[str, Any]] = []
        if by_system:
            rule = f"In every answer of this conversation: {lasting.describe()}"
            messages.append({"role": "system", "content": rule, "constraints": [lasting.to_json()]})
        for turn, question in enumerate(_QUESTIONS, 1):
            own = _fitting(rng, in_force)
            stated = [own.to_json()]
            words = [question.format(topic), own.describe()]
            if turn == 1 and not by_system:
                words.append(f"From now on, in every answer: {lasting.describe()}")
                stated.append({**lasting.to_json(), "lasts": "session"})
            if turn == len(_QUESTIONS) and conflicts and opposite is not None:
                words, stated = [question.format(topic), opposite.describe()], [opposite.to_json()]
            messages.append({"role": "user", "content": " ".join(words), "constraints": stated})
        yield {"id": f"session-{number + 1}", "messages": messages}


def _fitting(rng: random.Random, in_force: list[Constraint]) -> Constraint:
    """An instruction for one turn that contradicts nothing in force."""
    fitting = [one for one in map(from_json, _PASSING) if not any(contradict(one, other) for other in in_force)]
    return rng.choice(fitting)


def samples(data: str | None, seed: int = 0) -> list[Sample]:
    """One sample a session: our own, or those of a file.

    Raises:
        UserError: the file cannot be read, or a row of it is no conversation with instructions.
    """
    if data is None:
        return [_sample(row) for row in sessions(seed=seed)]
    rows = []
    for line in lines(Path(data), LIMIT):
        if isinstance(line, Bad):
            raise UserError(str(line))
        try:
            rows.append(_sample(row_of(line)))
        except UserError as error:
            raise UserError(f"{line.file}:{line.number}: {error}") from None
    if not rows:
        raise UserError(f"{data}: no conversations in it")
    return rows


def _sample(row: Mapping[str, Any]) -> Sample:
    script = _script(row)
    if not is_conversation(row):
        raise UserError("no conversation with instructions: its messages need constraints, or it has Multi-IF's fields")
    turns = turns_of(row if _MULTI_IF in row else {**row, "messages": script}, meant)
    prompts = [turn.prompt for turn in turns] if _MULTI_IF in row else _prompts(script)
    return Sample(
        id=identity_of(row) or "\n".join(prompts)[:60],
        input="\n\n".join(prompts[:1]) or "(no prompt)",
        metadata={
            "set": NAME,
            "system": [one["content"] for one in script if one.get("role") in ("system", "developer")],
            "prompts": prompts,
            "turns": {str(turn.number): _plain(turn) for turn in turns},
            "asked": [],
        },
    )


def _script(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row's messages with an open answer behind each of the user's, its own answers left out."""
    script: list[dict[str, Any]] = []
    messages = [one for one in row.get("messages") or [] if isinstance(one, dict) and one.get("role") != "assistant"]
    for at, message in enumerate(messages):
        script.append(message)
        following = messages[at + 1].get("role") if at + 1 < len(messages) else None
        if message.get("role") in ("user", "tool") and following != "tool":
            script.append({"role": "assistant", "content": ""})
    return script


def _prompts(script: list[dict[str, Any]]) -> list[str]:
    """What the user says, turn by turn."""
    prompts: list[str] = []
    open_turn: list[str] = []
    for message in script:
        if message["role"] == "user":
            open_turn.append(str(message.get("content") or ""))
        elif message["role"] == "tool":
            open_turn.append(f"[Output of a tool]\n{message.get('content') or ''}")
        elif message["role"] == "assistant" and open_turn:
            prompts.append("\n\n".join(open_turn))
            open_turn = []
    return prompts


def _plain(turn: Turn) -> dict[str, Any]:
    """A turn as the log's metadata take it."""
    stated = [{"asked_as": one.asked_as, "parameters": one.parameters, "since": one.since} for one in turn.stated]
    return {"prompt": turn.prompt, "stated": stated, "overruled": [one._asdict() for one in turn.overruled]}


@solver
def converse() -> Solver:
    """Asks the turns of a session one after the other."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        state.messages = [ChatMessageSystem(content=text) for text in state.metadata["system"]]
        answers: list[dict[str, Any]] = []
        for prompt in state.metadata["prompts"]:
            state.messages.append(ChatMessageUser(content=prompt))
            state = await generate(state)
            cut = state.output.stop_reason in ("max_tokens", "model_length")
            answers.append({"text": state.output.message.text if state.output.choices else "", "cut": cut})
        state.metadata["answers"] = answers
        return state

    return solve


@scorer(metrics={"session": [mean(), stderr()], "turn_strict": [mean(), stderr()]})
def conversation_scorer() -> Scorer:
    """Checks every answer of a session against what was in force at its turn."""

    async def score(state: TaskState, target: Target) -> Score:
        del target
        session = str(state.sample_id) if state.epoch == 1 else f"{state.sample_id} @{state.epoch}"
        records = []
        for number, one in enumerate(state.metadata["answers"], 1):
            stated = state.metadata["turns"].get(str(number))
            if stated is None:
                continue
            answer = replace(_answered(stated, session, number), model=str(state.model), cut=bool(one["cut"]))
            answer = replace(answer, answer=answer_from_parts([one["text"]]))
            records.append(record(answer, Line("", 0, b"", ""), ("fixed",)))
        followed = [one.followed("fixed") for one in records]
        sample_done()
        return Score(
            value={"session": float(all(followed)), "turn_strict": sum(followed) / len(followed)},
            answer=state.output.message.text if state.output.choices else "",
            metadata={"records": [one.to_line() for one in records], "set": NAME},
        )

    return score


def _answered(turn: Mapping[str, Any], session: str, number: int) -> Response:
    """A turn's response, without its answer."""
    stated = tuple(StatedInstruction(one["asked_as"], dict(one["parameters"]), one["since"]) for one in turn["stated"])
    return Response(
        model="",
        question=Question(session, turn["prompt"], stated),
        epoch=number,
        answer=answer_from_parts([""]),
        cut=False,
        turn=number,
        overruled=tuple(Overruled(**one) for one in turn["overruled"]),
    )


def failed_turns(metadata: Mapping[str, Any], session: str, reason: str) -> Iterator[Response]:
    """The turns of a session that its provider failed to answer: they follow nothing."""
    for number, turn in metadata["turns"].items():
        yield replace(_answered(turn, session, int(number)), failure=reason)
