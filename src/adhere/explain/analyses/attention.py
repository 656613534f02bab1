"""Constraint attention: do answers that fail under a constraint look at it more than those that hold?

arXiv 2601.22047 reports that they do, and more so towards the end of the answer; how it measured is not public. The
definition here is therefore ours. For an answer of T generated tokens, block l and a set P of prompt tokens let

    m(l, t, P) = mean over heads of the attention weights, summed over P, in the row that wrote token t

(the row of the token before it; the last prompt token wrote the first). With C the constraint's tokens and Q the
problem's (the user's tokens that are not the constraint's), each answer has at block l and tenth b of its tokens,
averaged over the tokens t with floor(10 t / T) = b,

    raw         m(l, t, C)
    per_token   m(l, t, C) / |C|
    relative    m(l, t, C) / (m(l, t, C) + m(l, t, Q)): of what goes to the two, the constraint's share

Rules of the comparison:

- A failed answer is compared with sustained ones of the same condition (domain, number and place of constraints) whose
  length is within a factor of `CALIPER`: those to the same problem where there are such (other epochs), else those to
  other problems. Failed answers without a match are counted and left out. Why: longer answers look less at any prompt,
  and conditions differ in how much there is to look at.
- Intervals are percentiles of a bootstrap over problems. A pair of two problems counts as often as the product of their
  draws (the pigeonhole bootstrap, Owen 2007), since a sustained answer may be matched more than once.
- The figure that answers the question is the difference over all blocks and the whole answer. Single blocks and tenths
  describe where it lies; there are many, and their intervals are not corrected for that.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np

from adhere.core.errors import UserError
from adhere.core.findings import Control, Finding
from adhere.core.intervals import CONFIDENCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adhere.models.forward.tokenmap import TokenMap
    from adhere.models.load import Message, OpenModel

    Floats = NDArray[np.float64]

BINS = 10
CALIPER = 1.25
RESAMPLES = 2000

Measure = Literal["raw", "per_token", "relative"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
OUTCOMES = ("failed", "sustained", "difference")


@dataclass(frozen=True)
class AttentionCase:
    """One answer to a problem under a constraint.

    Attributes:
        problem: its id; problems are the independent units.
        sustained: whether the answer is right.
        messages: what was asked, constraint included.
        response: the answer as written, reasoning included.
        constraint: the sentences of the constraint, word for word as they stand in the messages.
        condition: what else is to be alike between answers that are compared.
        ended: whether the answer ended by itself.
    """

    problem: str
    sustained: bool
    messages: tuple[Message, ...]
    response: str
    constraint: tuple[str, ...]
    condition: str = ""
    ended: bool = True


class Judged(Protocol):
    """What a record of a SustainScore run has to have, to be made a case of."""

    @property
    def problem(self) -> str: ...
    @property
    def domain(self) -> str: ...
    @property
    def arm(self) -> Any: ...
    @property
    def k(self) -> int: ...
    @property
    def position(self) -> Any: ...
    @property
    def correct(self) -> bool | None: ...
    @property
    def response(self) -> str: ...
    @property
    def sentences(self) -> tuple[str, ...]: ...
    @property
    def truncated(self) -> bool: ...
    @property
    def system(self) -> str: ...
    @property
    def prompt(self) -> str: ...


def cases(records: Iterable[Judged]) -> Iterator[AttentionCase]:
    """The answers of the constraint arm whose correctness could be decided."""
    for one in records:
        if one.arm == "constraint" and one.sentences and one.correct is not None:
            system: tuple[Message, ...] = ({"role": "system", "content": one.system},) if one.system else ()
            yield AttentionCase(
                one.problem,
                one.correct,
                (*system, {"role": "user", "content": one.prompt}),
                one.response,
                one.sentences,
                f"{one.domain}, k = {one.k}, {one.position}",
                not one.truncated,
            )


@dataclass(frozen=True)
class Attended:
    """Constraint attention of answers.

    Attributes:
        mass: [answers, blocks, BINS, measures]; NaN in tenths in which an answer of fewer than ten tokens has none.
        whole: [answers, blocks, measures]: the same over all tokens of the answer.
        lengths: generated tokens of each answer.
        cases: the answers.
        skipped: how many could not be looked at, by reason.
    """

    mass: Floats
    whole: Floats
    lengths: NDArray[np.int64]
    cases: tuple[AttentionCase, ...]
    skipped: dict[str, int]


def attend(
    opened: OpenModel, answers: Sequence[AttentionCase], *, progress: Callable[[int], None] | None = None
) -> Attended:
    """Replay `answers` through `opened` and keep their constraint attention, tenth by tenth.

    Args:
        opened: the model that wrote them.
        answers: any number.
        progress: called with the number of answers done, as they are done.

    Raises:
        UserError: no answer can be looked at (names the reason of the first), or the rows are not the model's own.
    """
    from adhere.models.forward.capture import CapturePlan, stream
    from adhere.models.forward.selftest import self_test
    from adhere.models.forward.tokenmap import replay

    self_test(opened)
    maps: list[TokenMap] = []
    kept: list[AttentionCase] = []
    skipped: dict[str, int] = {}
    for one in answers:
        try:
            mapped = replay(opened, one.messages, one.response, parts={"constraint": one.constraint}, ended=one.ended)
        except UserError as error:
            skipped[str(error)] = skipped.get(str(error), 0) + 1
            continue
        if not mapped.generated or not mapped.parts.get("problem"):
            reason = "the answer is empty" if not mapped.generated else "nothing but the constraint was asked"
            skipped[reason] = skipped.get(reason, 0) + 1
            continue
        maps.append(mapped)
        kept.append(one)
    if not kept:
        raise UserError(f"no answer whose attention could be looked at: {next(iter(skipped), 'none was given')}")
    plan = CapturePlan(layers=(0,), positions=("prompt",), parts=("constraint", "problem"))
    mass: list[Floats] = [np.empty(0)] * len(kept)
    whole: list[Floats] = [np.empty(0)] * len(kept)
    for batch in stream(opened, maps, plan):
        for k, found in zip(batch.rows, batch.mass, strict=True):
            mass[k], whole[k] = tenths(found, len(maps[k].parts["constraint"]))
        if progress:
            progress(len(batch.rows))
    lengths = np.array([one.generated for one in maps])
    return Attended(np.stack(mass), np.stack(whole), lengths, tuple(kept), skipped)


def tenths(found: NDArray[np.float32], size: int) -> tuple[Floats, Floats]:
    """The measures of one answer in each tenth, [blocks, BINS, measures], and over all of it, [blocks, measures].

    Args:
        found: attention mass of each token's row, [blocks, tokens, (constraint, problem)].
        size: how many tokens the constraint has.
    """
    constraint, problem = found[..., 0].astype(np.float64), found[..., 1].astype(np.float64)
    both = constraint + problem
    share = np.divide(constraint, both, out=np.full_like(both, np.nan), where=both > 0)
    values = np.stack([constraint, constraint / size, share], axis=-1)
    tokens = values.shape[1]
    tenth = np.arange(tokens) * BINS // tokens
    binned = np.full((values.shape[0], BINS, len(MEASURES)), np.nan)
    for b in np.unique(tenth):
        binned[:, b] = _mean(values[:, tenth == b])
    return binned, _mean(values)


def _mean(values: Floats) -> Floats:
    """Mean over axis 1 of what is there."""
    there = np.isfinite(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0.0).sum(axis=1)
    mean: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


@dataclass(frozen=True)
class Pairs:
    """Which failed answers are held against which sustained ones.

    Attributes:
        failed, sustained: numbers of the answers, one entry a pair.
        weight: 1 over the number of pairs of that failed answer.
        within: failed answers matched within their problem.
        by_length: failed answers matched with other problems, by length.
        unmatched: failed answers without a match.
    """

    failed: NDArray[np.int64]
    sustained: NDArray[np.int64]
    weight: Floats
    within: int
    by_length: int
    unmatched: int


def match(attended: Attended) -> Pairs:
    """Match every failed answer by the rules above."""
    holding: dict[str, list[int]] = {}
    for k, one in enumerate(attended.cases):
        if one.sustained:
            holding.setdefault(one.condition, []).append(k)
    rows: list[tuple[int, int, float]] = []
    within = by_length = unmatched = 0
    for k, one in enumerate(attended.cases):
        if one.sustained:
            continue
        alike = holding.get(one.condition, [])
        gaps = {j: abs(math.log(attended.lengths[j] / attended.lengths[k])) for j in alike}
        near = [j for j in alike if gaps[j] <= math.log(CALIPER)]
        if same := [j for j in near if attended.cases[j].problem == one.problem]:
            chosen, within = same, within + 1
        elif chosen := near:
            by_length += 1
        else:
            unmatched += 1
        rows += [(k, j, 1 / len(chosen)) for j in chosen]
    failed, sustained, weight = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.empty(0),) * 3
    return Pairs(failed.astype(int), sustained.astype(int), weight.astype(float), within, by_length, unmatched)


@dataclass(frozen=True)
class Comparison:
    """Attention of failed and of matched sustained answers, and the difference.

    Attributes:
        estimate, low, high: [outcomes, blocks + 1, BINS + 1, measures]. The last block is the mean over all blocks, the
            last tenth the whole answer.
        pairs: what was matched with what.
        problems: problems with a failed answer that was matched.
    """

    estimate: Floats
    low: Floats
    high: Floats
    pairs: Pairs
    problems: int

    def headline(self, measure: Measure = "relative") -> tuple[float, float, float]:
        """Difference over all blocks and the whole answer: estimate and interval."""
        at = (OUTCOMES.index("difference"), -1, -1, MEASURES.index(measure))
        return float(self.estimate[at]), float(self.low[at]), float(self.high[at])


def compare(attended: Attended, *, seed: int = 0, resamples: int = RESAMPLES) -> Comparison:
    """Failed against sustained, matched, with intervals by a bootstrap over problems.

    The differences at single blocks have intervals that hold for all blocks and tenths of a measure together.

    Raises:
        UserError: nothing failed, nothing held, or nothing could be matched.
    """
    failures = sum(not one.sustained for one in attended.cases)
    if not 0 < failures < len(attended.cases):
        raise UserError(
            f"nothing to compare: {failures} of {len(attended.cases)} answers under constraints failed; "
            "ask more problems, or more constraints at once"
        )
    pairs = match(attended)
    if not len(pairs.failed):
        raise UserError(
            f"none of {failures} failed answers has a sustained one of like condition and length beside it; "
            "ask more problems, or several times (--epochs)"
        )
    names = {name: k for k, name in enumerate(dict.fromkeys(one.problem for one in attended.cases))}
    problem = np.array([names[one.problem] for one in attended.cases])
    values = _with_means(attended)
    both = np.stack([values[pairs.failed], values[pairs.sustained]], axis=1)
    both = np.concatenate([both, both[:, :1] - both[:, 1:]], axis=1)
    shape = both.shape[1:]
    flat = both.reshape(len(both), -1)
    there = np.isfinite(flat)
    # A tenth that one of the two has not is no pair there: it counts for neither.
    there = (there.reshape(len(both), 3, -1).all(axis=1, keepdims=True) & np.ones((1, 3, 1), bool)).reshape(there.shape)
    known = np.where(there, flat, 0.0)
    first, second = problem[pairs.failed], problem[pairs.sustained]
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    weights = pairs.weight * drawn[:, first] * np.where(first == second, 1, drawn[:, second])
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate = (pairs.weight @ known) / (pairs.weight @ there)
        resampled = (weights @ known) / (weights @ there)
    low, high = np.full((2, flat.shape[1]), np.nan)
    seen = there.any(axis=0)
    tail = (1 - CONFIDENCE) / 2
    low[seen], high[seen] = np.nanquantile(resampled[:, seen], [tail, 1 - tail], axis=0)
    estimate, low, high = estimate.reshape(shape), low.reshape(shape), high.reshape(shape)
    fewest = min(len(set(first.tolist())), len(set(second.tolist())))
    _together(estimate, low, high, resampled.reshape(len(resampled), *shape), fewest)
    return Comparison(estimate, low, high, pairs, len(set(first.tolist())))


def _together(estimate: Floats, low: Floats, high: Floats, resampled: Floats, problems: int) -> None:
    """Widen, in place, the intervals of the difference at single blocks so that all of a measure cover together.

    The largest studentised deviation of each resample (Westfall and Young 1993, section 2.3) gives the factor. As
    errors are estimated from `problems` of them, the factor is that of Student's t with the same tail. Means over
    blocks are one figure for each tenth and keep their own intervals.
    """
    if problems < 2:
        return
    from scipy.stats import norm, t

    at = OUTCOMES.index("difference")
    for measure in range(estimate.shape[-1]):
        cells, drawn = estimate[at, :-1, :, measure], resampled[:, at, :-1, :, measure]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a cell that no pair has
            error = np.nanstd(drawn, axis=0)
            deviation = np.abs(drawn - cells) / np.where(error > 0, error, np.nan)
            largest = np.nanmax(deviation.reshape(len(drawn), -1), axis=1)
            factor = float(t.isf(norm.sf(np.nanquantile(largest, CONFIDENCE)), problems - 1))
        error *= math.sqrt(problems / (problems - 1))
        if np.isfinite(factor):
            low[at, :-1, :, measure] = np.fmin(low[at, :-1, :, measure], cells - factor * error)
            high[at, :-1, :, measure] = np.fmax(high[at, :-1, :, measure], cells + factor * error)


def _with_means(attended: Attended) -> Floats:
    """[answers, blocks + 1, BINS + 1, measures]: tenths and whole, blocks and their mean."""
    values = np.concatenate([attended.mass, attended.whole[:, :, None]], axis=2)
    return np.concatenate([values, values.mean(axis=1, keepdims=True)], axis=1)


def findings(comparison: Comparison, *, model: str, recompute: str = "") -> list[Finding]:
    """`attention.constraint` for every block and their mean ("all"), every tenth (its first percent) and the whole
    answer ("all"), each outcome and measure. The control of failed answers is sustained ones, of a difference 0."""
    made: list[Finding] = []
    against = {"failed": "matched sustained answers", "difference": "no difference"}
    blocks = comparison.estimate.shape[1] - 1
    for o, outcome in enumerate(OUTCOMES):
        for layer in range(blocks + 1):
            for tenth in range(BINS + 1):
                for m, measure in enumerate(MEASURES):
                    at = (o, layer, tenth, m)
                    if not math.isfinite(comparison.estimate[at]):
                        continue
                    beside = 0.0 if outcome == "difference" else float(comparison.estimate[1, layer, tenth, m])
                    made.append(
                        Finding(
                            what="attention.constraint",
                            subject={
                                "model": model,
                                "layer": layer + 1 if layer < blocks else "all",
                                "progress": tenth * 100 // BINS if tenth < BINS else "all",
                                "outcome": outcome,
                                "measure": measure,
                            },
                            estimate=float(comparison.estimate[at]),
                            interval=(float(comparison.low[at]), float(comparison.high[at])),
                            confidence=CONFIDENCE,
                            n=comparison.problems,
                            unit="problems with a failed answer",
                            control=None if outcome == "sustained" else Control(what=against[outcome], estimate=beside),
                            recompute=recompute,
                        )
                    )
    return made
