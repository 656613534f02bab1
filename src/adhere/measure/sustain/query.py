"""Queries: the prompt of a problem under a condition, and the outcome of its answer. Nothing here calls a model.

    choice = chosen(problem, base, seed=0, most=16)
    query = prepare(problem, CONDITION, choice, seed=0)       # a Query, or an Exclusion with its reason
    outcome = judge(query, Said(text), grade)                 # an Outcome

Rules:

- The same functions serve live runs, saved responses and prompts that are answered elsewhere.
- Reasoning is taken out of a response byte-exactly before it is graded, and kept in the outcome.
- Placebo and longer wording match what the constraints of the same k add, spaces between included: in tokens of the
  model that is asked where its tokenizer is at hand (`Length`), in characters elsewhere. What each query adds is
  recorded with its unit.
- A placebo stands at the place of its condition: after the problem, before it, or in the system prompt.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from adhere.constraints.constraint import Constraint, Verdict
from adhere.constraints.reasoning import Answer
from adhere.constraints.reasoning import answer as without_reasoning
from adhere.measure.adherence.degenerate import is_loop
from adhere.measure.sustain import selfevident, wordings
from adhere.measure.sustain.arms import BASE, Condition, block, put
from adhere.measure.sustain.outcome import ArmOutcome, Exclusion, Why
from adhere.measure.sustain.selfevident import Choice
from adhere.problems.problem import Grade, Problem


@dataclass(frozen=True, slots=True)
class Length:
    """How long a text is: its unit's name, and the count."""

    unit: str
    size: Callable[[str], int]


CHARACTERS = Length("characters", len)


def tokens_of(tokenizer: Any) -> Length:
    """Length in tokens of a transformers tokenizer."""
    return Length("tokens", lambda text: len(tokenizer.encode(text, add_special_tokens=False)))


@dataclass(frozen=True, slots=True)
class Query:
    """What a problem is asked under one condition."""

    problem: Problem
    condition: Condition
    prompt: str
    system: str = ""
    constraints: tuple[Constraint, ...] = ()
    added: int = 0
    """How much longer the prompts are than the problem, in `unit`."""
    unit: str = CHARACTERS.unit

    @property
    def sentences(self) -> tuple[str, ...]:
        """The constraints as they stand in the prompt."""
        return tuple(constraint.describe() for constraint in self.constraints)


@dataclass(frozen=True, slots=True)
class Said:
    """A response as it came.

    `parted` is the answer without reasoning where the response came in parts; else it is found in the text. `cut`: its
    tokens ran out.
    """

    response: str
    cut: bool = False
    parted: Answer | None = field(default=None)

    @property
    def answer(self) -> Answer:
        return without_reasoning(self.response) if self.parted is None else self.parted


def base(problem: Problem) -> Query:
    """The problem as it is."""
    return Query(problem, BASE, problem.prompt)


def chosen(problem: Problem, solved: ArmOutcome, *, most: int, seed: int, more: Iterable[Constraint] = ()) -> Choice:
    """The constraints that the solution meets by itself; see `selfevident.choose`."""
    return selfevident.choose(problem, solved.answer, most, seed, read=solved.read, more=more)


def of_kind(problem: Problem, solved: ArmOutcome, kind: str, *, seed: int) -> Choice:
    """One constraint of that kind, for a study of kinds."""
    return selfevident.choose(problem, solved.answer, 1, seed, read=solved.read, kinds=(kind,))


def prepare(
    problem: Problem,
    condition: Condition,
    choice: Choice,
    *,
    seed: int = 0,
    longer: str | None = None,
    length: Length = CHARACTERS,
) -> Query | Exclusion:
    """What is asked under `condition`, or why it cannot be.

    Args:
        problem: a solved one.
        condition: any but base.
        choice: its constraints; the first `condition.k` are used.
        seed: decides which placebo is taken.
        longer: a model's longer wording, for the arm `long`; by rule if None.
        length: what placebo and longer wording are matched in.
    """

    def made(prompt: str, system: str = "", inserted: tuple[Constraint, ...] = ()) -> Query:
        added = length.size(prompt) - length.size(problem.prompt) + (length.size(f" {system}") if system else 0)
        return Query(problem, condition, prompt, system, inserted, added, length.unit)

    if condition.arm in ("base", "control"):
        return made(problem.prompt)
    constraints = choice.constraints[: condition.k]
    if len(constraints) < condition.k:
        what = f"of kind {condition.kind} " if condition.kind else ""
        return excluded(
            problem, condition, "no_constraint", f"the solution yields {len(constraints)} constraints {what}"
        )
    sentences = [constraint.describe() for constraint in constraints]
    wanted = length.size(f" {block(sentences)}")
    if condition.arm == "placebo":
        rng = random.Random(f"placebo {seed} {problem.id} {condition.k}")
        system, prompt = put(problem.prompt, wordings.placebo(wanted, rng, length.size), condition.position)
        return made(prompt, system)
    if condition.arm == "long":
        text = longer if longer is not None else wordings.reworded(problem, wanted, length.size)
        if text is None:
            return excluded(problem, condition, "paraphrase", f"no wording is about {wanted} {length.unit} longer")
        if (why := wordings.lost(problem, text)) is not None:
            return excluded(problem, condition, "paraphrase", why)
        return made(text)
    system, prompt = put(problem.prompt, sentences, condition.position)
    return made(prompt, system, constraints)


def excluded(problem: Problem, condition: Condition, why: Why, detail: str) -> Exclusion:
    """The record of a condition under which `problem` was not asked, or does not count."""
    return Exclusion(problem.id, problem.domain, condition.arm, why, detail, condition.k, condition.position)


def dropped(problem: Problem, choice: Choice) -> list[Exclusion]:
    """The record of the candidates that were not taken."""
    reasons: Collection[Why] = ("names_answer", "contradiction")
    return [
        Exclusion(problem.id, problem.domain, "constraint", why, choice.examples[why], count=choice.dropped[why])
        for why in reasons
        if choice.dropped.get(why)
    ]


def judge(query: Query, said: Said, grade: Grade, *, model: str = "", epoch: int = 1) -> ArmOutcome:
    """The outcome of a query: `grade` is the problem's, of the answer without reasoning."""
    answer = said.answer
    return ArmOutcome(
        problem=query.problem.id,
        domain=query.problem.domain,
        arm=query.condition.arm,
        k=query.condition.k,
        position=query.condition.position,
        factor=query.condition.factor,
        grade=grade,
        response=said.response,
        answer=answer.text,
        constraints=query.constraints,
        sentences=query.sentences,
        met=verdicts(query.constraints, answer.text),
        truncated=answer.truncated or said.cut,
        loop=is_loop(answer.text) or is_loop(said.response),
        system=query.system,
        prompt=query.prompt,
        reference=query.problem.reference,
        model=model,
        epoch=epoch,
        added=query.added,
        unit=query.unit,
    )


def verdicts(constraints: Sequence[Constraint], answer: str) -> tuple[bool | None, ...]:
    """Whether the answer meets each; None where a check cannot tell."""
    verdicts = (constraint.check(answer).verdict for constraint in constraints)
    return tuple(None if verdict is Verdict.UNSURE else verdict is Verdict.HOLDS for verdict in verdicts)
