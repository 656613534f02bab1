"""Gradient symmetricity and distance irrelevance, as the paper defines and its notebook computes them.

Rules:
- *Gradient symmetricity* (Def. 4.1): the mean over triples (a, b, c) of the cosine between the gradients of logit c
  with respect to the two token embeddings, taken before positions are added. c is any class, not only the right one.
  The triples are the notebook's: all n^3 in order, shuffled by `random.Random(42)`, the first hundred.
- *Distance irrelevance* (Def. 4.2) on the logit of the *right* answer: the standard deviation at a fixed difference
  a - b, averaged over differences, over the standard deviation of all. Low for a Pizza, high for a Clock.
- The released training script logs, under the same name, the same quotient on the largest *wrong* logit; the published
  tables hold that one. It is here as `top_wrong`, and never called distance irrelevance alone.
- Standard deviations are those of the population. Intervals are percentile bootstraps, over triples and over
  differences; they say how much the number leans on which triples or differences were looked at, not how much it
  varies between trainings.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from adhere.modular.network import Network
from adhere.modular.task import Group, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TRIPLES = 100
TRIPLES_SEED = 42
"""Both as in the released notebook."""

RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval and how many units it is taken over."""

    value: float
    interval: tuple[float, float] | None
    n: int


@lru_cache(maxsize=8)
def triples(n: int, count: int = TRIPLES) -> NDArray[np.int64]:
    """The notebook's triples (a, b, c), shape (count, 3)."""
    order = list(range(n**3))  # (a, b, c) numbered as the notebook lists them; shuffling moves numbers the same way
    random.Random(TRIPLES_SEED).shuffle(order)
    chosen = np.array(order[:count])
    return np.stack([chosen // n**2, chosen // n % n, chosen % n], axis=1)


def gradient_symmetricity(network: Network, count: int = TRIPLES) -> Estimate:
    """Def. 4.1 over `count` triples. A triple whose gradient vanishes on one side has no angle and is left out."""
    abc = torch.from_numpy(triples(network.task.modulus, count))
    with torch.enable_grad():
        embedded = network.look_up(abc[:, :2]).detach().clone().requires_grad_()
        chosen = network.logits_from(embedded).gather(1, abc[:, 2:])
        (gradient,) = torch.autograd.grad(chosen.sum(), embedded)
    g = gradient.double().numpy()
    norms = np.linalg.norm(g, axis=-1).prod(axis=1)
    alive = norms > 0
    cosines = (g[:, 0] * g[:, 1]).sum(-1)[alive] / norms[alive]
    if not len(cosines):
        return Estimate(float("nan"), None, 0)
    return Estimate(float(cosines.mean()), _bootstrap_mean(cosines), len(cosines))


def right_and_top_wrong(logits: NDArray[np.float32], task: Task) -> tuple[Floats, Floats]:
    """The logit of the right answer and the largest of the others for every pair, each of shape (n^2,)."""
    labels = task.labels()
    everywhere = np.arange(len(labels))
    wrong = logits.astype(np.float64)
    right = wrong[everywhere, labels].copy()
    wrong[everywhere, labels] = -np.inf
    return right, wrong.max(axis=1)


def by_difference(values: Floats, task: Task, group: Group) -> Floats:
    """Values of pairs (n^2,) as a matrix (order, order): row a - b, column a, both in the group's coordinates.

    For odd orders a row holds every sum once; for even ones each sum of its parity twice.
    """
    left, right = group.members()
    order = group.order
    difference, a = np.meshgrid(np.arange(order), np.arange(order), indexing="ij")
    pair = left[a] * task.modulus + right[(a - difference) % order]
    return np.asarray(values[pair])


def by_sum_and_difference(values: Floats, task: Task, group: Group) -> Floats:
    """The matrix that the paper draws: row a + b, column a - b; NaN where no pair has both (even orders)."""
    left, right = group.members()
    order = group.order
    a, b = np.meshgrid(np.arange(order), np.arange(order), indexing="ij")
    matrix = np.full((order, order), np.nan)
    matrix[(a + b) % order, (a - b) % order] = values[left[a] * task.modulus + right[b]]
    return matrix


def distance_irrelevance(values: Floats, task: Task, group: Group) -> Estimate:
    """Def. 4.2 on whatever logit `values` (n^2,) holds."""
    rows = by_difference(values, task, group)
    overall = rows.std()
    if overall == 0:
        return Estimate(float("nan"), None, len(rows))
    draws = np.random.default_rng(0).integers(len(rows), size=(RESAMPLES, len(rows)))
    count = rows.shape[1]
    spread, mean, square = rows.std(axis=1), rows.mean(axis=1), (rows**2).sum(axis=1) / count
    variance = square[draws].mean(axis=1) - mean[draws].mean(axis=1) ** 2
    resampled = spread[draws].mean(axis=1) / np.sqrt(np.maximum(variance, 1e-300))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(float(spread.mean() / overall), (float(low), float(high)), len(rows))


def _bootstrap_mean(values: Floats) -> tuple[float, float]:
    draws = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
