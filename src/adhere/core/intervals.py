"""Wilson's interval for a rate, where every floor can reach it: a rate never stands without its interval and n."""

from __future__ import annotations

import math
from statistics import NormalDist

CONFIDENCE = 0.95


def wilson(met: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval for `met` of `n` (Wilson 1927, JASA 22:209). (0, 1) where n is 0."""
    if n <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = met / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if met <= 0 else (middle - half) / scale
    high = 1.0 if met >= n else (middle + half) / scale
    return max(0.0, low), min(1.0, high)
