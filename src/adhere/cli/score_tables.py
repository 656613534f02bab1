"""The tables that `adhere score` and `adhere compare` print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adhere.measure.adherence.summary import Comparison, between_models, weakest

if TYPE_CHECKING:
    from adhere.constraints.constraint import Profile
    from adhere.measure.adherence.run import ScoreRun
    from adhere.measure.adherence.tally import Subject
    from adhere.measure.statistics.rates import Rate

_COLUMNS = (("prompt", False), ("instruction", False), ("prompt", True), ("instruction", True))
MOST_PAIRS = 12
"""Comparisons printed; all of them are in the findings."""


def percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return "–" if math.isnan(value) else f"{100 * value:+.1f}"


ROOMY = 110
"""Columns of a terminal from which on intervals have a decimal."""


def _rate(rate: Rate, roomy: bool) -> Text:
    low, high = (percent(bound) if roomy else f"{100 * bound:.0f}" for bound in rate.interval)
    return Text.assemble((percent(rate.estimate), "bold"), (f" {low}–{high}", "dim"))


def difference(numbers: Sequence[str]) -> Text:
    """A difference and its interval, each in words of its unit."""
    return Text.assemble((numbers[0], "bold"), (f" {numbers[1]} to {numbers[2]}", "dim"))


def in_points(estimate: float, interval: tuple[float, float], roomy: bool) -> Text:
    """A difference of shares and its interval, in percentage points."""
    bounds = (points(bound) if roomy else f"{100 * bound:+.0f}" for bound in interval)
    return difference([points(estimate), *bounds])


def print_run(run: ScoreRun, *, seed: int, partial: bool = False, console: Console | None = None) -> None:
    """Everything about a run that fits a terminal."""
    console = console or Console()
    subjects = run.tally.subjects()
    for of in dict.fromkeys(subject.set for subject in subjects):
        here = [subject for subject in subjects if subject.set == of]
        for subject in here:
            _unanswered(run, subject, console)
        console.print(_adherence(run, here, of, partial, console.width >= ROOMY))
        for subject in here:
            _notes(run, subject, console)
    _counts(run, console)
    if len(subjects) > 1 and not partial:
        print_differences(between_models(run.tally, run.profile, seed=seed), run.profile, console)


def _adherence(run: ScoreRun, subjects: Sequence[Subject], of: str, partial: bool, roomy: bool) -> Table:
    title = f"Instructions followed, % with 95 % interval · {of}" + (" · stopped, so far" if partial else "")
    table = Table(
        title=title, title_justify="left", title_style="bold", header_style="dim", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("model", overflow="fold", min_width=8)
    table.add_column("", style="dim", no_wrap=True)
    for level, loose in _COLUMNS:
        table.add_column(f"{level}\n{'loose' if loose else 'strict'}", justify="right", no_wrap=True)
    for subject in subjects:
        rates = [
            [_measured(run, subject, level, loose, profile) for level, loose in _COLUMNS] for profile in run.profiles
        ]
        n = Text(f"{rates[0][0].n:,} prompts", style="dim")
        for k, (profile, row) in enumerate(zip(run.profiles, rates, strict=True)):
            name = (subject.model, n)[k] if len(rates) > 1 else Text.assemble(subject.model, "\n", n)
            short = profile if roomy or profile == "fixed" else "ref."
            table.add_row(name, short, *(_rate(rate, roomy) for rate in row), end_section=len(rates) == 1)
        if len(rates) > 1:
            gaps = [a.estimate - b.estimate for a, b in zip(*rates, strict=True)]
            table.add_row(
                "",
                "difference" if roomy else "diff.",
                *(Text(points(gap), style="dim") for gap in gaps),
                end_section=True,
            )
    return table


_WAYS = {"failed": "failed or null", "unread": "could not be read", "absent": "not in the file"}


def _unanswered(run: ScoreRun, subject: Subject, console: Console) -> None:
    """Above the table: the answers that are not there, which its rates count as not followed."""
    ways = run.unanswered(subject)
    if ways:
        total = sum(ways.values())
        parts = ", ".join(f"{count:,} {_WAYS[way]}" for way, count in ways.items())
        line = f"{subject.model}: {total:,} of {run.tally.responses(subject):,} answers are missing ({parts})"
        console.print(Text(f"{line}; they count as not followed", style="yellow"))


def _measured(run: ScoreRun, subject: Subject, level: str, loose: bool, profile: Profile) -> Rate:
    measured = run.tally.prompts if level == "prompt" else run.tally.instructions
    return measured(subject, profile, loose)


def _notes(run: ScoreRun, subject: Subject, console: Console) -> None:
    """What else a reader must know of a model: what it follows least, and answers that are none."""
    weak = weakest(run.tally.families(subject, run.profile).items())
    if weak:
        shares = ", ".join(f"{kind} {percent(rate.estimate)} % of {rate.n}" for kind, rate in weak)
        console.print(Text(f"{subject.model} follows least: {shares}", style="dim"))
    ways = {name: rate.met for name, rate in run.tally.degenerate(subject).items() if rate.met and name not in _WAYS}
    if ways:
        console.print(
            Text(
                f"{subject.model} gave no proper answer: " + ", ".join(f"{n} {name}" for name, n in ways.items()), "dim"
            )
        )
    unsure = run.tally.unsure(subject, run.profile)
    if unsure:
        console.print(Text(f"{subject.model}: {unsure} verdicts cannot be told, and count as not followed", "dim"))


def _counts(run: ScoreRun, console: Console) -> None:
    resumed = f", {run.resumed:,} of them by the run before" if run.resumed else ""
    console.print(Text(f"{run.responses:,} responses scored{resumed} in {run.seconds:.1f} s", style="dim"))
    if run.bad_count:
        plural = "s" if run.bad_count > 1 else ""
        console.print(Text(f"{run.bad_count:,} row{plural} could not be read, the first:", style="yellow"))
        for bad in run.bad[:5]:
            console.print(Text(f"  {bad}", style="yellow"), soft_wrap=True)
    if run.unattributed:
        line = f"{run.unattributed:,} of them name no model, in a file of several: no rate counts them"
        console.print(Text(line, style="yellow"))


def print_differences(
    comparisons: Sequence[Comparison], profile: str, console: Console, title: str = "Paired differences"
) -> None:
    """Which differences between subjects are more than chance, a table for each set of prompts."""
    shown = comparisons[:MOST_PAIRS]
    for of in dict.fromkeys(comparison.set for comparison in shown):
        heading = f"{title}, points with 95 % interval · {of}, {profile}, prompt strict"
        table = Table(
            title=heading, title_justify="left", title_style="bold", header_style="dim", box=SIMPLE_HEAD, pad_edge=False
        )
        table.add_column("A", overflow="fold")
        table.add_column("B", overflow="fold")
        for name in ("A − B", "for A", "for B", "p"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("real?", no_wrap=True)
        for comparison in shown:
            if comparison.set != of:
                continue
            d = comparison.difference
            gap = in_points(d.estimate, d.interval, console.width >= ROOMY)
            verdict = Text("yes", style="green") if comparison.real else Text("cannot tell", style="dim")
            only = str(d.only_a), str(d.only_b)
            table.add_row(comparison.a, comparison.b, gap, *only, p_value(comparison.p_holm), verdict)
        console.print(table)
    if len(comparisons) > MOST_PAIRS:
        console.print(Text(f"{len(comparisons) - MOST_PAIRS} more pairs: --json FILE has them all", style="dim"))
    if comparisons:
        note = f"{comparisons[0].difference.test}, p corrected by Holm over {len(comparisons)}"
        console.print(Text(note, style="dim"))


def p_value(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"
