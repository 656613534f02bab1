"""The criteria that a pocket model has to meet before it is shipped: whether it can be studied.

1. Idle sentences cost nothing: with one and with sixteen constraints' worth of them after the problem, the share solved
   is within `PLACEBO_MARGIN` of that without, in every domain, and no single sentence leaves less than `IDLE_FLOOR`
   of the solved problems solved.
2. Skills are neither free nor hopeless, problems are solved, and answers end by themselves.
3. Constraints interfere: of the problems solved without, some are lost and some are kept under one to four.

Answers are greedy, so without any sentence a solved problem is solved again, and a difference is due to what was
added. Shares carry Wilson's interval (Wilson 1927). A criterion is met if its estimate is within its bounds; whether
its interval is as well is reported beside it, since with few prompts an estimate alone proves little. Interference is
met only if its whole interval lies between none and all.

Idle sentences and self-evident constraints are handed in by the caller (`adhere pocket accept` takes those that
`adhere sustain` measures with); none of the sentences stands in training.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from adhere.models.pocket.training.evaluate import Answer, Share, answer, held_out, label_of, load, score
from adhere.models.pocket.world.item import Message
from adhere.models.pocket.world.reasoning import QUESTIONS
from adhere.problems.grading import grade_all

if TYPE_CHECKING:
    from pathlib import Path

    from adhere.constraints.constraint import Constraint
    from adhere.models.pocket.world.item import Question
    from adhere.problems.problem import Problem

IdleOfLength = Callable[[int, random.Random], list[str]]
"""Length in characters to idle sentences of about that length together."""
Choose = Callable[["Problem", str, int, int], Sequence["Constraint"]]
"""(problem, solution, how many, seed) to self-evident constraints, at most so many."""
Ask = Callable[[Sequence[Sequence[Message]]], Sequence[Answer]]
"""Prompts to greedy answers, in their order."""

PLACEBO_MARGIN: Final = 0.03
PLACEBO_ENDS: Final = (1, 16)
"""Lengths of the placebo, in constraints."""
IDLE_FLOOR: Final = 0.8
IDLE_PROMPTS: Final = 30
SOLVED_FLOOR: Final = 0.9
SKILL_BOUNDS: Final = (0.6, 0.98)
ENDED_FLOOR: Final = 0.99
INTERFERENCE_KS: Final = (1, 2, 3, 4)
INTERFERENCE_BOUNDS: Final = (0.005, 0.995)
PLACES: Final = ("before", "after", "system")
Z: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Criterion:
    """A measured value and the bounds it has to stay within.

    Attributes:
        name: what was measured, and of what.
        estimate: the measured value.
        interval: its 95 % interval.
        n: prompts that it rests on.
        wanted: the least and the most it may be.
        by_interval: whether the whole interval has to lie within `wanted`, not the estimate alone.
    """

    name: str
    estimate: float
    interval: tuple[float, float]
    n: int
    wanted: tuple[float, float]
    by_interval: bool = False

    @property
    def met(self) -> bool:
        """Whether the criterion is met; never without prompts."""
        low, high = self.interval if self.by_interval else (self.estimate, self.estimate)
        return self.n > 0 and self.wanted[0] <= low and high <= self.wanted[1]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A held-out question with its problem; `solved` says whether the plain prompt was answered right."""

    domain: str
    question: Question
    problem: Problem
    solved: bool


def accept(
    folder: Path, idle: IdleOfLength, sentences: Sequence[str], choose: Choose, each: int, seed: int
) -> list[Criterion]:
    """The criteria of the checkpoint in `folder`, from `each` held-out prompts of each domain and family.

    Args:
        folder: a checkpoint in Hugging Face's format.
        idle: draws idle sentences of a length.
        sentences: each of them is tried by itself.
        choose: draws self-evident constraints.
        each: prompts of each domain; also of each family for skills.
        seed: which prompts.
    """
    model, tokens = load(folder)

    def ask(prompts: Sequence[Sequence[Message]]) -> Sequence[Answer]:
        return answer(model, tokens, prompts)

    asked = plain(ask, each, seed)
    return [
        *placebos(ask, asked, idle, choose, seed),
        *single_sentences(ask, asked, sentences, seed),
        *standards(ask, seed, each),
        *interference(ask, asked, choose, seed),
    ]


def plain(ask: Ask, each: int, seed: int) -> list[_Asked]:
    """`each` held-out questions of each domain, asked without anything around them."""
    rng = random.Random(f"accept {seed}")
    drawn = [(domain, draw(rng, "test", 1.0)) for domain, draw in QUESTIONS.items() for _ in range(each)]
    problems = [question.problem(question.prompt) for _, question in drawn]
    solved = _solved(ask, problems, [[Message("user", question.prompt)] for _, question in drawn])
    return [
        _Asked(domain, question, problem, right)
        for (domain, question), problem, right in zip(drawn, problems, solved, strict=True)
    ]


def placebos(ask: Ask, asked: Sequence[_Asked], idle: IdleOfLength, choose: Choose, seed: int) -> list[Criterion]:
    """Share solved with idle sentences less that without, by domain, place and length, over all questions."""
    criteria = []
    for place in PLACES:
        for k in PLACEBO_ENDS:
            rng = random.Random(f"placebo {place} {k} {seed}")
            prompts = []
            for one in asked:
                constraints = choose(one.problem, one.question.response, k, seed)
                length = len(" ".join(constraint.describe() for constraint in constraints))
                prompts.append(put(one.question.prompt, idle(length, rng), place))
            solved = _solved(ask, [one.problem for one in asked], prompts)
            for domain in QUESTIONS:
                pairs = [(one.solved, now) for one, now in zip(asked, solved, strict=True) if one.domain == domain]
                estimate, interval = paired_difference(pairs)
                criteria.append(
                    Criterion(
                        f"change under placebo x{k}, {place}: {domain}",
                        estimate,
                        interval,
                        len(pairs),
                        (-PLACEBO_MARGIN, PLACEBO_MARGIN),
                    )
                )
    return criteria


def single_sentences(ask: Ask, asked: Sequence[_Asked], sentences: Sequence[str], seed: int) -> list[Criterion]:
    """Of solved questions, the share solved with one idle sentence after it: for each sentence."""
    rng = random.Random(f"sentences {seed}")
    by_domain = {domain: [one for one in asked if one.domain == domain and one.solved] for domain in QUESTIONS}
    used: list[tuple[str, _Asked]] = []
    for sentence in sentences:
        for solved in by_domain.values():
            share = -(-IDLE_PROMPTS // len(by_domain))
            used += [(sentence, one) for one in rng.sample(solved, min(share, len(solved)))]
    prompts = [put(one.question.prompt, [sentence], "after") for sentence, one in used]
    rights = _solved(ask, [one.problem for _, one in used], prompts)
    shares = {sentence: Share() for sentence in sentences}
    for (sentence, _), right in zip(used, rights, strict=True):
        shares[sentence].add(right)
    return [_of_share(f"kept after: {sentence}", share, (IDLE_FLOOR, 1.0)) for sentence, share in shares.items()]


def standards(ask: Ask, seed: int, each: int) -> list[Criterion]:
    """Problems solved, skills, and answers that end by themselves."""
    dialogues = held_out(seed, each)
    answers = ask([one.messages[:-1] for one in dialogues])
    shares = score(dialogues, answers).shares
    ended = Share()
    for dialogue, given in zip(dialogues, answers, strict=True):
        if label_of(dialogue) in ("dialogue", "standing"):
            ended.add(given.ended)
    return [
        *(_of_share(f"solved: {domain}", shares[f"family.{domain}"], (SOLVED_FLOOR, 1.0)) for domain in QUESTIONS),
        *(
            _of_share(f"skill: {key.removeprefix('skill.')}", share, SKILL_BOUNDS)
            for key, share in sorted(shares.items())
            if key.startswith("skill.")
        ),
        _of_share("ended by itself: dialogues", ended, (ENDED_FLOOR, 1.0)),
    ]


def interference(ask: Ask, asked: Sequence[_Asked], choose: Choose, seed: int) -> list[Criterion]:
    """Of solved questions, the share lost under k self-evident constraints after it."""
    solved = [one for one in asked if one.solved]
    criteria = []
    for k in INTERFERENCE_KS:
        prompts, kept = [], []
        for one in solved:
            constraints = choose(one.problem, one.question.response, k, seed)
            if len(constraints) == k:
                kept.append(one)
                prompts.append(put(one.question.prompt, [c.describe() for c in constraints], "after"))
        share = Share()
        for right in _solved(ask, [one.problem for one in kept], prompts):
            share.add(not right)
        criteria.append(
            Criterion(
                f"lost under constraints x{k}", share.estimate, share.interval, share.n, INTERFERENCE_BOUNDS, True
            )
        )
    return criteria


def put(problem: str, sentences: Sequence[str], place: str) -> list[Message]:
    """A prompt with sentences before the problem, after it, or in the system prompt."""
    said = " ".join(sentences)
    if place == "system":
        return [Message("system", said), Message("user", problem)]
    return [Message("user", f"{said} {problem}" if place == "before" else f"{problem} {said}")]


def paired_difference(pairs: Sequence[tuple[bool, bool]]) -> tuple[float, tuple[float, float]]:
    """Share of the second less that of the first, and its 95 % interval.

    The interval is Agresti and Min's for paired shares (2005, Statistics in Medicine 24:729): half a case is added to
    each cell of the table.
    """
    n = len(pairs)
    if not n:
        return 0.0, (-1.0, 1.0)
    gained = sum(now and not before for before, now in pairs)
    lost = sum(before and not now for before, now in pairs)
    middle = (gained - lost) / (n + 2)
    half = Z * ((gained + lost + 1) - (gained - lost) ** 2 / (n + 2)) ** 0.5 / (n + 2)
    return (gained - lost) / n, (max(-1.0, middle - half), min(1.0, middle + half))


def _solved(ask: Ask, problems: Sequence[Problem], prompts: Sequence[Sequence[Message]]) -> list[bool]:
    texts = [given.text for given in ask(prompts)]
    return [bool(grade.correct) for grade in grade_all(list(problems), texts)]


def _of_share(name: str, share: Share, wanted: tuple[float, float]) -> Criterion:
    return Criterion(name, share.estimate, share.interval, share.n, wanted)
