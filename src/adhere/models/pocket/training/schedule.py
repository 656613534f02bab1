"""How much of a run's budget is spent, and what that makes the learning rate: warm-up, stable, decay."""

from __future__ import annotations

import time
from pathlib import Path

from adhere.models.pocket.training.recipe import Progress, Recipe


def spent(recipe: Recipe, progress: Progress, until: float | None) -> float:
    """Share of the budget that is spent: the largest of those of tokens, minutes and time of day.

    `until` is a time in seconds since the epoch.
    """
    share = 0.0
    if recipe.tokens:
        share = progress.tokens / recipe.tokens
    if recipe.minutes:
        share = max(share, progress.seconds / (60 * recipe.minutes))
    if until:
        share = max(share, progress.seconds / (progress.seconds + max(0.0, until - time.time())))
    return share


def bring_forward(recipe: Recipe, progress: Progress, share: float, out: Path) -> float:
    """The share spent of the budget, shortened if a file `decay` in the run's folder asks for an early end."""
    if (out / "decay").exists() and progress.brought_forward == 1.0:
        progress.brought_forward = min(1.0, share / (1 - recipe.decay_share))
    return share / progress.brought_forward


def scale(recipe: Recipe, progress: Progress, share: float) -> float:
    """The learning rate's share of its full value."""
    return min(1.0, (progress.tokens + 1) / recipe.warmup, (1 - share) / recipe.decay_share)
