"""What `adhere modular` prints: one network's numbers, trainings as they run, a grid's outcome.

Tables hold no numbers of their own: they lay out examinations, histories and findings.
"""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table as LiveTable
from rich.text import Text

from adhere.cli.tables.layout import Column, Table
from adhere.core.terminal import cell, visible

if TYPE_CHECKING:
    from adhere.modular.examine import Examination
    from adhere.modular.history import Record
    from adhere.modular.metrics import Estimate
    from adhere.modular.network import Network
    from adhere.modular.published import Published
    from adhere.modular.run_spec import Job
    from adhere.modular.runs import Finished, Progress

SHOWN = 16
"""Trainings that the live table shows at once: those that moved last."""


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _estimate(estimate: Estimate | None) -> tuple[str, str, str]:
    if estimate is None:
        return "not defined", "", ""
    span = f"{_number(estimate.interval[0])} to {_number(estimate.interval[1])}" if estimate.interval else "-"
    return _number(estimate.value), span, f"{estimate.n:,}"


def examination(console: Console, network: Network, seen: Examination, start: Examination) -> None:
    """One network: every metric beside its value at initialisation, the circles, the verdict and its reason."""
    model = network.architecture
    rate = f", alpha {model.rate:g}" if model.kind == "transformer" else ""
    names = ("value", 0), ("95 % interval", 1), ("n", 3), ("at initialisation", 2)
    columns = [Column(name, number=True, rank=rank) for name, rank in names]
    table = Table(f"{network.origin}: {model.kind}{rate}, {network.task.name}", ["metric", *columns])
    rows = (
        ("accuracy, " + ("held-out pairs" if seen.held_out else "all pairs"), seen.accuracy, start.accuracy),
        ("gradient symmetricity", seen.gradient_symmetricity, start.gradient_symmetricity),
        ("distance irrelevance", seen.distance_irrelevance, start.distance_irrelevance),
        ("  on the top wrong logit", seen.top_wrong, start.top_wrong),
    )
    for name, now, then in rows:
        table.add(name, *_estimate(now), _number(then.value if then else None))
    table.add("circularity", _number(seen.circularity), "-", "", _number(start.circularity))
    table.print(console)
    if seen.circles:
        names_of_rings = ("circle", "frequency", "purity", "share", "clock", "pizza", "accompanying")
        title = "circles, strongest first; fraction of variance explained"
        rings = Table(title, [Column(name, number=True, rank=max(0, n - 4)) for n, name in enumerate(names_of_rings)])
        for circle in seen.circles:
            rings.add(
                str(circle.index + 1),
                str(circle.frequency),
                _number(circle.purity, 3),
                _number(circle.share, 3),
                *(_number(circle.fve.get(form)) for form in ("clock", "pizza", "accompanying")),
            )
        rings.print(console)
    console.print(cell(f"{seen.verdict.name.upper()}: {seen.verdict.reason}", "bold"))
    for note in network.task.notes():
        console.print(f"Note: {visible(note)}.")


def agreement(console: Console, name: str, seen: Examination, published: Published, tolerance: float) -> list[str]:
    """Ours beside the published numbers; returns what lies further off than `tolerance`."""
    numbers = [Column(column, number=True) for column in ("ours", "published", "difference")]
    table = Table(f"{name}: {published.title} ({published.source})", ["metric", *numbers])
    rows: list[tuple[str, float | None, float | None]] = [
        ("accuracy, all pairs", seen.overall, published.accuracy),
        ("gradient symmetricity", seen.gradient_symmetricity.value, published.gradient_symmetricity),
        ("distance irrelevance", _value(seen.distance_irrelevance), published.distance_irrelevance),
        ("  on the top wrong logit", _value(seen.top_wrong), published.top_wrong),
        ("circularity", seen.circularity, published.circularity),
    ]
    for circle in seen.circles:
        for form, value in circle.fve.items():
            wanted = published.fve.get((circle.index + 1, form))
            if wanted is not None:
                rows.append((f"FVE of circle {circle.index + 1} (frequency {circle.frequency}), {form}", value, wanted))
    off = []
    for metric, ours, theirs in rows:
        difference = None if ours is None or theirs is None else ours - theirs
        table.add(metric, _number(ours), _number(theirs), "-" if difference is None else f"{difference:+.4f}")
        if difference is not None and abs(difference) > tolerance:
            off.append(f"{name}: {metric.strip()} is {ours:.4f}, published {theirs:.4f}")
    table.print(console)
    console.print(cell(f"{seen.verdict.name.upper()}: {seen.verdict.reason}", "bold"))
    return off


class _Board:
    """The state of trainings as they report; rendered on demand."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.last: dict[Job, Record] = {}
        self.measured: dict[Job, Record] = {}
        self.order: list[Job] = []

    def take(self, job: Job, record: Record) -> None:
        self.last[job] = record
        if record.measured:
            self.measured[job] = record
        if job in self.order:
            self.order.remove(job)
        self.order.append(job)

    def __rich__(self) -> Group:
        table = LiveTable(box=None, pad_edge=False)
        for name in (
            "training",
            "step",
            "loss",
            "held-out",
            "right",
            "symmetricity",
            "irrelevance",
            "circular",
            "reads as",
        ):
            table.add_column(name, justify="left" if name in ("training", "reads as") else "right")
        for job in sorted(self.order[-SHOWN:], key=lambda job: job.name):
            now, measured = self.last[job], self.measured.get(job)
            table.add_row(
                job.name,
                f"{now.step:,}",
                f"{now.train_loss:.1e}",
                f"{now.held_out_loss:.1e}",
                f"{now.held_out_accuracy:.1%}",
                *(
                    _number(getattr(measured, name) if measured else None, 3)
                    for name in ("gradient_symmetricity", "distance_irrelevance", "circularity")
                ),
                measured.verdict if measured else "",
            )
        return Group(table, Text(f"{len(self.last)} of {self.total} trainings begun", style="dim"))


@contextmanager
def live(console: Console, total: int) -> Iterator[Progress]:
    """A callback that shows trainings as they run: a live table on a terminal, a line per measurement elsewhere."""
    if not console.is_terminal:

        def line(job: Job, record: Record) -> None:
            if record.measured:
                print(
                    f"{job.name} step {record.step}: held-out {record.held_out_accuracy:.1%}, "
                    f"symmetricity {_number(record.gradient_symmetricity, 3)}, "
                    f"irrelevance {_number(record.distance_irrelevance, 3)}, "
                    f"circularity {_number(record.circularity, 3)}: {record.verdict}",
                    file=sys.stderr,
                    flush=True,
                )

        yield line
        return
    board = _Board(total)
    with Live(board, console=console, refresh_per_second=4, transient=True):
        yield board.take


def outcome(console: Console, done: Sequence[Finished]) -> None:
    """Trainings by cell of the grid: how many generalise, when, and what they are."""
    cells: dict[tuple[str, str, float, float], list[Finished]] = {}
    for one in done:
        job = one.job
        key = (job.task.name, job.architecture.kind, job.architecture.rate, job.recipe.share)
        cells.setdefault(key, []).append(one)
    names = ("alpha", 0), ("share", 0), ("perfect", 0), ("at step", 2), ("settled", 3)
    metrics = ("symmetricity", 1), ("irrelevance", 1), ("circularity", 1)
    columns = [Column(name, number=True, rank=rank) for name, rank in (*names, *metrics)]
    table = Table("trainings", ["task", *columns, "verdicts"])
    for (task, kind, rate, share), runs in cells.items():
        last = [run.history.measured[-1] for run in runs]
        verdicts = Counter(run.verdict for run in runs)
        table.add(
            task,
            f"{rate:.2f}" if kind == "transformer" else f"linear {kind}",
            f"{share:.2f}",
            f"{sum(run.generalised for run in runs)}/{len(runs)}",
            _middle([run.history.perfect_at for run in runs]),
            _middle([run.history.settled_at for run in runs]),
            *(
                _number(_median([getattr(record, name) for record in last]), 3)
                for name in ("gradient_symmetricity", "distance_irrelevance", "circularity")
            ),
            ", ".join(f"{count} {name}" for name, count in verdicts.most_common()),
        )
    table.print(console)
    console.print(
        "Perfect: seeds that are right on every held-out pair; at step: when they were. Steps, gradient symmetricity, "
        "distance irrelevance and circularity are medians over seeds.",
        style="dim",
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _middle(steps: Sequence[int | None]) -> str:
    known = [step for step in steps if step is not None]
    return f"{statistics.median_low(known):,}" if known else "-"
