"""The mean of values that come in clusters, with Student's interval over the clusters' sums."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

from adhere.core.findings import Finding, Scalar
from adhere.measure.statistics.rates import CONFIDENCE


def clustered(what: str, subject: Mapping[str, Scalar], values: Iterable[tuple[object, float]], unit: str) -> Finding:
    """The mean of (cluster, value); standard error as for a ratio of sums (Miller, arXiv 2411.00640, eq. 4)."""
    from scipy.stats import t

    sums: dict[object, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for cluster, value in values:
        sums[cluster][0] += value
        sums[cluster][1] += 1
    n = int(sum(count for _, count in sums.values()))
    mean = math.fsum(total for total, _ in sums.values()) / n if n else math.nan
    interval = None
    groups = len(sums)
    if groups > 1:
        squares = math.fsum((total - mean * count) ** 2 for total, count in sums.values())
        se = math.sqrt(groups / (groups - 1) * squares) / n
        half = float(t.ppf(0.5 + CONFIDENCE / 2, groups - 1)) * se
        interval = (mean - half, mean + half)
    return Finding(
        what=what,
        subject={**subject, "clusters": groups},
        estimate=mean,
        interval=interval,
        n=n,
        unit=unit,
    )
