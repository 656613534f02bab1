"""What is decided before anything is fitted: the folds, the few of the small pool, and the shuffled labels.

Labels are shuffled within a skill, prompt by prompt: those of a prompt go together to a prompt. All else that fits or
reads at a site goes by one `Design`, so that every probe, baseline and eraser has the same folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adhere.explain.cases.examples import Examples
from adhere.explain.probing.folds import FOLDS, deal
from adhere.explain.probing.probes import ALPHA, Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHUFFLES = 20
"""Times that labels are shuffled: the spread of what chance finds is then known to about a sixth."""


@dataclass(frozen=True)
class Design:
    """All that fitting at a site needs besides the states. Rows are responses.

    Attributes:
        code: number of the row's skill.
        fold: which fold it belongs to.
        constrained: whether probes may be trained on it.
        few: whether it is among the few on which the small general probe is trained.
        labels: True for met; the true labels and then the shuffled ones, shape (n, 1 + shuffles).
    """

    kind: Kind
    alpha: float
    skills: int
    folds: int
    code: NDArray[np.int64]
    fold: NDArray[np.int64]
    constrained: NDArray[np.bool_]
    few: NDArray[np.bool_]
    labels: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        examples: Examples,
        kind: Kind = "logistic",
        *,
        alpha: float = ALPHA,
        folds: int = FOLDS,
        shuffles: int = SHUFFLES,
        seed: int = 0,
    ) -> Design:
        """Deal the folds, draw the few, shuffle the labels."""
        generator = np.random.default_rng(seed)
        code = _codes(examples)
        fold = deal(examples, folds, seed)
        few = np.zeros(len(examples), bool)
        labels = np.repeat(examples.met[:, None], 1 + shuffles, axis=1)
        skills = len(examples.skills)
        for skill in range(skills):
            asked = (code == skill) & examples.constrained
            for column in range(1, 1 + shuffles):
                labels[asked, column] = _shuffled(examples.met[asked], examples.prompt[asked], generator)
            for number in range(folds):
                for met in (False, True):
                    rows = np.flatnonzero(asked & (fold == number) & (examples.met == met))
                    few[generator.permutation(rows)[: round(len(rows) / skills)]] = True
        return cls(kind, alpha, skills, folds, code, fold, examples.constrained, few, labels)


def _shuffled(met: NDArray[np.bool_], prompt: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.bool_]:
    """Labels dealt anew, those of a prompt together to a prompt.

    Rows of a prompt resemble each other and tend to share their label. Labels shuffled one by one would lose that, and
    with it most of what chance alone makes a probe find.
    """
    numbers, row = np.unique(prompt, return_inverse=True)
    taken, given = (np.argsort(generator.permutation(len(numbers))[row], kind="stable") for _ in range(2))
    labels = np.empty_like(met)
    labels[given] = met[taken]
    return labels


def _codes(examples: Examples) -> NDArray[np.int64]:
    number = {skill: k for k, skill in enumerate(examples.skills)}
    return np.array([number[skill] for skill in examples.skill.tolist()], np.int64)
