"""The certificate, watched after every answer, and the patterns of lost problems, corrected over patterns."""

from __future__ import annotations

import numpy as np

from adhere.measure.statistics.certify import JEFFREYS, prior_for
from adhere.measure.statistics.certify import interval as bounds
from adhere.measure.statistics.rates import Cluster, holm, paired
from benchmarks.validity.table import Row

ANSWERS, LOOKS = 2000, 50
"""Answers of a certificate, and how often it is looked at; looking more often can only lose more."""
PATTERNS, PROBLEMS = 8, 60


def certificate(runs: int, seed: int = 3) -> list[Row]:
    """How often the running interval ever loses the true rate, and how often a claim is settled the wrong way."""
    rows = []
    for claim, rate in ((None, 0.01), (None, 0.1), (None, 0.5), (0.01, 0.01), (0.1, 0.1), (0.01, 0.03)):
        rng = np.random.default_rng([seed, int(1000 * rate), 0 if claim is None else 1])
        lost = wrong = 0
        prior = JEFFREYS if claim is None else prior_for(claim)
        for _ in range(runs):
            failures = np.cumsum(rng.random(ANSWERS) < rate)
            ends = [
                bounds(int(failures[n - 1]), n, 0.05, prior)
                for n in range(ANSWERS // LOOKS, ANSWERS + 1, ANSWERS // LOOKS)
            ]
            lost += not all(low <= rate <= high for low, high in ends)
            wrong += claim is not None and any(high < claim <= rate or low > claim >= rate for low, high in ends)
        design = f"failure rate {rate:g}" + ("" if claim is None else f", claim {claim:g}")
        rows.append(Row("Certificate, watched", design, runs - lost, runs))
        if claim is not None:
            rows.append(Row("Certificate settled the wrong way", design, wrong, runs, nominal=0.05, error=True))
    return rows


def patterns(runs: int, seed: int = 4) -> list[Row]:
    """How often any of `PATTERNS` patterns is called real where constraint and control lose alike."""
    rows = []
    for share in (0.02, 0.08):
        rng = np.random.default_rng([seed, int(100 * share)])
        errors = 0
        for run in range(runs):
            ps = []
            for _ in range(PATTERNS):
                pairs = rng.random((PROBLEMS, 2)) < share
                if pairs.any():
                    ps.append(paired([Cluster(float(a), float(b), 1) for a, b in pairs.tolist()], seed=run).p)
            errors += any(p < 0.05 for p in holm(ps))
        design = f"{PATTERNS} patterns, {PROBLEMS} problems, each loses {share:g}"
        rows.append(Row("Patterns of lost problems", design, errors, runs, nominal=0.05, error=True))
    return rows
