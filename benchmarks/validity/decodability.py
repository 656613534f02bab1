"""Coverage of the intervals of probes' AUCs, of their differences, and of families of them.

The scores of a row are normal with unit variance, a share `icc` of it common to the rows of a prompt; met rows lie
`d` higher, so that the AUC of rows of different prompts is Phi(d / sqrt 2). Labels too are alike within a prompt.
Prompts are dealt to five folds, and only rows of one fold are compared, as in `explain`.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from adhere.explain.analyses.claims import simultaneous
from adhere.explain.probing.decodability import Resamples, auc
from benchmarks.validity.table import Row

FOLDS = 5
SIZES = ((20, 1), (20, 4), (40, 1), (40, 4), (120, 3))
"""Prompts, and rows of each."""
TRUTHS = (0.5, 0.7, 0.9, 0.983, 0.995)
DRAWS = 300


def _rows(
    rng: np.random.Generator, prompts: int, per: int, truths: tuple[float, ...], icc: float, share: float
) -> tuple[Any, Any, Any, Any]:
    """Scores (probes, n), labels, folds and prompts of one simulated study; some fold has both labels."""
    prompt = np.repeat(np.arange(prompts), per)
    fold = rng.permutation(prompts)[prompt] % FOLDS
    while True:
        common = rng.standard_normal(prompts)[prompt] * math.sqrt(0.5)
        met = common + math.sqrt(0.5) * rng.standard_normal(len(prompt)) < NormalDist().inv_cdf(share)
        if any(met[fold == k].any() and not met[fold == k].all() for k in range(FOLDS)):
            break
    shared = rng.standard_normal(prompts)[prompt] * math.sqrt(icc)
    scores = []
    for truth in truths:
        gap = math.sqrt(2) * NormalDist().inv_cdf(truth)
        own = rng.standard_normal(len(prompt)) * math.sqrt(1 - icc)
        scores.append(shared + own + gap * met)
    return np.array(scores, np.float32), met, fold, prompt


def truth_of(rng: np.random.Generator, prompts: int, per: int, truth: float, icc: float, share: float) -> float:
    """The expectation of the AUC within folds under that design, by simulation: rows of one prompt are alike."""
    values = []
    for _ in range(400):
        scores, met, fold, _ = _rows(rng, prompts, per, (truth,), icc, share)
        values.append(auc(scores[0], met, fold).value)
    return float(np.mean(values))


def coverage(runs: int, seed: int = 0) -> list[Row]:
    """Coverage of the interval of one AUC over the grid, and of differences at the ceiling."""
    rows = []
    for prompts, per in SIZES:
        for truth in TRUTHS:
            for share in (0.5, 0.8):
                rng = np.random.default_rng([seed, prompts, per, int(1000 * truth), int(10 * share)])
                icc = 0.3 if per > 1 else 0.0
                known = truth if per == 1 else truth_of(rng, prompts, per, truth, icc, share)
                hits = width = 0.0
                for run in range(runs):
                    scores, met, fold, prompt = _rows(rng, prompts, per, (truth,), icc, share)
                    low, high = auc(scores[0], met, fold, Resamples.of(prompt, DRAWS, run)).interval
                    hits += low <= known <= high
                    width += high - low
                design = f"{prompts} prompts x {per}, {share:.0%} met, AUC {truth:g}"
                rows.append(Row("AUC of a probe", design, hits, runs, width / runs))
    return rows


def differences(runs: int, seed: int = 1) -> list[Row]:
    """Coverage of the paired difference of two probes on the same rows."""
    rows = []
    for prompts, per in SIZES:
        for one, other in ((0.7, 0.7), (0.9, 0.8), (0.983, 0.983), (0.995, 0.9)):
            rng = np.random.default_rng([seed, prompts, per, int(1000 * one), int(1000 * other)])
            icc = 0.3 if per > 1 else 0.0
            known = one - other
            if per > 1:
                known = truth_of(rng, prompts, per, one, icc, 0.5) - truth_of(rng, prompts, per, other, icc, 0.5)
            hits = width = 0.0
            for run in range(runs):
                scores, met, fold, prompt = _rows(rng, prompts, per, (one, other), icc, 0.5)
                resamples = Resamples.of(prompt, DRAWS, run)
                a, b = (auc(row, met, fold, resamples) for row in scores)
                low, high = (a - b).interval
                hits += low <= known <= high
                width += high - low
            design = f"{prompts} prompts x {per}, AUC {one:g} less {other:g}"
            rows.append(Row("Difference of two AUCs", design, hits, runs, width / runs))
    return rows


def together(runs: int, seed: int = 2, cells: int = 20) -> list[Row]:
    """How often 20 AUC differences without an effect all lie in their simultaneous intervals."""
    rows = []
    for prompts in (20, 40, 120):
        rng = np.random.default_rng([seed, prompts])
        hits = 0
        for run in range(runs):
            scores, met, fold, prompt = _rows(rng, prompts, 1, (0.8,) * (cells + 1), 0.0, 0.5)
            resamples = Resamples.of(prompt, DRAWS, run)
            first, *rest = (auc(row, met, fold, resamples) for row in scores)
            hits += all(low <= 0 <= high for low, high in simultaneous([one - first for one in rest]))
        rows.append(Row("Simultaneous intervals (max-T)", f"{prompts} prompts, {cells} differences", hits, runs))
    return rows
