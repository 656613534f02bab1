"""Circularity of the embeddings, circles taken one at a time, and the closed forms that may explain the logits.

Rules:
- *Circularity*: principal components of the centred embeddings; of each of the first four, the largest share of its
  variance that lies at one frequency; their mean. The paper counts 0.995 and more as circular.
- *Circle isolation*: keep components 2i and 2i + 1, drop the rest, put tokens back into the model. The circle's
  frequency is where the two components have most of their variance.
- *Fraction of variance explained* (FVE): logits of all n^3 (a, b, c) and a closed form, each standardised, and
  1 - Var(difference) / Var(logits). That is 2 r - 1 with r their correlation: from -3 to 1, and no square.
- Closed forms, with w = 2 pi f / n and f the frequency of the circle (s = cos wa + cos wb, t = sin wa + sin wb):
      Clock           cos(w (a + b - c))
      Pizza           |cos(wc/2) s + sin(wc/2) t| - |-sin(wc/2) s + cos(wc/2) t|
      accompanying    -(cos(w'c) s + sin(w'c) t)   with w' = w / 2 modulo 2 pi, so the circle runs at twice w'
- Everything is read in the coordinates in which the operation is addition (`task.Group`). Where the group is of even
  order, an odd frequency has no half and the accompanying form is not defined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch

from adhere.modular.network import Network
from adhere.modular.task import Group

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Form = Literal["clock", "pizza", "accompanying"]
FORMS: tuple[Form, ...] = get_args(Form)

COMPONENTS = 4
"""Components that circularity is a mean over (notebook)."""

CIRCLES = 6
"""Pairs of components looked at: the released models have three circles and three accompanying ones."""


@dataclass(frozen=True)
class Components:
    """Principal components of an embedding table, by token coordinate.

    `scores` (tokens, k) are the coordinates of tokens, `axes` (k, width), `mean` (width,); `frequency` (order, k) is
    the share of each component's variance at each frequency, 0 first.
    """

    scores: Floats
    axes: Floats
    mean: Floats
    frequency: Floats

    @property
    def shares(self) -> Floats:
        """Share of the embeddings' variance along each component."""
        variance = (self.scores**2).sum(axis=0)
        return np.asarray(variance / variance.sum())


@dataclass(frozen=True)
class Circle:
    """Components 2i and 2i + 1 alone: where they turn, how much of them does, and what the model makes of them."""

    index: int
    frequency: int
    purity: float
    """Share of the two components' variance at that frequency: near 1 for a circle."""
    share: float
    """Share of the embeddings' variance that lies in the two components."""
    points: Floats
    """Coordinates of the tokens in the two components, by group coordinate; shape (order, 2)."""
    fve: dict[Form, float]


def components(network: Network, group: Group) -> Components:
    """Principal components of the (left) embeddings over the tokens that have a coordinate."""
    tokens, _ = group.members()
    table = network.embeddings().detach().double().numpy()[tokens]
    mean = table.mean(axis=0)
    u, s, axes = np.linalg.svd(table - mean, full_matrices=False)
    scores = u * s
    power = np.abs(np.fft.fft(scores, axis=0)) ** 2 / group.order
    total = np.maximum((scores**2).sum(axis=0), 1e-300)
    return Components(scores, axes, mean, 2 * power / total)


def circularity(found: Components) -> float:
    """Mean over the first four components of the largest share of variance at one frequency.

    At the frequency of half an even order the doubled share may pass 1; it is clipped, as in the notebook.
    """
    return float(found.frequency[1:, :COMPONENTS].max(axis=0).clip(0, 1).mean())


def circles(network: Network, group: Group, found: Components, count: int = CIRCLES) -> tuple[Circle, ...]:
    """The first `count` circles, strongest first, each with what explains the logits of the model seeing it alone."""
    order = group.order
    count = min(count, found.scores.shape[1] // 2)
    total = (found.scores**2).sum()
    made = []
    for index in range(count):
        pair = slice(2 * index, 2 * index + 2)
        scores = found.scores[:, pair]
        variance = (scores**2).sum(axis=0)
        share_at = (found.frequency[:, pair] * variance).sum(axis=1) / max(variance.sum(), 1e-300)
        frequency = int(share_at[1 : order // 2 + 1].argmax()) + 1
        logits = _alone(network, group, found, index)
        made.append(
            Circle(
                index=index,
                frequency=frequency,
                purity=float(min(share_at[frequency], 1.0)),
                share=float(variance.sum() / total),
                points=scores.copy(),
                fve={
                    form: variance_explained(logits, predicted)
                    for form in FORMS
                    if (predicted := closed_form(form, frequency, order)) is not None
                },
            )
        )
    return tuple(made)


def _alone(network: Network, group: Group, found: Components, index: int) -> Floats:
    """Logits of the model with its embeddings replaced by one circle, (order, order, order) over a, b, c."""
    pair = slice(2 * index, 2 * index + 2)
    left_tokens, right_tokens = group.members()
    left = network.embeddings().detach().clone()
    placed = found.mean + found.scores[:, pair] @ found.axes[pair]
    left[torch.from_numpy(left_tokens)] = torch.from_numpy(placed).to(left.dtype)
    n = network.task.modulus
    # A second table, for the right token, stays as it is.
    apart = network.architecture.kind == "x" or network.architecture.vocabularies == 2
    right = None if apart else left
    logits = network.all_logits(left, right).double().numpy().reshape(n, n, n)
    answers = _inverse_answers(group)
    return np.asarray(logits[np.ix_(left_tokens, right_tokens, answers)])


def _inverse_answers(group: Group) -> NDArray[np.int64]:
    answers = np.empty(group.order, dtype=np.int64)
    inside = np.flatnonzero(group.answer >= 0)
    answers[group.answer[inside]] = inside
    return answers


def closed_form(form: Form, frequency: int, order: int) -> Floats | None:
    """The closed form over all (a, b, c), shape (order, order, order); None where it is not defined."""
    turn = 2 * np.pi / order
    w = turn * frequency
    a, b, c = np.ogrid[:order, :order, :order]
    if form == "clock":
        return np.asarray(np.cos(w * (a + b - c)))
    s, t = np.cos(w * a) + np.cos(w * b), np.sin(w * a) + np.sin(w * b)
    if form == "pizza":
        half = w * c / 2
        return np.asarray(np.abs(np.cos(half) * s + np.sin(half) * t) - np.abs(-np.sin(half) * s + np.cos(half) * t))
    if frequency % 2 and order % 2 == 0:
        return None
    halved = turn * (frequency // 2 if frequency % 2 == 0 else (frequency + order) // 2)
    return np.asarray(-(np.cos(halved * c) * s + np.sin(halved * c) * t))


def variance_explained(logits: Floats, predicted: Floats) -> float:
    """FVE of standardised logits by a standardised form: 2 r - 1. NaN where either does not vary."""
    x, y = logits.ravel() - logits.mean(), predicted.ravel() - predicted.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return 2 * float(x @ y) / norm - 1 if norm > 0 else float("nan")
