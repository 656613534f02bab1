"""The study's figures as plain series of numbers, without drawing them.

Rules:
- Nothing here draws: a `Figure` is titles, axis labels and series. What is estimated carries its interval; what is the
  authors' stands as a band under its own label.
- `phase` takes findings alone, so a phase diagram can be drawn from any `findings.json`; the others need a network or
  its history.
- The published distance irrelevance is that of the largest *wrong* logit, so that is what the phase diagram shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from adhere.core.findings import Finding
from adhere.modular.circles import Circle
from adhere.modular.history import History
from adhere.modular.metrics import by_sum_and_difference, right_and_top_wrong
from adhere.modular.network import Network
from adhere.modular.published import QUANTILES

Interval = tuple[float, float]


@dataclass(frozen=True)
class Points:
    """Dots; `names` and `intervals` (in y) are empty or as long as `x`."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    names: tuple[str, ...] = ()
    intervals: tuple[Interval | None, ...] = ()


@dataclass(frozen=True)
class Line:
    label: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]


@dataclass(frozen=True)
class Band:
    """Between `low` and `high`, with a line at `middle`."""

    label: str
    x: tuple[float, ...]
    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class HeatMap:
    """`values[row][column]`, NaN where there is no number."""

    label: str
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]]


Series = Points | Line | Band | HeatMap


@dataclass(frozen=True)
class Figure:
    """Series on common axes. `x_limits` and `y_limits` are None where the data decide; `logarithmic` is the y axis."""

    title: str
    caption: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    x_limits: Interval | None = None
    y_limits: Interval | None = None
    logarithmic: bool = False


def embedding_circles(circles: Sequence[Circle], most: int = 4) -> tuple[Figure, ...]:
    """One figure for each of the strongest circles: tokens in the plane of its two components."""
    made = []
    for circle in circles[:most]:
        x, y = circle.points.T
        made.append(
            Figure(
                title=f"Circle {circle.index + 1}, frequency {circle.frequency}",
                caption=f"Tokens in principal components {2 * circle.index + 1} and {2 * circle.index + 2}; "
                f"{circle.purity:.0%} of their variance lies at that frequency; they hold {circle.share:.0%} "
                "of all variance. "
                + ", ".join(f"{form} {value:.2f}" for form, value in circle.fve.items())
                + " (fraction of variance of the logits explained, this circle alone).",
                x_label=f"component {2 * circle.index + 1}",
                y_label=f"component {2 * circle.index + 2}",
                series=(
                    Points(
                        "tokens", tuple(x.tolist()), tuple(y.tolist()), tuple(str(token) for token in range(len(x)))
                    ),
                ),
            )
        )
    return tuple(made)


def correct_logits(network: Network) -> Figure | None:
    """The logit of the right answer by sum and difference: even columns for a Clock, uneven ones for a Pizza.

    None where the operation has no sums and differences.
    """
    group = network.task.group()
    if group is None:
        return None
    right, _ = right_and_top_wrong(network.all_logits().numpy(), network.task)
    return Figure(
        title="Logit of the right answer",
        caption="By difference (across) and sum (down). A Pizza depends on the difference, so its columns differ; "
        "a Clock does not.",
        x_label=f"(a - b) mod {group.order}",
        y_label=f"(a + b) mod {group.order}",
        series=(HeatMap("logit of the right answer", by_sum_and_difference(right, network.task, group)),),
    )


def emergence(history: History, title: str = "") -> tuple[Figure, ...]:
    """Losses, accuracies, and the metrics as they emerge, over steps."""
    steps = tuple(float(record.step) for record in history.records)
    measured = history.measured
    at = tuple(float(record.step) for record in measured)
    suffix = f", {title}" if title else ""
    marks = [
        f"every held-out pair right from step {history.perfect_at:,}" if history.perfect_at is not None else "",
        f"metrics settled by step {history.settled_at:,}" if history.settled_at is not None else "",
    ]
    said = "; ".join(mark for mark in marks if mark)
    return (
        Figure(
            title=f"Loss{suffix}",
            caption="Cross-entropy in nats.",
            x_label="step",
            y_label="loss",
            series=(
                Line("training pairs", steps, tuple(record.train_loss for record in history.records)),
                Line("held-out pairs", steps, tuple(record.held_out_loss for record in history.records)),
            ),
            logarithmic=True,
        ),
        Figure(
            title=f"Accuracy{suffix}",
            caption=said,
            x_label="step",
            y_label="share right",
            series=(
                Line("training pairs", steps, tuple(record.train_accuracy for record in history.records)),
                Line("held-out pairs", steps, tuple(record.held_out_accuracy for record in history.records)),
            ),
            y_limits=(0.0, 1.0),
        ),
        Figure(
            title=f"Metrics as they emerge{suffix}",
            caption=f"The algorithm settles after the accuracy. {said}".strip(),
            x_label="step",
            y_label="value",
            series=tuple(
                Line(label, at, tuple(getattr(record, name) for record in measured))
                for label, name in (
                    ("gradient symmetricity", "gradient_symmetricity"),
                    ("distance irrelevance", "distance_irrelevance"),
                    ("circularity", "circularity"),
                    ("Clock explains", "clock"),
                    ("Pizza explains", "pizza"),
                )
            ),
            y_limits=(-1.0, 1.0),
        ),
    )


def phase(findings: Iterable[Finding]) -> tuple[Figure, ...]:
    """The phase diagram: gradient symmetricity and distance irrelevance by attention rate, over the authors' quantiles.

    Only addition by transformers is drawn: that is what the authors' runs are.
    """
    mine = [
        finding
        for finding in findings
        if finding.estimate is not None
        and finding.subject.get("model", "transformer") == "transformer"
        and str(finding.subject.get("task", "add")).startswith("add")
        and isinstance(finding.subject.get("alpha"), (int, float))
    ]
    gs = [f for f in mine if f.what == "modular.gradient_symmetricity"]
    di = [f for f in mine if f.what == "modular.distance_irrelevance" and f.subject.get("logit") == "top wrong answer"]
    middle = tuple((q.low + q.high) / 2 for q in QUANTILES)
    runs = sum(q.runs for q in QUANTILES)
    made = []
    for title, taken, quantiles, limits in (
        ("gradient symmetricity", gs, [q.gradient_symmetricity for q in QUANTILES], (0.0, 1.0)),
        ("distance irrelevance (top wrong logit)", di, [q.top_wrong for q in QUANTILES], (0.0, 1.0)),
    ):
        if not taken:
            continue
        low, median, high = (tuple(column) for column in zip(*quantiles, strict=True))
        made.append(
            Figure(
                title=f"Phase diagram: {title}",
                caption=f"Each dot is a training; the band is the 10th to 90th percentile of {runs} released circular "
                "runs, the line in it their median.",
                x_label="attention rate alpha",
                y_label=title,
                series=(Band(f"{runs} released runs", middle, low, median, high), *_by_verdict(taken)),
                x_limits=(0.0, 1.0),
                y_limits=limits,
            )
        )
    return tuple(made)


def generalisation(findings: Iterable[Finding]) -> Figure | None:
    """Share of seeds that generalise by share of pairs trained on, a series for each task; None without any."""
    by_task: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.what == "modular.generalised" and finding.estimate is not None:
            by_task[str(finding.subject.get("task", ""))].append(finding)
    if not by_task:
        return None
    return Figure(
        title="Seeds that generalise",
        caption="Share of seeds right on every held-out pair. For a function drawn at random from those that fit the "
        "training pairs the chance would be n^-h, with n answers and h held-out pairs: nought at this scale.",
        x_label="share of pairs trained on",
        y_label="share of seeds",
        series=tuple(
            Points(
                task,
                tuple(float(f.subject["share"]) for f in found),
                tuple(f.estimate or 0.0 for f in found),
                tuple(f"{f.n} seeds" for f in found),
                tuple(f.interval for f in found),
            )
            for task, found in sorted(by_task.items())
        ),
        x_limits=(0.0, 1.0),
        y_limits=(0.0, 1.0),
    )


def _by_verdict(findings: Sequence[Finding]) -> tuple[Points, ...]:
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[str(finding.subject.get("verdict", "undecided"))].append(finding)
    return tuple(
        Points(
            verdict,
            tuple(float(f.subject["alpha"]) for f in groups[verdict]),
            tuple(f.estimate or 0.0 for f in groups[verdict]),
            tuple(f"seed {f.subject.get('seed', '')}" for f in groups[verdict]),
            tuple(f.interval for f in groups[verdict]),
        )
        for verdict in ("pizza", "undecided", "clock")
        if verdict in groups
    )
