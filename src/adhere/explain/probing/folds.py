"""Which fold a response belongs to: prompts are dealt, never responses, so that no probe is tested on a prompt it saw.

Prompts are dealt skill by skill, in the order of how often they were met (ties by chance), so that each fold has its
share of every skill and of both classes. A prompt that several skills share stays in one fold for all of them: a probe
of one skill may then be read on another's held-out rows without having seen their prompts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adhere.core.errors import UserError
from adhere.explain.cases.examples import Examples

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5


def deal(examples: Examples, folds: int = FOLDS, seed: int = 0) -> NDArray[np.int64]:
    """The fold of every row, shape (n,).

    There are at least three, since the best layer is chosen within what one fold leaves.

    Raises:
        UserError: a skill has fewer prompts than there are folds, or a fold of it lacks a class to learn from.
    """
    if folds < 3:
        raise UserError(f"{folds} folds are too few: take at least 3")
    generator = np.random.default_rng(seed)
    numbers, row_prompt = np.unique(examples.prompt, return_inverse=True)
    share = np.bincount(row_prompt, examples.met) / np.bincount(row_prompt)
    order = generator.permutation(len(numbers))
    order = order[np.argsort(share[order], kind="stable")]
    fold = np.full(len(numbers), -1)
    next_fold = 0
    for skill in examples.skills:
        rows = (examples.skill == skill) & examples.constrained
        mine = np.zeros(len(numbers), bool)
        mine[row_prompt[rows]] = True
        if 0 < mine.sum() < folds:
            raise UserError(
                f"{skill}: {mine.sum()} prompts cannot be split into {folds} folds by prompt; sample at least {folds}, "
                "better 50"
            )
        open_prompts = order[mine[order] & (fold[order] < 0)]
        fold[open_prompts] = (next_fold + np.arange(len(open_prompts))) % folds
        next_fold += len(open_prompts)
    rest = order[fold[order] < 0]
    fold[rest] = (next_fold + np.arange(len(rest))) % folds
    dealt = fold[row_prompt]
    for skill in examples.skills:
        rows = (examples.skill == skill) & examples.constrained
        for held_out in range(folds):
            if rows.any() and len(set(examples.met[rows & (dealt != held_out)].tolist())) < 2:
                raise UserError(f"{skill}: without one fold's prompts only one class is left; sample more prompts")
    return np.asarray(dealt, np.int64)
