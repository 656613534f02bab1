"""The tables that `adhere score` and `adhere compare` print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from adhere.api.ci import broken, where
from adhere.cli.console import ROOMY
from adhere.cli.tables.layout import Column, Table
from adhere.core.terminal import cell
from adhere.measure.adherence.summary import Comparison, between_models, weakest
from adhere.report.numbers import gain, in_percent

if TYPE_CHECKING:
    from rich.console import Console

    from adhere.constraints.constraint import Profile
    from adhere.measure.adherence.run import ScoreRun
    from adhere.measure.adherence.tally import Subject
    from adhere.measure.statistics.rates import Rate

_COLUMNS = (("prompt", False), ("instruction", False), ("prompt", True), ("instruction", True))
MOST_PAIRS = 12
"""Comparisons printed; all of them are in the findings."""


def _rate(rate: Rate, roomy: bool) -> Text:
    low, high = (in_percent(bound) if roomy else f"{100 * bound:.0f}" for bound in rate.interval)
    return Text.assemble((in_percent(rate.estimate), "bold"), (f" {low}–{high}", "dim"))


def difference(numbers: Sequence[str]) -> Text:
    """A difference and its interval, each in words of its unit."""
    return Text.assemble((numbers[0], "bold"), (f" {numbers[1]} to {numbers[2]}", "dim"))


def in_points(estimate: float, interval: tuple[float, float], roomy: bool) -> Text:
    """A difference of shares and its interval, in percentage points."""
    bounds = (gain(bound) if roomy else f"{100 * bound:+.0f}" for bound in interval)
    return difference([gain(estimate), *bounds])


def print_run(run: ScoreRun, *, seed: int, console: Console, partial: bool = False) -> None:
    """Everything about a run that fits a terminal."""
    subjects = run.tally.subjects()
    for of in dict.fromkeys(subject.set for subject in subjects):
        here = [subject for subject in subjects if subject.set == of]
        for subject in here:
            _unanswered(run, subject, console)
        _adherence(run, here, of, partial, console.width >= ROOMY).print(console)
        for subject in here:
            _notes(run, subject, console)
        for of_subject in here:
            _sessions(run, of_subject, console)
    _counts(run, console)
    if len(subjects) > 1 and not partial:
        print_differences(between_models(run.tally, run.profile, seed=seed), run.profile, console)


def _adherence(run: ScoreRun, subjects: Sequence[Subject], of: str, partial: bool, roomy: bool) -> Table:
    """A row for each model; where the profiles differ, a second one and the difference."""
    title = f"Instructions followed, % with 95 % interval · {of}" + (" · stopped, so far" if partial else "")
    ranks = (0, 1, 2, 3)
    columns = [
        Column(f"{level} {'loose' if loose else 'strict'}", number=True, rank=rank)
        for (level, loose), rank in zip(_COLUMNS, ranks, strict=True)
    ]
    table = Table(title, ["model", Column("profile", style="dim"), Column("n", number=True, rank=4), *columns])
    for subject in subjects:
        rates = {
            profile: [_measured(run, subject, level, loose, profile) for level, loose in _COLUMNS]
            for profile in run.profiles
        }
        same = len({tuple(rate.estimate for rate in row) for row in rates.values()}) == 1
        shown = list(rates.items())[: 1 if same else None]
        for profile, row in shown:
            name = "both" if same and len(rates) > 1 else profile
            table.add(subject.model, name, f"{row[0].n:,}", *(_rate(rate, roomy) for rate in row))
        if len(shown) > 1:
            gaps = (Text(gain(a.estimate - b.estimate), style="dim") for a, b in zip(*rates.values(), strict=True))
            table.add(subject.model, "difference", "", *gaps, end_section=True)
    return table


MOST_FAILURES = 5


def print_failures(run: ScoreRun, console: Console, most: int = MOST_FAILURES) -> None:
    """The first responses that do not follow an instruction: where, which kind, why."""
    shown = 0
    for record in run.records():
        for kind, reason in broken(record, run.profile):
            if not shown:
                console.print(cell("First failures", "bold"))
            console.print(Text.assemble(cell(f"  {where(record)}  "), cell(kind, "bold"), cell(f"  {reason}")))
            shown += 1
            if shown == most:
                console.print(cell("  More: --report FILE shows the worst, --json FILE has all counts.", "dim"))
                return


def _sessions(run: ScoreRun, subject: Subject, console: Console) -> None:
    """How a model keeps to instructions over the turns of its conversations, where it has any."""
    if (subject.model, subject.set) not in run.sessions.subjects():
        return
    rates = run.sessions.rates((subject.model, subject.set), run.profile)
    title = f"{subject.model}: conversations, % with 95 % interval · {run.profile}, strict"
    table = Table(title, ["what", Column("followed", number=True), Column("n", number=True)])
    roomy = console.width >= ROOMY
    rows = [("all turns of a session", rates.sessions)]
    rows += [(f"answers at turn {turn}", one) for turn, one in rates.turns.items()]
    rows += [
        (f"instructions, {age} turns later" if age else "instructions, the turn they are stated", one)
        for age, one in rates.by_age.items()
    ]
    for pair, (higher, lower) in rates.conflicts.items():
        rows += [(f"in conflict, {pair}: the higher is followed", higher), ("the lower is followed", lower)]
    for what, one in rows:
        table.add(what, _rate(one, roomy), str(one.n))
    table.print(console)


_WAYS = {"failed": "failed or null", "unread": "could not be read", "absent": "not in the file"}


def _unanswered(run: ScoreRun, subject: Subject, console: Console) -> None:
    """Above the table: the answers that are missing, which its rates count as not followed."""
    ways = run.unanswered(subject)
    if ways:
        total = sum(ways.values())
        parts = ", ".join(f"{count:,} {_WAYS[way]}" for way, count in ways.items())
        line = f"{subject.model}: {total:,} of {run.tally.responses(subject):,} answers are missing ({parts})"
        console.print(cell(f"{line}; they count as not followed", style="yellow"))


def _measured(run: ScoreRun, subject: Subject, level: str, loose: bool, profile: Profile) -> Rate:
    measured = run.tally.prompts if level == "prompt" else run.tally.instructions
    return measured(subject, profile, loose)


def _notes(run: ScoreRun, subject: Subject, console: Console) -> None:
    """What else a reader must know of a model: what it follows least, and answers that are none."""
    weak = weakest(run.tally.families(subject, run.profile).items())
    if weak:
        shares = ", ".join(f"{kind} {in_percent(rate.estimate)} % of {rate.n}" for kind, rate in weak)
        console.print(cell(f"{subject.model} follows least: {shares}", style="dim"))
    ways = {name: rate.met for name, rate in run.tally.degenerate(subject).items() if rate.met and name not in _WAYS}
    if ways:
        counts = ", ".join(f"{n} {name}" for name, n in ways.items())
        console.print(cell(f"{subject.model} gave no proper answer: {counts}", "dim"))
    unsure = run.tally.unsure(subject, run.profile)
    if unsure:
        console.print(cell(f"{subject.model}: {unsure} verdicts are undecided and count as not followed", "dim"))


def _counts(run: ScoreRun, console: Console) -> None:
    resumed = f", {run.resumed:,} of them in the earlier run" if run.resumed else ""
    console.print(cell(f"{run.responses:,} responses scored{resumed} in {run.seconds:.1f} s", style="dim"))
    if run.unstated:
        line = f"{run.unstated:,} responses left out: their prompts state no constraint that is understood"
        console.print(cell(f"{line}; `adhere parse TEXT` shows how a prompt is read", style="yellow"))
    if run.bad_count:
        plural = "s" if run.bad_count > 1 else ""
        console.print(cell(f"{run.bad_count:,} row{plural} could not be read, the first:", style="yellow"))
        for bad in run.bad[:5]:
            console.print(cell(f"  {bad}", style="yellow"), soft_wrap=True)
    if run.unattributed:
        line = f"{run.unattributed:,} of them cannot be attributed to a model and are in no rate"
        console.print(cell(line, style="yellow"))


def print_differences(
    comparisons: Sequence[Comparison], profile: str, console: Console, title: str = "Paired differences"
) -> None:
    """Which differences between models are more than chance, a table for each set of prompts."""
    shown = comparisons[:MOST_PAIRS]
    for of in dict.fromkeys(comparison.set for comparison in shown):
        heading = f"{title}, points with 95 % interval · {of}, {profile}, prompt strict"
        numbers = [Column("A − B", True), Column("for A", True, 2), Column("for B", True, 2), Column("p", True, 1)]
        table = Table(heading, ["A", "B", *numbers, "real?"])
        for comparison in shown:
            if comparison.set == of:
                d = comparison.difference
                gap = in_points(d.estimate, d.interval, console.width >= ROOMY)
                cells = gap, str(d.only_a), str(d.only_b), p_value(comparison.p_holm), verdict(comparison)
                table.add(comparison.a, comparison.b, *cells)
        table.print(console)
    if len(comparisons) > MOST_PAIRS:
        console.print(cell(f"{len(comparisons) - MOST_PAIRS} more pairs: --json FILE has them all", "dim"))
    if comparisons:
        note = f"{comparisons[0].difference.test}, p corrected by Holm over {len(comparisons)}"
        console.print(cell(note, "dim"))


def verdict(comparison: Comparison) -> Text:
    """Whether a difference is more than chance."""
    return Text("yes", style="green") if comparison.real else Text("cannot tell", style="dim")


def p_value(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"
