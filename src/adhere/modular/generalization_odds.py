"""The armchair's odds: what should happen if training picked any function that agrees with the training pairs.

Rules:
- A function assigns one of n answers to each of the h held-out pairs, so n^h functions agree with the training pairs,
  and exactly one of them is right on all the rest. Drawn at random, the chance of that one is n^-h.
- The argument's own figure, 0.2 * 59^2 * 59 = 41,000, counts something else: single answers, one for each held-out
  pair and each class. Functions consistent with the training pairs number 59^697. Both are given, named apart.
- These are counts about functions, not about networks: nothing here assumes how training chooses. That is what the
  measured share of seeds that generalise is held against.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from adhere.core.findings import Control, Finding, Scalar
from adhere.modular.examine import share
from adhere.modular.run_spec import Job


@dataclass(frozen=True)
class Odds:
    """Counts for one split: `log10_functions` is the decimal logarithm of how many functions fit the training pairs."""

    answers: int
    held_out: int

    @classmethod
    def of(cls, job: Job) -> Odds:
        total = job.task.modulus**2
        return cls(job.task.modulus, total - int(job.recipe.share * total))

    @property
    def log10_functions(self) -> float:
        return self.held_out * math.log10(self.answers)

    @property
    def single_answers(self) -> int:
        """Pairs of a held-out pair and an answer: the argument's figure."""
        return self.held_out * self.answers

    @property
    def words(self) -> str:
        functions = f"{self.answers}^{self.held_out} = 10^{self.log10_functions:,.0f}"
        answers = f"{self.single_answers:,} = {self.held_out:,} * {self.answers}"
        return (
            f"{functions} functions fit the training pairs, and all but one fail somewhere on the {self.held_out:,} "
            f"held-out pairs. (The figure {answers} that is sometimes given counts single answers, not functions.)"
        )


def generalised(job: Job, perfect: int, seeds: int, *, recompute: str = "", **subject: Scalar) -> Finding:
    """Share of seeds right on every held-out pair, beside the chance of a function drawn at random."""
    odds = Odds.of(job)
    happened = share(perfect, seeds)
    return Finding(
        what="modular.generalised",
        subject={
            "task": job.task.name,
            "model": job.architecture.kind,
            "alpha": job.architecture.rate,
            "share": job.recipe.share,
            "log10_functions": round(odds.log10_functions, 1),
            **subject,
        },
        estimate=happened.value,
        interval=happened.interval,
        n=seeds,
        unit="seeds",
        control=Control(
            what="a function drawn at random from those that fit the training pairs",
            estimate=10.0**-odds.log10_functions,
        ),
        recompute=recompute,
    )
