"""Training the fast classifier, and trying it on what it never saw. Needs scikit-learn; the gateway does not.

What is reported, and nothing else:

- *Leave one attack family out*: trained on all others, how many texts of this family are caught.
- *Leave one harmless source out*: trained on all others, how many texts of this source raise a false alarm.
- Both at the thresholds t(a) at which the false-alarm rate, averaged over the left-out sources with equal weight, is a.
- *Calibrated*: one family and one source left out together, and the threshold set on that source, as a user would who
  has harmless texts and no attacks. The share caught is averaged over the sources that have enough texts
  for the rate (1 / a), and the worst of them is named.
- Beside it `seen`: the threshold at which texts of sources that *were* trained on (5 folds) give the rate a, and what
  the rate then is on the source that was not. It shows what such a threshold is worth.

A split that draws test texts from the same families and sources at random flatters (0.78 recall at 1 % false alarms
where an unseen family may give 0.03); it is not computed here, so that it cannot be quoted.

Each class weighs the same, and within a class each text, however many windows it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from adhere.core.errors import UserError
from adhere.gateway.monitors import features
from adhere.gateway.monitors.classifier import Classifier, sigmoid
from adhere.gateway.monitors.corpora import Corpus

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BUCKETS = 1 << 17
STRENGTH = 1.0
"""scikit-learn's C. Of 1 and 10, 1 had the higher mean recall over left-out families, and is the simpler model."""
RATES = (0.01, 0.05, 0.1)
"""False-alarm rates for which a threshold is put on the card."""
FOLDS = 5


@dataclass(frozen=True)
class Table:
    """Every window of every text as a row. `text` and `corpus` say whose row it is, `attack` its label."""

    rows: csr_matrix
    text: NDArray[np.int64]
    corpus: NDArray[np.int64]
    attack: NDArray[np.bool_]
    of_text: NDArray[np.int64]
    """For each text the number of its corpus."""


@dataclass(frozen=True)
class Share:
    """`met` of `n` texts; for a family those caught, for a source the false alarms."""

    name: str
    met: int
    n: int


@dataclass(frozen=True)
class Calibrated:
    """The mean share of a family's `n` texts that is caught at thresholds set on single left-out sources, the lowest of
    these shares, and on which source that was."""

    name: str
    share: float
    n: int
    worst: float
    worst_source: str


@dataclass(frozen=True)
class Study:
    """How a classifier of this kind does on what it never saw. Keys are the rates; thresholds are log-odds."""

    thresholds: Mapping[float, float]
    seen: Mapping[float, float]
    caught: Mapping[float, tuple[Share, ...]] = field(default_factory=dict)
    alarms: Mapping[float, tuple[Share, ...]] = field(default_factory=dict)
    alarms_seen: Mapping[float, tuple[Share, ...]] = field(default_factory=dict)
    calibrated: Mapping[float, tuple[Calibrated, ...]] = field(default_factory=dict)


def table(corpora: Sequence[Corpus]) -> Table:
    """The rows of all texts."""
    from scipy.sparse import csr_matrix

    places: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float32]] = []
    ends = [0]
    text: list[int] = []
    corpus: list[int] = []
    of_text: list[int] = []
    for number, each in enumerate(corpora):
        for one in each.texts:
            for window in features.windows(one, BUCKETS):
                places.append(window.buckets)
                values.append(window.values)
                ends.append(ends[-1] + len(window.buckets))
                text.append(len(of_text))
                corpus.append(number)
            of_text.append(number)
    rows = csr_matrix((np.concatenate(values), np.concatenate(places), ends), shape=(len(text), BUCKETS))
    labels = np.array([each.attack for each in corpora])
    owners = np.array(corpus)
    return Table(rows, np.array(text), owners, labels[owners], np.array(of_text))


def fit(data: Table, wanted: NDArray[np.bool_], seed: int) -> tuple[NDArray[np.float64], float]:
    """Weights and intercept of a logistic regression on the rows that are `wanted`."""
    from sklearn.linear_model import LogisticRegression

    label = data.attack[wanted]
    if label.all() or not label.any():
        raise UserError("nothing is left to tell attacks from: more families or sources are needed")
    weight = 1.0 / np.bincount(data.text)[data.text[wanted]]
    for kind in (label, ~label):
        weight[kind] *= len(label) / (2 * weight[kind].sum())
    model = LogisticRegression(C=STRENGTH, solver="liblinear", random_state=seed)
    model.fit(data.rows[wanted], label, sample_weight=weight)
    return model.coef_[0], float(model.intercept_[0])


def scores(data: Table, fitted: tuple[NDArray[np.float64], float], wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The score of each text that has a row in `wanted`: the highest of its windows. In the order of the texts."""
    of = data.text[wanted]
    best = np.full(len(data.of_text), -np.inf)
    np.maximum.at(best, of, data.rows[wanted] @ fitted[0] + fitted[1])
    return best[np.unique(of)]


def study(corpora: Sequence[Corpus], data: Table, seed: int, step: Callable[[str], None] = lambda _: None) -> Study:
    """Leave every family and every source out in turn. `step` is told what is being done."""
    held: dict[int, NDArray[np.float64]] = {}
    for number, corpus in enumerate(corpora):
        step(corpus.name)
        mine = data.corpus == number
        held[number] = scores(data, fit(data, ~(mine | _carried(corpora, data, corpus)), seed), mine)
    benign = [number for number, corpus in enumerate(corpora) if not corpus.attack]
    attacks = [number for number, corpus in enumerate(corpora) if corpus.attack]
    unseen = [held[number] for number in benign]
    folded = _folds(data, benign, seed, step)
    thresholds = {rate: _threshold(unseen, rate) for rate in RATES}
    seen = {rate: _threshold(folded, rate) for rate in RATES}

    def shares(numbers: list[int], at: Mapping[float, float]) -> dict[float, tuple[Share, ...]]:
        return {
            rate: tuple(Share(corpora[k].name, int((held[k] >= at[rate]).sum()), len(held[k])) for k in numbers)
            for rate in RATES
        }

    calibrated = _calibrated(corpora, data, attacks, benign, seed, step)
    return Study(
        thresholds, seen, shares(attacks, thresholds), shares(benign, thresholds), shares(benign, seen), calibrated
    )


def _calibrated(
    corpora: Sequence[Corpus],
    data: Table,
    attacks: list[int],
    benign: list[int],
    seed: int,
    step: Callable[[str], None],
) -> dict[float, tuple[Calibrated, ...]]:
    """Each pair of a family and a source left out together, the threshold set on the source."""
    caught: dict[tuple[int, float], list[tuple[float, str]]] = {(k, rate): [] for k in attacks for rate in RATES}
    for family in attacks:
        for source in benign:
            rates = [rate for rate in RATES if len(corpora[source].texts) >= 1 / rate]
            step(f"{corpora[family].name} and {corpora[source].name}")
            if not rates:
                continue
            own, other = data.corpus == family, data.corpus == source
            fitted = fit(data, ~(own | other | _carried(corpora, data, corpora[source])), seed)
            held, quiet = scores(data, fitted, own), scores(data, fitted, other)
            for rate in rates:
                share = float((held >= _threshold([quiet], rate)).mean())
                caught[family, rate].append((share, corpora[source].name))
    found: dict[float, tuple[Calibrated, ...]] = {}
    for rate in RATES:
        rows = []
        for family in attacks:
            if shares := caught[family, rate]:
                mean = sum(share for share, _ in shares) / len(shares)
                rows.append(Calibrated(corpora[family].name, mean, len(corpora[family].texts), *min(shares)))
        found[rate] = tuple(rows)
    return found


def _carried(corpora: Sequence[Corpus], data: Table, source: Corpus) -> NDArray[np.bool_]:
    """The rows of attacks that `source`'s kind of text carries."""
    carried = [number for number, corpus in enumerate(corpora) if corpus.carrier and corpus.carrier == source.name]
    return np.isin(data.corpus, carried)


def _folds(data: Table, benign: list[int], seed: int, step: Callable[[str], None]) -> list[NDArray[np.float64]]:
    """Scores of harmless texts whose source was trained on, but not they themselves; one array a source."""
    part = np.random.default_rng(seed).integers(0, FOLDS, len(data.of_text))
    found: dict[int, list[NDArray[np.float64]]] = {number: [] for number in benign}
    for fold in range(FOLDS):
        step(f"fold {fold + 1} of {FOLDS}")
        out = part[data.text] == fold
        fitted = fit(data, ~out, seed)
        for number in benign:
            mine = out & (data.corpus == number)
            if mine.any():
                found[number].append(scores(data, fitted, mine))
    return [np.concatenate(parts) for parts in found.values() if parts]


def _threshold(groups: Sequence[NDArray[np.float64]], rate: float) -> float:
    """The lowest score from which on the share of texts, averaged over the groups, is at most `rate`."""
    scored = np.concatenate(groups)
    weight = np.concatenate([np.full(len(group), 1.0 / (len(group) * len(groups))) for group in groups])
    order = np.argsort(-scored, kind="stable")
    above = np.cumsum(weight[order])
    most = int(np.searchsorted(above, rate, side="right"))
    ranked = scored[order]
    while most and most < len(ranked) and ranked[most] == ranked[most - 1]:
        most -= 1
    return float(np.nextafter(ranked[0], np.inf) if most == 0 else ranked[most - 1])


def train(corpora: Sequence[Corpus], data: Table, found: Study, seed: int) -> Classifier:
    """The classifier that is kept: trained on everything, with `found` on its card."""
    weights, intercept = fit(data, np.ones(len(data.text), dtype=bool), seed)
    card: dict[str, Any] = {
        "attacks": {corpus.name: len(corpus.texts) for corpus in corpora if corpus.attack},
        "harmless": {corpus.name: len(corpus.texts) for corpus in corpora if not corpus.attack},
        "seed": seed,
        "thresholds": {f"{rate:g}": sigmoid(value) for rate, value in found.thresholds.items()},
        "caught": {f"{rate:g}": {s.name: [s.met, s.n] for s in parts} for rate, parts in found.caught.items()},
        "alarms": {f"{rate:g}": {s.name: [s.met, s.n] for s in parts} for rate, parts in found.alarms.items()},
        "protocol": "each attack family and each harmless source left out whole; thresholds from left-out sources",
    }
    return Classifier(weights.astype(np.float32), intercept, card)
