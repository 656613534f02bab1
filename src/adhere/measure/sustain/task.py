"""The Inspect task `adhere/sustain`: one sample is one problem, asked under every arm.

    inspect eval adhere/sustain --model adhere/pocket --temperature 1
    inspect eval adhere/sustain --model anthropic/claude-sonnet-4-5 -T domain=code
    inspect eval adhere/sustain --model openai/gpt-5 -T data=gsm8k.jsonl -T arms=constraint,placebo -T constraints=1,4

Rules:

- Base is asked first. If it is wrong the sample ends there and has cost one answer; if it is right its other arms are
  asked at once, each in a span of its own ("arm: constraint x4").
- Every arm draws its own sample, with its own seed. At temperature 0 a deterministic engine answers control as it
  answered base: control is then 1 by construction, and net interference is what the paper's score says.
- The score has one value for each arm (1 right, 0 wrong, NaN not asked): Inspect's mean of an arm is its Sustain. The
  outcomes themselves lie in the score's metadata (`outcome.outcomes`), and no other file is needed to read them.
- The hash of the data, the arms and the seed stand in the log's metadata.
- A provider that fails makes the sample an error, which is asked again; what its
  content filter refused is an answer without text: wrong, and counted apart.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessage, ChatMessageSystem, ChatMessageUser, GenerateConfig, get_model
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import collect, span

from adhere.constraints.constraint import Constraint
from adhere.constraints.reasoning import answer_from_parts
from adhere.core.errors import UserError
from adhere.measure.listening import sample_done
from adhere.measure.sustain import practice_study, query
from adhere.measure.sustain.arms import BASE, LADDER, Condition, block, parse_arms, parse_ks
from adhere.measure.sustain.arms import plan as lay
from adhere.measure.sustain.outcome import ArmOutcome, Exclusion
from adhere.measure.sustain.plan import SustainPlan
from adhere.measure.sustain.problem_sets import Material, gather
from adhere.measure.sustain.query import Query, Said
from adhere.measure.sustain.rewriting import extracted, rewritten
from adhere.problems.grading import grade_all
from adhere.problems.problem import Grade, Problem


@task
def sustain(
    domain: str | None = None,
    data: str | None = None,
    arms: str = "all",
    constraints: str | tuple[int, ...] | int = LADDER,
    problems: int | None = None,
    seed: int = 0,
    extractor: str | None = None,
    rewriter: str | None = None,
    kinds: str | None = None,
    enforce: bool = False,
    samples: int = 1,
) -> Task:
    """What does a constraint cost that the model's own answer already met?

    Args:
        domain: math, multihop or code; all three of the pocket world, or that of the data, if not given.
        data: a path or a Hub name; `easy` or some of its kinds; the pocket world's problems if not given.
        arms: all, or some of: control, placebo, long, constraint, position, attend.
        constraints: how many, with commas.
        problems: how many of each domain at the most; 200 of the pocket world.
        seed: which problems, which constraints, and what is sampled.
        extractor: an Inspect model that proposes further constraints; they are kept if their check confirms them.
        rewriter: an Inspect model that writes the longer wordings; by rule if not given.
        kinds: ask one constraint of each of these kinds instead (commas), or `practice`: those of the pocket study.
        enforce: send the constraints beside the prompt, to a gateway that makes them hold.
        samples: how often each problem is asked.
    """
    ks = constraints if isinstance(constraints, (tuple, list)) else (constraints,)
    chosen = ",".join(arms) if isinstance(arms, (tuple, list)) else arms  # Inspect makes a list of what has commas
    plan = SustainPlan(
        domain=",".join(domain) if isinstance(domain, list) else domain,
        data=data,
        arms=chosen,
        constraints=parse_ks(",".join(map(str, ks))),
        problems=problems,
        seed=seed,
        extractor=extractor,
        rewriter=rewriter,
        kinds=",".join(kinds) if isinstance(kinds, list) else kinds,
        enforce=enforce,
    )
    loaded = gather(plan.domain, plan.data, plan.problems, plan.seed)
    names = parse_arms(plan.arms, may_attend() if "attend" not in plan.arms else None)
    conditions = practice_study.conditions(plan.kinds) if plan.kinds else lay(names, plan.constraints)
    by_id = {problem.id: problem for material in loaded for problem in material.problems}
    results: dict[str, Finished] = {}
    return Task(
        name="sustain",
        epochs=samples,
        dataset=MemoryDataset([_sample(problem) for problem in by_id.values()], name=loaded[0].source),
        solver=asks_all_arms(by_id, conditions, plan.seed, results, plan.extractor, plan.rewriter, plan.enforce),
        scorer=sustain_scorer(conditions, results),
        metadata={
            "data": [_about(material) for material in loaded],
            "conditions": [condition.label for condition in conditions],
            "seed": plan.seed,
        },
    )


def may_attend() -> bool | None:
    """Whether the model that is to be asked scales attention when told to; None where it is not known yet."""
    from inspect_ai.model._model import active_model

    model = active_model()
    return None if model is None else bool(getattr(model.api, "attends", False))


def _sample(problem: Problem) -> Sample:
    return Sample(
        id=problem.id, input=problem.prompt, target=problem.reference or "?", metadata={"domain": problem.domain}
    )


def _about(material: Material) -> dict[str, Any]:
    about = asdict(material)
    about["problems"] = len(material.problems)
    about["skipped"] = [list(one) for one in material.skipped]
    return about


class _Settled(list[dict[str, Any]]):
    """Records that are never changed: a copy is the same list. Inspect's metrics copy every score once for each arm."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Settled:
        del memo
        return self


@dataclass
class Finished:
    """What came of one sample: outcomes by the label of their condition, and what was left out."""

    outcomes: dict[str, ArmOutcome] = field(default_factory=dict)
    exclusions: list[Exclusion] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As `outcome.outcomes` and `outcome.exclusions` read it from a log."""
        return {
            "outcomes": _Settled(outcome.to_json() for outcome in self.outcomes.values()),
            "exclusions": _Settled(asdict(exclusion) for exclusion in self.exclusions),
        }


@solver
def asks_all_arms(
    problems: dict[str, Problem],
    conditions: Sequence[Condition],
    seed: int,
    results: dict[str, Finished],
    extractor: str | None = None,
    rewriter: str | None = None,
    enforce: bool = False,
) -> Solver:
    """Ask base, and if it is right every other arm at once; leave outcomes and exclusions in `results`."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        del generate
        problem = problems[str(state.sample_id)]
        sample = _Sample(problem, seed, state, extractor, rewriter, enforce)
        await sample.run(conditions)
        results[state.uuid] = sample.finished
        return state

    return solve


class _Sample:
    """One problem on its way through its arms."""

    def __init__(
        self,
        problem: Problem,
        seed: int,
        state: TaskState,
        extractor: str | None,
        rewriter: str | None,
        enforce: bool = False,
    ) -> None:
        self.problem, self.seed, self.state = problem, seed, state
        self.extractor, self.rewriter, self.enforce = extractor, rewriter, enforce
        self.model = get_model()
        opened = getattr(self.model.api, "opened", None)  # a model that runs here: matched in its own tokens
        self.length = query.CHARACTERS if opened is None else query.tokens_of(opened.tokenizer)
        self.finished = Finished()
        self.exclusions = self.finished.exclusions

    async def run(self, conditions: Sequence[Condition]) -> None:
        solved = await self._base()
        if solved is None:
            return
        rest = [condition for condition in conditions if condition != BASE]
        queries = await self._queries(rest, solved)
        answers = await collect(*(self._ask(one) for one in queries))
        grades = await asyncio.to_thread(
            grade_all, [self.problem] * len(queries), [said.answer.text for said in answers]
        )
        for one, said, grade in zip(queries, answers, grades, strict=True):
            self._judge(one, said, grade)

    async def _base(self) -> ArmOutcome | None:
        """The outcome of base if it is right."""
        first = query.base(self.problem)
        reply = await self._ask(first, self.state)
        [grade] = await asyncio.to_thread(grade_all, [self.problem], [reply.answer.text])
        outcome = self._judge(first, reply, grade)
        return outcome if outcome is not None and outcome.correct else None

    async def _queries(self, conditions: Sequence[Condition], solved: ArmOutcome) -> list[Query]:
        """What can be asked of `conditions`; the rest is excluded."""
        problem, most = self.problem, max((condition.k for condition in conditions), default=0)
        more: list[Constraint] = []
        if self.extractor is not None:
            async with span("extractor"):
                more = await extracted(self.extractor, problem, solved.answer)
        choice = query.chosen(problem, solved, most=most, seed=self.seed, more=more)
        self.exclusions += query.dropped(problem, choice)
        queries = []
        for condition in conditions:
            chosen = query.of_kind(problem, solved, condition.kind, seed=self.seed) if condition.kind else choice
            longer = None
            if condition.arm == "long" and self.rewriter is not None and len(choice.constraints) >= condition.k:
                length = len(block([one.describe() for one in choice.constraints[: condition.k]]))
                async with span("rewriter"):
                    longer = await rewritten(self.rewriter, problem, length)
            query_or_exclusion = query.prepare(
                problem, condition, chosen, seed=self.seed, longer=longer, length=self.length
            )
            if isinstance(query_or_exclusion, Query):
                queries.append(query_or_exclusion)
            else:
                self.exclusions.append(query_or_exclusion)
        return queries

    async def _ask(self, one: Query, state: TaskState | None = None) -> Said:
        """The response to a query, without text where the provider refused. Base's becomes the sample's."""
        messages: list[ChatMessage] = [ChatMessageSystem(content=one.system)] if one.system else []
        messages.append(ChatMessageUser(content=one.prompt))
        config = GenerateConfig(seed=one.condition.seed(self.seed, self.problem.id, self.state.epoch))
        if one.condition.arm == "attend":
            if not getattr(self.model.api, "attends", False):
                raise UserError(f"{self.model} cannot scale its attention; leave out the arm attend")
            attend = {"text": block(one.sentences), "factor": one.condition.factor}
            config.extra_body = {"adhere": {"attend": attend}}
        elif self.enforce and one.constraints:
            config.extra_body = {"constraints": [constraint.to_json() for constraint in one.constraints]}
        async with span(f"arm: {one.condition.label}"):
            output = await self.model.generate(messages, config=config)
        if state is not None:
            state.output = output
            state.messages.append(output.message)
        if output.stop_reason == "content_filter":
            detail = output.error or "the provider's content filter stopped the answer"
            self.exclusions.append(query.excluded(self.problem, one.condition, "refused", detail))
            return Said("", False)
        cut = output.stop_reason in ("max_tokens", "model_length")
        content = output.message.content if output.choices else ""
        if isinstance(content, str):
            return Said(content, cut)
        parts = [part.model_dump() for part in content]
        whole = "".join(str(part.get("reasoning") or part.get("text") or "") for part in parts)
        return Said(whole, cut, answer_from_parts(parts))

    def _judge(self, one: Query, said: Said, grade: Grade) -> ArmOutcome | None:
        if grade.correct is None:
            self.exclusions.append(query.excluded(self.problem, one.condition, "undecided", grade.reason))
            return None
        outcome = query.judge(one, said, grade)
        self.finished.outcomes[one.condition.label] = outcome
        return outcome


@scorer(metrics={"*": [mean(), stderr()]})
def sustain_scorer(conditions: Sequence[Condition], results: dict[str, Finished]) -> Scorer:
    """One value for each arm: 1 right, 0 wrong, NaN where it was not asked."""

    async def score(state: TaskState, target: Target) -> Score:
        del target
        finished = results.pop(state.uuid, None)
        if finished is None:
            raise UserError(
                "a sustain run cannot be scored again with inspect score; its outcomes are in the log: adhere sustain"
            )
        values = {condition.label: math.nan for condition in conditions}
        values |= {label: float(outcome.correct or 0) for label, outcome in finished.outcomes.items()}
        sample_done()
        return Score(value=values, answer=state.output.completion, metadata=finished.to_json())

    return score
