"""The Inspect task `adhere/adherence`: prompts with verifiable constraints, each answer checked against them.

    inspect eval adhere/adherence --model adhere/pocket
    inspect eval adhere/adherence --model openai/gpt-5 -T task_set=ifeval -T data=input_data.jsonl
    inspect eval adhere/adherence --model openai/gpt-5 -T judge=anthropic/claude-sonnet-4-5

Rules:

- A sample is one prompt; its constraints stand in its metadata, so that a log alone is enough to check it again.
- The score has four values: whether all instructions are met, and the share of them that is, each strict and loose.
  The record of every verdict (`records.Record`, what `adhere score` makes of a saved response) lies in its metadata.
- What only reading can tell (topic, sentiment, register, toxicity) is decided by the word lists in the pocket world,
  whose texts they know, by the scorer `plain` in the set `natural`, and by a judge if one is named.
- Reasoning is taken out before anything is checked; an answer that its tokens did not suffice for is truncated.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import EvalSample
from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageSystem, ChatMessageUser
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver

from adhere.constraints.constraint import Constraint
from adhere.constraints.reasoning import answer_from_parts
from adhere.constraints.registry import from_json
from adhere.constraints.skills import SKILLS
from adhere.core.errors import UserError
from adhere.measure import natural
from adhere.measure.adherence import judge as judging
from adhere.measure.adherence import multi_turn
from adhere.measure.adherence.asking import understand
from adhere.measure.adherence.checking import record, unanswered
from adhere.measure.adherence.records import Record
from adhere.measure.adherence.responses import Line, Prompts, Question, Response, StatedInstruction, question_of
from adhere.measure.listening import sample_done

_OF_BENCHMARK = ("ifeval", "ifbench")


@task
def adherence(
    task_set: str = "pocket",
    data: str | None = None,
    per_skill: int | None = None,
    seed: int = 0,
    judge: str | None = None,
    enforce: bool = False,
) -> Task:
    """How often does the model do what it is told?

    Args:
        task_set: `pocket` (the nine skills in the pocket world), `natural` (the nine skills in plain English),
            `ifeval`, `ifbench`, `own` (our own format), or `multi-turn` (sessions of several turns).
        data: file of prompts, for all sets but the first two; `hub` fetches a benchmark's own from the Hub.
        per_skill: prompts that ask for each skill: in `pocket` at least, in `natural` about that many (None: all 604).
        seed: which of the pocket world's held-out prompts.
        judge: an Inspect model that decides what only reading can tell.
        enforce: send the constraints beside the prompt, to a gateway that makes them hold.
    """
    if task_set == multi_turn.NAME:
        return Task(
            dataset=MemoryDataset(multi_turn.samples(data, seed), name=task_set),
            solver=multi_turn.converse(),
            scorer=multi_turn.conversation_scorer(),
            metadata={"task_set": task_set, "seed": seed},
        )
    match task_set:
        case "pocket":
            samples = pocket_samples(per_skill, seed)
        case "natural":
            samples = natural_samples(per_skill)
        case _:
            samples = file_samples(task_set, data)
    return Task(
        dataset=MemoryDataset(samples, name=task_set),
        solver=enforced() if enforce else generate(),
        scorer=adherence_scorer(judge),
        metadata={"task_set": task_set, "seed": seed},
    )


@solver
def enforced() -> Solver:
    """Asks with the sample's constraints in the request's field `constraints`, which a gateway enforces."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        asked = [StatedInstruction(one["asked_as"], dict(one["parameters"])) for one in state.metadata["asked"]]
        constraints = [
            constraint.to_json() for one in asked for _, constraint in understand(one, ("fixed",)).constraints
        ]
        return await generate(state, extra_body={"constraints": constraints})

    return solve


POCKET_PER_SKILL = 60
"""Prompts for each skill of the pocket world where no number is given: it has no end."""


def pocket_samples(per_skill: int | None, seed: int) -> list[Sample]:
    """Held-out prompts of the pocket world, until every skill is asked for by `per_skill` of them."""
    from adhere.models.pocket.world import world

    per_skill = POCKET_PER_SKILL if per_skill is None else per_skill
    samples: list[Sample] = []
    asked: Counter[str] = Counter()
    for dialogue in itertools.islice(world.dialogues(seed, "test", {"describe": 1.0}), 400 * per_skill):
        skills = {constraint.skill for constraint in dialogue.constraints} & set(SKILLS)
        if all(asked[skill or ""] >= per_skill for skill in skills):
            continue
        asked.update(skill for skill in skills if skill)
        messages = [(message.role, message.content) for message in dialogue.messages[:-1]]
        samples.append(_sample(len(samples) + 1, messages, dialogue.constraints, "pocket", dialogue.meta["task"]))
        if all(asked[skill] >= per_skill for skill in SKILLS):
            break
    return samples


def independent_samples(task_set: str, seed: int, data: str | None = None) -> Iterator[Sample]:
    """What a certificate needs: prompts drawn independently and without end from `pocket` or `natural`; a file's
    prompts once each, in random order.

    Raises:
        UserError: as `file_samples`.
    """
    match task_set:
        case "pocket":
            return _independent_pocket_samples(seed)
        case "natural":
            return map(_natural_sample, natural.independent(seed))
        case multi_turn.NAME:
            raise UserError("a certificate needs independent prompts, and the turns of a session are not: leave it out")
        case _:
            samples = file_samples(task_set, data)
            random.Random(f"certificate {seed}").shuffle(samples)
            return iter(samples)


def _independent_pocket_samples(seed: int) -> Iterator[Sample]:
    from adhere.models.pocket.world import world

    for number, dialogue in enumerate(world.dialogues(seed, "test", {"describe": 1.0}), 1):
        messages = [(message.role, message.content) for message in dialogue.messages[:-1]]
        yield _sample(number, messages, dialogue.constraints, "pocket", dialogue.meta["task"])


def natural_samples(per_skill: int | None = None) -> list[Sample]:
    """The prompts of `natural`: all of them, or as many as ask for every skill `per_skill` times, drawn at random.

    The draw is always the same, and a smaller one is part of a larger one, so that runs can be compared.
    """
    prompts = list(natural.prompt_set())
    if per_skill is not None:
        random.Random("natural audit").shuffle(prompts)
        asked: Counter[str] = Counter()
        drawn = []
        for prompt in prompts:
            if any(asked[skill] < per_skill for skill in prompt.skills):
                asked.update(prompt.skills)
                drawn.append(prompt)
        prompts = drawn
    return [_natural_sample(prompt) for prompt in prompts]


def _natural_sample(prompt: natural.NaturalPrompt) -> Sample:
    asked = [{"asked_as": None, "parameters": constraint.to_json()} for constraint in prompt.constraints]
    return Sample(
        id=prompt.id,
        input=prompt.text,
        metadata={"set": "natural", "asked": asked, "task": prompt.strength, "split": prompt.split},
    )


def _sample(
    number: int, messages: list[tuple[Any, str]], constraints: tuple[Constraint, ...], name: str, kind: Any
) -> Sample:
    asked = [{"asked_as": None, "parameters": constraint.to_json()} for constraint in constraints]
    return Sample(id=number, input=_chat(messages), metadata={"set": name, "asked": asked, "task": str(kind)})


def _chat(messages: Iterable[tuple[str, str]]) -> list[ChatMessage]:
    kinds = {"system": ChatMessageSystem, "assistant": ChatMessageAssistant}
    return [kinds.get(role, ChatMessageUser)(content=text) for role, text in messages]


def file_samples(task_set: str, data: str | None) -> list[Sample]:
    """The prompts in a file, ours or a benchmark's.

    Raises:
        UserError: no such set, or no file was named.
    """
    if task_set not in (*_OF_BENCHMARK, "own"):
        names = ", ".join(("pocket", "natural", *_OF_BENCHMARK, "own", multi_turn.NAME))
        raise UserError(f"no set is called {task_set!r}; there are: {names}")
    if data is None:
        raise UserError(f"the set {task_set} needs its prompts: -T data=FILE (or --data FILE, or hub)")
    questions = _hub(task_set) if data == "hub" else list(Prompts.load(Path(data)).by_id.values())
    return [
        Sample(
            id=question.prompt_id,
            input=_chat(question.messages) if question.messages else question.prompt,
            metadata={
                "set": task_set,
                "asked": [{"asked_as": one.asked_as, "parameters": one.parameters} for one in question.asked],
            },
        )
        for question in questions
    ]


_HUB = {"ifeval": "google/IFEval", "ifbench": "allenai/IFBench_test"}
"""Where the benchmarks publish their prompts."""


def _hub(task_set: str) -> list[Question]:
    """A benchmark's prompts from the Hub, or its local cache.

    Raises:
        UserError: the set is none of a benchmark, or it cannot be fetched.
    """
    if task_set not in _HUB:
        raise UserError(f"the set {task_set} is on no hub: give a file")
    try:
        from datasets import load_dataset  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise UserError("to fetch prompts from the Hub: pip install datasets; or give a file") from error
    try:
        rows = [dict(row) for row in load_dataset(_HUB[task_set], split="train")]
    except Exception as error:
        raise UserError(f"{_HUB[task_set]} cannot be fetched ({type(error).__name__}); give a file") from error
    return [question for row in rows if (question := question_of(row)) is not None]


@scorer(
    metrics={
        "prompt_strict": [mean(), stderr()],
        "prompt_loose": [mean(), stderr()],
        "instruction_strict": [mean(), stderr()],
        "instruction_loose": [mean(), stderr()],
    }
)
def adherence_scorer(judge: str | None = None) -> Scorer:
    """Checks an answer against the constraints in its sample's metadata."""

    async def score(state: TaskState, target: Target) -> Score:
        del target
        asked = [StatedInstruction(one["asked_as"], dict(one["parameters"])) for one in state.metadata["asked"]]
        text = answer_of(state)
        if judge is not None:
            asked = await judging.prepare(judge, asked, text)
        response = Response(
            model=str(state.model),
            question=Question(str(state.sample_id), state.input_text, tuple(asked)),
            epoch=state.epoch,
            answer=answer_from_parts([text]),
            cut=state.output.stop_reason in ("max_tokens", "model_length"),
        )
        made = record(response, Line("", 0, b"", ""), ("fixed",))
        sample_done()
        return _score(made, text, str(state.metadata["set"]))

    return score


def answer_of(state: TaskState) -> str:
    """The answer's text: of content parts those that are text, reasoning parts left out."""
    return state.output.message.text if state.output.choices else ""


def _score(made: Record, text: str, name: str) -> Score:
    outcomes = [outcome for one in made.instructions if (outcome := one.fixed) is not None]
    strict = [outcome.strict for outcome in outcomes]
    loose = [outcome.loose for outcome in outcomes]
    values = {
        "prompt_strict": float(all(strict)),
        "prompt_loose": float(all(loose)),
        "instruction_strict": sum(strict) / len(strict),
        "instruction_loose": sum(loose) / len(loose),
    }
    reasons = "; ".join(outcome.reason for outcome in outcomes if not outcome.strict)
    return Score(
        value=values,
        answer=text,
        explanation=reasons or "all instructions are met",
        metadata={"record": made.to_line(), "set": name},
    )


def records_of(samples: list[EvalSample], model: str) -> Iterator[Record]:
    """The records in a log's samples, under the name of its model. A sample that ended with an error was asked: its
    record follows nothing."""
    from dataclasses import replace

    for sample in samples:
        if sample.metadata.get("set") == multi_turn.NAME:
            yield from _records_of_session(sample, model)
            continue
        about = [score.metadata or {} for score in (sample.scores or {}).values()]
        lines = [one["record"] for one in about if "record" in one]
        if not lines and sample.error is not None and sample.metadata.get("asked"):
            asked = tuple(
                StatedInstruction(one["asked_as"], dict(one["parameters"])) for one in sample.metadata["asked"]
            )
            prompt = sample.input if isinstance(sample.input, str) else ""
            reason = " ".join(sample.error.message.split())
            nowhere = Line("", 0, b"", "")
            question = Question(str(sample.id), prompt, asked)
            lines = [unanswered(question, model, nowhere, "failed", reason, ("fixed",)).to_line()]
        for line in lines:
            one = Record.from_line(line)
            yield replace(one, model=model, set=sample.metadata.get("set", one.set), epoch=sample.epoch)


def _records_of_session(sample: EvalSample, model: str) -> Iterator[Record]:
    """The records of a session's turns; of one that ended with an error they follow nothing."""
    from dataclasses import replace

    lines = [line for score in (sample.scores or {}).values() for line in (score.metadata or {}).get("records", ())]
    if not lines and sample.error is not None:
        reason = " ".join(sample.error.message.split())
        session = str(sample.id) if sample.epoch == 1 else f"{sample.id} @{sample.epoch}"
        failed = multi_turn.failed_turns(sample.metadata, session, reason)
        lines = [record(one, Line("", 0, b"", ""), ("fixed",)).to_line() for one in failed]
    for line in lines:
        yield replace(Record.from_line(line), model=model, set=multi_turn.NAME)


def constraints_of(sample: EvalSample) -> list[Constraint]:
    """The constraints of a sample in our own format."""
    return [from_json(one["parameters"]) for one in sample.metadata.get("asked", ()) if one["asked_as"] is None]
