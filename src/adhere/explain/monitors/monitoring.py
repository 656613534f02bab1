"""From probe to monitor: fit one on answers with known verdicts, and set its threshold.

Rules:

- Answers are split by prompt: one part fits the probe, the other sets the threshold and gives the AUC. A third set of
  prompts, answered anew under the monitor, says what it is worth. Nothing is reported on what was fitted.
- Probes are logistic, fitted on the states of all checks together with an intercept for each: how late it is says
  nothing about whether the answer holds.
- A look that tells little still takes its share of the false alarms. Layer, pool, first and last check are those with
  which, in folds of the fitting part, stopping would have saved the most tokens of failing answers.
- The threshold is conformal (Vovk et al. 2005, split). Let v be an answer's largest standardised value over the checks
  it reaches. Of m held-out answers that hold, the threshold is the ceil((m + 1)(1 - a))-th smallest v: a further answer
  that holds, of the same kind, is then alarmed at any check with probability a at the most. Fewer than 1/a - 1 such
  answers cannot give that, and are refused with the number that could.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adhere.core.errors import UserError
from adhere.explain.probing import logistic
from adhere.explain.probing.decodability import Resamples, auc, aucs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adhere.models.forward.tokenmap import TokenMap
    from adhere.models.load import OpenModel
    from adhere.models.serving.probe_monitor import Pool, SavedMonitor

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Numbers = NDArray[np.int64]

CHECKS = (0, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Numbers of generated tokens at which a monitor looks: half an octave apart, as far as answers are long enough."""
REACH = 0.2
"""A check that fewer than this share of the answers reach is left out: there is too little to fit or to save."""
FALSE_ALARM = 0.05
FITTING = 0.6
"""Share of the prompts that the probe is fitted on; the others set the threshold."""
FOLDS = 4
LEAST = 20
"""Fewest answers of each class, in either part."""
NEVER = -1e9
"""Standardised value of an answer that ends before the first check: below every threshold."""


@dataclass(frozen=True)
class Answers:
    """Answers with known verdicts, for one skill.

    Attributes:
        maps: prompts and answers as tokens.
        failed: whether each violates the skill, shape (n,).
        prompt: which prompt it answers, shape (n,).
    """

    maps: tuple[TokenMap, ...]
    failed: Bools
    prompt: Numbers


def fit(
    opened: OpenModel,
    skill: str,
    answers: Answers,
    *,
    layers: Sequence[int] | None = None,
    pools: Sequence[Pool] = ("last", "mean"),
    false_alarm: float = FALSE_ALARM,
    seed: int = 0,
) -> SavedMonitor:
    """The best monitor for `skill` that `answers` can give.

    Args:
        opened: the model that wrote them.
        skill: its name, for the record.
        answers: as the model gives them, not balanced: the threshold is for answers of their kind.
        layers: where to look; all layers if None.
        pools: what to read there.
        false_alarm: share of holding answers that may be alarmed.
        seed: of the split and the bootstrap.

    Raises:
        UserError: too few answers of one class; the line says how many it takes.
    """
    from adhere.models.forward.capture import CapturePlan, capture
    from adhere.models.serving.probe_monitor import SavedMonitor

    fitting = _split(answers, seed)
    _require_enough(skill, answers, fitting, false_alarm)
    lengths = np.array([one.generated for one in answers.maps])
    checks = tuple(c for c in CHECKS if (lengths >= c).mean() >= REACH)
    kinds = [pool for pool in pools if pool == "last" or len(checks) > 1]
    names = {pool: tuple(_position(pool, check) for check in checks) for pool in kinds}
    positions = tuple(dict.fromkeys(name for some in names.values() for name in some))
    plan = CapturePlan(None if layers is None else tuple(layers), positions)
    found = capture(opened, answers.maps, plan)
    tried: list[tuple[_Probe, int, Pool]] = []
    for at, layer in enumerate(found.layers):
        for pool in kinds:
            columns = [positions.index(name) for name in names[pool]]
            states, there = found.states[:, at, columns], found.present[:, columns]
            tried.append((_probe(states, there, answers, fitting, seed), layer, pool))
    windows = [
        _window(one.out_of_fold, lengths[fitting], answers.failed[fitting], checks, false_alarm) for one, _, _ in tried
    ]
    best = max(range(len(tried)), key=lambda k: (windows[k][0], tried[k][0].quality))
    (probe, layer, pool), window = tried[best], windows[best][1]
    checks, weights = checks[window], probe.weights
    columns = [positions.index(name) for name in names[pool][window]]
    there = found.present[:, columns]
    raw = found.states[:, found.layers.index(layer), columns].astype(np.float64) @ weights
    offset, scale = _standard(raw, there & (fitting & ~answers.failed)[:, None])
    largest = np.where(there, (raw - offset) / scale, NEVER).max(axis=1)
    held_out = ~fitting
    threshold = conformal(largest[held_out & ~answers.failed], false_alarm)
    told = auc(
        largest[held_out].astype(np.float32),
        answers.failed[held_out],
        np.zeros(held_out.sum(), np.int64),
        Resamples.of(answers.prompt[held_out], seed=seed),
    )
    low, high = told.interval
    return SavedMonitor(
        skill,
        opened.name,
        opened.digest,
        layer,
        pool,
        checks,
        weights.astype(np.float32),
        offset.astype(np.float32),
        scale.astype(np.float32),
        threshold,
        false_alarm,
        told.value,
        low,
        high,
        int(held_out.sum()),
    )


def conformal(values: Floats, rate: float) -> float:
    """The ceil((m + 1)(1 - rate))-th smallest of m values: a further one exceeds it with probability `rate` at most.

    Raises:
        UserError: m is too small for that.
    """
    m = len(values)
    rank = math.ceil((m + 1) * (1 - rate) - 1e-9)
    if rank > m:
        raise UserError(
            f"{m} held-out answers that hold cannot set a threshold at {rate:.0%} false alarms: "
            f"it takes {math.ceil(1 / rate) - 1}"
        )
    return float(np.sort(values)[rank - 1])


def _position(pool: Pool, check: int) -> str:
    """What `capture` calls the thing that the monitor reads at a check."""
    return "prompt" if check == 0 else f"{'token' if pool == 'last' else 'mean'}{check}"


def _split(answers: Answers, seed: int) -> Bools:
    """Which answers the probe is fitted on: whole prompts."""
    prompts = np.unique(answers.prompt)
    drawn = np.random.default_rng(seed).permutation(prompts)[: round(FITTING * len(prompts))]
    return np.isin(answers.prompt, drawn)


def _require_enough(skill: str, answers: Answers, fitting: Bools, rate: float) -> None:
    wanted = max(LEAST, math.ceil(1 / rate))
    for part, least in ((fitting, LEAST), (~fitting, wanted)):
        for failed, word, number in ((True, "fail", LEAST), (False, "hold", least)):
            have = int((part & (answers.failed == failed)).sum())
            if have < number:
                share = max((answers.failed == failed).mean(), 1 / max(1, len(answers.failed)))
                needed = math.ceil(number / min(FITTING, 1 - FITTING) / share)
                raise UserError(
                    f"{skill}: {have} answers that {word} in one part, {number} are needed: about {needed} answers"
                )


@dataclass(frozen=True)
class _Probe:
    """A probe fitted at one layer.

    Attributes:
        quality: AUC within checks, over folds.
        weights: fitted on the whole fitting part, shape (width,).
        out_of_fold: standardised values of the fitting part's answers at each check, each by a probe that did not see
            its prompt; shape (answers, checks), NaN where an answer does not reach a check.
    """

    quality: float
    weights: Floats
    out_of_fold: Floats


def _probe(states: NDArray[np.float32], there: Bools, answers: Answers, fitting: Bools, seed: int) -> _Probe:
    """Fit one on all checks.

    Args:
        states: shape (n, checks, width), NaN where an answer does not reach a check.
        there: where it does, shape (n, checks).
    """
    row, check = np.nonzero(there & fitting[:, None])
    x = states[row, check]
    failed = answers.failed[row]
    prompts = np.unique(answers.prompt[fitting])
    dealt = np.random.default_rng(seed).permutation(len(prompts)) % FOLDS
    fold = dealt[np.searchsorted(prompts, answers.prompt[row])]
    train = np.concatenate([fold[:, None] != np.arange(FOLDS), np.ones((len(row), 1), bool)], axis=1)
    if any(len(set(failed[train[:, k]].tolist())) < 2 for k in range(FOLDS)):
        raise UserError("one part of the answers has one class only: more prompts are needed")
    model = logistic.fit(x, failed, train, group=check)
    scores = x @ model.weights.astype(np.float32)
    out = scores[np.arange(len(row)), fold]
    quality = float(aucs(out, failed, check * FOLDS + fold))
    values = np.full(there.shape, np.nan)
    values[row, check] = out
    for number in range(FOLDS):
        mine = np.zeros(there.shape, bool)
        mine[row[fold == number], check[fold == number]] = True
        offset, scale = _standard(values, mine & ~answers.failed[:, None])
        values = np.where(mine, (values - offset) / scale, values)
    return _Probe(quality, model.weights[:, FOLDS], values[fitting])


def _window(values: Floats, lengths: Numbers, failed: Bools, checks: Sequence[int], rate: float) -> tuple[int, slice]:
    """From which check to which looking saves most tokens of failing answers at that rate of alarms, and how many."""
    known = np.where(np.isnan(values), NEVER, values)
    saved: dict[tuple[int, int], int] = {}
    for first in range(len(checks)):
        for behind in range(first + 1, len(checks) + 1):
            part = known[:, first:behind]
            alarmed = part > np.quantile(part.max(axis=1)[~failed], 1 - rate, method="higher")
            at = np.array(checks[first:behind])[alarmed.argmax(axis=1)]
            saved[first, behind] = int(np.where(alarmed.any(axis=1), lengths - at, 0)[failed].sum())
    best = max(saved, key=lambda window: saved[window])
    return saved[best], slice(*best)


def _standard(raw: Floats, chosen: Bools) -> tuple[Floats, Floats]:
    """Mean and standard deviation at each check, over the chosen answers."""
    count = chosen.sum(axis=0)
    known = np.where(chosen, raw, 0.0)
    mean = known.sum(axis=0) / np.maximum(count, 1)
    square = np.where(chosen, (raw - mean) ** 2, 0.0).sum(axis=0) / np.maximum(count - 1, 1)
    scale = np.sqrt(square)
    return mean, np.where(scale > 0, scale, 1.0)
