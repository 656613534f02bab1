"""What is measured of one model of the training study: adherence, problems, SustainScore, length, a second reading.

Rules:

- Everything is sampled at temperature 1 with seeds that depend on the prompt and the study's seed alone, so
  all arms answer the same prompts with the same seeds.
- SustainScore follows `measure.sustain`: a problem counts if the base answer is right; control is the prompt again;
  k constraints are self-evident, chosen from that answer; the placebo is matched to them in the model's own tokens.
- The likelihood of an answer is its mean negative log-likelihood under the untrained model, in nats a token: text that
  only a check could like is unlikely under it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from adhere.constraints.constraint import Constraint
from adhere.constraints.degeneration import is_loop
from adhere.measure.sustain.arms import BASE, CONTROL, Condition, put
from adhere.measure.sustain.outcome import ArmOutcome
from adhere.measure.sustain.selfevident import choose
from adhere.measure.sustain.wordings import placebo
from adhere.problems.grading import grade_all
from adhere.problems.problem import Problem
from adhere.train.independent import reading
from adhere.train.pool import check_answers
from adhere.train.reward import Reward
from adhere.train.rows import PromptRow
from adhere.train.study.design import StudySize, evaluation_rows, problem_rows
from adhere.train.study.sampling import sample, sampling_seed

if TYPE_CHECKING:
    from adhere.models.generation.requests import Generation
    from adhere.models.load import OpenModel

PROBLEM_SEED = 4_011
"""Of the plain problems: the same for every arm and seed."""
ROWS = 64
"""Answers whose likelihood is computed at once."""


def measure(opened: OpenModel, base: OpenModel, size: StudySize, seed: int) -> dict[str, Any]:
    """The record of one model: `answers` to the evaluation prompts, `outcomes` of the problems' arms."""
    answers: list[dict[str, Any]] = []
    for name, rows in evaluation_rows(size).items():
        answers += _answers(opened, base, name, rows, seed)
    rows = problem_rows(PROBLEM_SEED, size.problems)
    outcomes = sustained(opened, [row.problem for row in rows if row.problem is not None], size.ks, seed)
    return {"answers": answers, "outcomes": [one.to_json() for one in outcomes]}


def _answers(opened: OpenModel, base: OpenModel, name: str, rows: list[PromptRow], seed: int) -> list[dict[str, Any]]:
    seeds = [sampling_seed("evaluate", seed, row.id) for row in rows]
    generations = sample(opened, [row.messages for row in rows], seeds)
    checked = check_answers(rows, [[(one.text, len(one.tokens))] for one in generations], Reward())
    likelihoods = negative_log_likelihoods(base, rows, generations)
    records = []
    for row, generation, sampled, nats in zip(rows, generations, checked, likelihoods, strict=True):
        [answer] = sampled.answers
        records.append(
            {
                "set": name,
                "id": row.id,
                "met": answer.reward == 1.0,
                "solved": answer.solved,
                "tokens": len(generation.tokens),
                "ended": generation.reason == "end",
                "loop": is_loop(generation.text),
                "readings": [
                    [one.kind, one.check(generation.text).met, reading(one, generation.text)] for one in row.constraints
                ],
                "nats": nats,
                "prompt": row.text,
                "text": generation.text,
            }
        )
    return records


def sustained(opened: OpenModel, problems: Sequence[Problem], ks: Sequence[int], seed: int) -> list[ArmOutcome]:
    """The outcomes of base, control, placebo and constraint arms, as `measure.sustain` scores them."""
    epoch = seed + 1
    bases = _asked(opened, [(problem, BASE, (), problem.prompt) for problem in problems], epoch)
    jobs: list[tuple[Problem, Condition, tuple[Constraint, ...], str]] = []
    for problem, outcome in zip(problems, bases, strict=True):
        if not outcome.correct:
            continue
        chosen = choose(problem, outcome.answer, max(ks), seed).constraints
        jobs.append((problem, CONTROL, (), problem.prompt))
        for k in ks:
            constraints = chosen[:k]
            if len(constraints) < k:
                continue
            sentences = [one.describe() for one in constraints]
            length = len(opened.encode(f" {' '.join(sentences)}"))
            idle = placebo(length, random.Random(f"{problem.id} {k}"), lambda text: len(opened.encode(text)))
            jobs.append((problem, Condition("placebo", k), (), put(problem.prompt, idle)[1]))
            jobs.append((problem, Condition("constraint", k), constraints, put(problem.prompt, sentences)[1]))
    return [*bases, *_asked(opened, jobs, epoch)]


def _asked(
    opened: OpenModel, jobs: Sequence[tuple[Problem, Condition, tuple[Constraint, ...], str]], epoch: int
) -> list[ArmOutcome]:
    prompts = [({"role": "user", "content": prompt},) for _, _, _, prompt in jobs]
    seeds = [condition.seed(0, problem.id, epoch) for problem, condition, _, _ in jobs]
    generations = sample(opened, prompts, seeds)
    grades = grade_all([problem for problem, *_ in jobs], [one.text for one in generations])
    return [
        ArmOutcome(
            problem=problem.id,
            domain=problem.domain,
            arm=condition.arm,
            grade=grade,
            response=generation.text,
            answer=generation.text,
            k=condition.k,
            constraints=constraints,
            sentences=tuple(one.describe() for one in constraints),
            met=tuple(one.check(generation.text).met for one in constraints),
            truncated=generation.reason == "length",
            loop=is_loop(generation.text),
            prompt=prompt,
            reference=problem.reference,
            epoch=epoch,
        )
        for (problem, condition, constraints, prompt), generation, grade in zip(jobs, generations, grades, strict=True)
    ]


def negative_log_likelihoods(
    base: OpenModel, rows: Sequence[PromptRow], generations: Sequence[Generation]
) -> list[float | None]:
    """Mean nats a token of each answer under `base`; None for an answer without tokens."""
    import torch

    pairs = [
        (base.encode(base.render([dict(message) for message in row.messages])), list(generation.tokens))
        for row, generation in zip(rows, generations, strict=True)
    ]
    results: list[float | None] = [None] * len(pairs)
    order = sorted((at for at in range(len(pairs)) if pairs[at][1]), key=lambda at: sum(map(len, pairs[at])))
    for start in range(0, len(order), ROWS):
        chosen = order[start : start + ROWS]
        width = max(sum(map(len, pairs[at])) for at in chosen)
        ids = torch.zeros((len(chosen), width), dtype=torch.long)
        mask = torch.zeros((len(chosen), width), dtype=torch.long)
        for place, at in enumerate(chosen):
            tokens = [*pairs[at][0], *pairs[at][1]]
            ids[place, : len(tokens)] = torch.tensor(tokens)
            mask[place, : len(tokens)] = 1
        with torch.inference_mode():
            logits = base.model(input_ids=ids.to(base.device), attention_mask=mask.to(base.device)).logits.float()
        log_probabilities = torch.log_softmax(logits[:, :-1], dim=-1).gather(2, ids[:, 1:, None].to(base.device))[
            ..., 0
        ]
        for place, at in enumerate(chosen):
            first, count = len(pairs[at][0]) - 1, len(pairs[at][1])
            results[at] = float(-log_probabilities[place, first : first + count].mean())
    return results
