"""Effects of factors on an outcome: logistic regression with intervals clustered by scenario.

Rules:

- Outcomes are 0 or 1, factors are categories, and each factor's first level is what its others are held against.
- A cell in which no episode yields has no maximum-likelihood estimate. So the likelihood carries Firth's penalty
  (Firth 1993, Biometrika 80:27; Heinze and Schemper 2002, Statistics in Medicine 21:2409), under which estimates are
  always finite; for one factor of two levels it is the log odds ratio with a half added to every count.
- Episodes of one scenario share its wording and are not independent. The covariance is the sandwich of the scores
  summed over clusters (Liang and Zeger 1986, Biometrika 73:13), times G/(G-1) * (N-1)/(N-K) as in common software, and
  intervals are those of Student's t with G - 1 degrees of freedom. Where there are fewer clusters than `FEW`, or a
  level whose outcome never varies, the larger of this and the model's own variance is taken: the sandwich is too small
  from few clusters (Cameron and Miller 2015, Journal of Human Resources 50:317) and from residuals near zero.
- An effect is told in two ways: as odds ratio, and as points of the share, averaged over all cells (average marginal
  effect, delta method). A factor as a whole has a joint Wald test and its share of the deviance that all explain.
- Where the outcome never varies there are no effects, only a share with its exact interval (Clopper and Pearson 1934).
- No model is fitted to fewer than `OUTCOMES_PER_COEFFICIENT` outcomes for each coefficient (Peduzzi et al. 1996,
  Journal of Clinical Epidemiology 49:1373), to fewer of the rarer outcome than coefficients, or to fewer clusters than
  coefficients: the sandwich has the rank of its clusters, and below that its intervals shrink to nothing. `NotFitted`
  says which of these it was.

numpy and scipy carry this; statsmodels would bring pandas and patsy for one estimator, and has no penalty against
separation. A test holds the unpenalised fit and its clustered covariance against statsmodels' numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adhere.measure.statistics.rates import CONFIDENCE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

FEW = 12
"""Clusters below which a sandwich is not trusted to be large enough."""
OUTCOMES_PER_COEFFICIENT = 10
RESAMPLES = 200
"""Draws of clusters for the interval of a factor's share."""
TOLERANCE = 1e-8
ROUGH = 1e-3
"""Precision of coefficients where only the likelihood is wanted, whose error is that of the square."""
MOST_STEPS = 100
LONGEST_STEP = 5.0
"""Longest step of a coefficient, in log odds: from a far start Newton overshoots."""


def exact(met: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper and Pearson's interval for `met` of `n`: for 0 of n its upper end is about 3.7/n (two-sided 95 %)."""
    from scipy.stats import binomtest

    if n == 0:
        return 0.0, 1.0
    bounds = binomtest(met, n).proportion_ci(confidence, "exact")
    return float(bounds.low), float(bounds.high)


@dataclass(frozen=True)
class Effect:
    """What a level does, held against its factor's first level, all else equal."""

    factor: str
    level: str
    base: str
    odds_ratio: float
    odds_interval: tuple[float, float]
    points: float
    """Change of the outcome's share, between -1 and 1, averaged over all cells."""
    interval: tuple[float, float]
    p: float
    n: int
    clusters: int


@dataclass(frozen=True)
class Whole:
    """A factor with all its levels."""

    factor: str
    p: float
    """Of the joint Wald test that no level differs."""
    share: float
    """Part of the deviance explained that is lost without this factor; shares need not add up to 1."""
    interval: tuple[float, float]
    """Of the share."""
    spread: float
    """Largest less smallest of the levels' adjusted shares."""


@dataclass(frozen=True)
class Effects:
    """A fitted table of effects."""

    effects: tuple[Effect, ...]
    wholes: tuple[Whole, ...]
    explained: float
    """Share of the null deviance that the factors explain together (McFadden 1974)."""
    n: int
    clusters: int


@dataclass(frozen=True)
class NotFitted:
    """Why there is no table of effects."""

    why: str
    n: int
    clusters: int
    coefficients: int


def not_fitted(n: int, rarer: int, clusters: int, coefficients: int) -> NotFitted | None:
    """Why a model with this many coefficients must not be fitted; None where it may be.

    Args:
        n: outcomes.
        rarer: outcomes of the rarer kind.
        clusters: independent groups among them.
        coefficients: columns of the design, the intercept among them.
    """
    needed = OUTCOMES_PER_COEFFICIENT * coefficients
    if n < needed:
        why = f"{n} outcomes for {coefficients} coefficients; {needed} are needed"
    elif clusters < coefficients:
        why = f"{clusters} independent scenarios for {coefficients} coefficients; as many are needed"
    elif rarer < coefficients:
        why = f"the rarer outcome occurs {rarer} times for {coefficients} coefficients; as many are needed"
    else:
        return None
    return NotFitted(why, n, clusters, coefficients)


@dataclass(frozen=True)
class Fit:
    """A logistic regression: coefficients [k], their covariance [k, k], log-likelihood (unpenalised), fitted shares."""

    beta: Array
    covariance: Array
    likelihood: float
    fitted: Array


def fit(
    x: Array,
    y: Array,
    clusters: Sequence[object],
    *,
    penalty: bool = True,
    weights: Array | None = None,
    start: Array | None = None,
) -> Fit:
    """Fit P(y = 1) = 1 / (1 + exp(-x beta)).

    Args:
        x: design matrix [n, k], the intercept among its columns.
        y: outcomes [n], 0 or 1.
        clusters: the cluster of each row [n].
        penalty: Firth's penalty, half the log determinant of the information.
        weights: how often each row counts [n]; None counts each once.
        start: coefficients to begin with [k].
    """
    import numpy as np

    w = np.ones(len(y)) if weights is None else weights
    beta = _maximum(x, y, w, penalty, np.zeros(x.shape[1]) if start is None else start)
    n, k = x.shape
    bread = _inverse(_information(x, beta, w))
    scores = _scores(x, y, beta, w, bread if penalty else None)
    names = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    groups = len(names)
    sums = np.zeros((groups, k))
    np.add.at(sums, [names[name] for name in clusters], scores)
    covariance = bread @ (sums.T @ sums) @ bread
    if groups > 1 and n > k:
        covariance *= groups / (groups - 1) * (n - 1) / (n - k)
    return Fit(beta, covariance, _likelihood(x, y, beta, w), _share(x @ beta))


def _maximum(x: Array, y: Array, w: Array, penalty: bool, beta: Array, tolerance: float = TOLERANCE) -> Array:
    """Newton's steps on the (penalised) likelihood, halved until it does not fall."""
    import numpy as np

    def objective(b: Array) -> float:
        value = _likelihood(x, y, b, w)
        return value + 0.5 * float(np.linalg.slogdet(_information(x, b, w))[1]) if penalty else value

    current = objective(beta)
    for _ in range(MOST_STEPS):
        bread = _inverse(_information(x, beta, w))
        step = bread @ _scores(x, y, beta, w, bread if penalty else None).sum(axis=0)
        step *= min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        length = 1.0
        while not (moved := objective(beta + length * step)) >= current - 1e-12 and length > 1e-6:
            length /= 2
        beta, current = beta + length * step, moved
        if float(np.abs(length * step).max()) < tolerance:
            break
    return beta


def _inverse(matrix: Array) -> Array:
    import numpy as np

    try:
        return np.asarray(np.linalg.inv(matrix), dtype=float)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(matrix, hermitian=True), dtype=float)


def _share(linear: Array) -> Array:
    from scipy.special import expit

    shares: Array = expit(linear)
    return shares


def _likelihood(x: Array, y: Array, beta: Array, w: Array) -> float:
    import numpy as np

    linear = x @ beta
    return float(np.sum(w * (y * linear - np.logaddexp(0.0, linear))))


def _information(x: Array, beta: Array, w: Array) -> Array:
    share = _share(x @ beta)
    return (x * (w * share * (1 - share))[:, None]).T @ x


def _scores(x: Array, y: Array, beta: Array, w: Array, bread: Array | None) -> Array:
    """Each row's score [n, k]; with `bread`, Firth's modified score (his section 3: half a leverage's worth)."""
    share = _share(x @ beta)
    residual = y - share
    if bread is not None:
        leverage = share * (1 - share) * ((x @ bread) * x).sum(axis=1)
        residual = residual + leverage * (0.5 - share)
    return x * (w * residual)[:, None]


def effects(
    cells: Sequence[Mapping[str, str]],
    outcomes: Sequence[bool | int],
    clusters: Sequence[object],
    factors: Mapping[str, Sequence[str]],
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Effects | NotFitted | None:
    """The table of effects of `factors` (name to levels, the base first) on `outcomes`; None where nothing varies.

    `cells`, `outcomes` and `clusters` have one entry for each episode. Levels that no cell has are left out.
    """
    import numpy as np
    from scipy.stats import chi2, t

    present = {
        name: [level for level in levels if any(cell[name] == level for cell in cells)]
        for name, levels in factors.items()
    }
    present = {name: levels for name, levels in present.items() if len(levels) > 1}
    y = np.asarray(outcomes, dtype=float)
    if not present or not len(y) or y.min() == y.max():
        return None
    columns = [(name, level) for name, levels in present.items() for level in levels[1:]]
    groups = len(set(clusters))
    if few := not_fitted(len(y), int(min(y.sum(), len(y) - y.sum())), groups, len(columns) + 1):
        return few
    x = np.column_stack([np.ones(len(y)), *([float(c[name] == level) for c in cells] for name, level in columns)])
    fitted = fit(x, y, clusters)
    separated = any(
        len({outcome for cell, outcome in zip(cells, outcomes, strict=True) if cell[name] == level}) == 1
        for name, levels in present.items()
        for level in levels
    )
    covariance = _at_least(fitted, x, groups) if groups < FEW or separated else fitted.covariance
    quantile = float(t.ppf(0.5 + confidence / 2, max(1, groups - 1)))
    made, adjusted = [], {(name, levels[0]): 0.0 for name, levels in present.items()}
    for number, (name, level) in enumerate(columns, 1):
        points, gradient = _marginal(x, fitted.beta, number, [k for k, c in enumerate(columns, 1) if c[0] == name])
        adjusted[name, level] = points
        se = math.sqrt(max(0.0, float(covariance[number, number])))
        half = quantile * math.sqrt(max(0.0, float(gradient @ covariance @ gradient)))
        beta = float(fitted.beta[number])
        made.append(
            Effect(
                factor=name,
                level=level,
                base=present[name][0],
                odds_ratio=_exp(beta),
                odds_interval=(_exp(beta - quantile * se), _exp(beta + quantile * se)),
                points=points,
                interval=(max(-1.0, points - half), min(1.0, points + half)),
                p=float(2 * t.sf(abs(beta) / se, max(1, groups - 1))) if se else 0.0,
                n=len(y),
                clusters=groups,
            )
        )
    groupings = {name: [k for k, column in enumerate(columns, 1) if column[0] == name] for name in present}
    shares, explained = _lost(x, y, groupings, fitted.beta)
    intervals = _resampled(x, y, clusters, groupings, fitted.beta, confidence, seed) if groups > 1 else {}
    wholes = []
    for name, mine in groupings.items():
        b = fitted.beta[mine]
        wald = float(b @ np.linalg.pinv(covariance[np.ix_(mine, mine)]) @ b)
        levels = [value for (factor, _), value in adjusted.items() if factor == name]
        wholes.append(
            Whole(
                name,
                float(chi2.sf(wald, len(mine))),
                shares[name],
                intervals.get(name, (0.0, 1.0)),
                max(levels) - min(levels),
            )
        )
    return Effects(tuple(made), tuple(wholes), explained, len(y), groups)


def _lost(
    x: Array, y: Array, groupings: Mapping[str, list[int]], start: Array, weights: Array | None = None
) -> tuple[dict[str, float], float]:
    """For each factor the part of the explained deviance that goes when it is left out; and the part explained."""
    import numpy as np

    w = np.ones(len(y)) if weights is None else weights
    whole = _likelihood(x, y, _maximum(x, y, w, True, start, ROUGH), w)
    share = float(np.clip(np.average(y, weights=w), 1e-12, 1 - 1e-12))
    null = float(w.sum()) * (share * math.log(share) + (1 - share) * math.log(1 - share))
    gained = whole - null
    if gained <= 0:
        return dict.fromkeys(groupings, 0.0), 0.0
    lost = {}
    for name, mine in groupings.items():
        rest = [k for k in range(x.shape[1]) if k not in mine]
        without = _likelihood(x[:, rest], y, _maximum(x[:, rest], y, w, True, start[rest], ROUGH), w)
        lost[name] = min(1.0, max(0.0, (whole - without) / gained))
    return lost, min(1.0, gained / -null)


def _resampled(
    x: Array,
    y: Array,
    clusters: Sequence[object],
    groupings: Mapping[str, list[int]],
    start: Array,
    confidence: float,
    seed: int,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of the shares, from whole clusters drawn anew."""
    import numpy as np

    names = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    of = np.array([names[name] for name in clusters])
    generator = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in groupings}
    for _ in range(RESAMPLES):
        counts = generator.multinomial(len(names), np.full(len(names), 1 / len(names)))
        weights = counts[of].astype(float)
        if not 0 < float(weights @ y) < float(weights.sum()):
            continue
        shares, _ = _lost(x, y, groupings, start, weights)
        for name, share in shares.items():
            drawn[name].append(share)
    tail = (1 - confidence) / 2
    return {
        name: (float(np.quantile(values, tail)), float(np.quantile(values, 1 - tail)))
        for name, values in drawn.items()
        if values
    }


def _exp(value: float) -> float:
    return math.exp(max(-700.0, min(700.0, value)))


def _at_least(found: Fit, x: Array, groups: int) -> Array:
    """The sandwich, scaled up per coefficient where the model's own variance is larger."""
    import numpy as np

    own = _inverse(_information(x, found.beta, np.ones(len(x))))
    ratio = np.sqrt(np.maximum(1.0, np.diag(own) / np.maximum(np.diag(found.covariance), 1e-15)))
    if groups < 2:
        return np.asarray(own, dtype=float)
    correlation = np.where(ratio > 1e6, 0.0, ratio)
    if (correlation != ratio).any():
        return np.asarray(own, dtype=float)
    return np.asarray(found.covariance * np.outer(ratio, ratio), dtype=float)


def _marginal(x: Array, beta: Array, column: int, siblings: Sequence[int]) -> tuple[float, Array]:
    """Average change of the share when everybody goes from the base to the level of `column`, and its gradient."""
    off = x.copy()
    off[:, list(siblings)] = 0.0
    on = off.copy()
    on[:, column] = 1.0
    high, low = _share(on @ beta), _share(off @ beta)
    gradient: Array = (on * (high * (1 - high))[:, None] - off * (low * (1 - low))[:, None]).mean(axis=0)
    return float((high - low).mean()), gradient
