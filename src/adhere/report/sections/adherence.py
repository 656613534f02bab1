"""Adherence: by model and by constraint, where answers broke, which constraints fail together, the largest violations.

Drawn from a scored run (`measure.adherence.run.ScoreRun`). Records are read once, and only what is shown is kept.
"""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from adhere.constraints.constraint import Profile
from adhere.measure.adherence.counts import Tallied
from adhere.measure.adherence.records import ConstraintOutcome, Instruction, Record
from adhere.measure.adherence.run import ScoreRun
from adhere.measure.adherence.summary import Comparison, between_models
from adhere.measure.adherence.tally import Subject
from adhere.measure.statistics.rates import Rate, phi
from adhere.report.charts import Chart, Grid, Point, dendrogram, heat, histogram, points
from adhere.report.numbers import between, gain, percent
from adhere.report.page import Block, Charts, Example, Examples, Excerpt, Fact, Facts, Prose, Section, Table
from adhere.report.sections.adherence_headline import Leader, headline, leader

MOST_MODELS = 24
"""Models in one figure; more are in the tables."""
MOST_EXAMPLES = 12
FEWEST = 5
"""Instructions of a family that make a cell of the heat map more than an anecdote; broken ones for a histogram."""
FEWEST_TOGETHER = 10
"""Prompts that ask for two families, for their correlation to be looked at."""


def section(run: ScoreRun, *, recompute: str = "") -> Section:
    """The section."""
    tally, profile = run.tally, run.profile
    shown = _seen(run, profile)
    subjects = tally.subjects()
    lead = (
        f"{run.responses:,} responses of {_several(len({s.model for s in subjects}), 'model')}; every "
        "instruction is checked by code. Intervals are 95 %: Wilson's for prompts, clustered by "
        "prompt for instructions."
    )
    compared = list(between_models(tally, profile)) if len(subjects) > 1 else []
    blocks: list[Block] = [_facts(tally, subjects, profile, compared)]
    charts = [_by_model(tally, subjects, run.profiles, recompute), *_by_family(tally, subjects, profile, recompute)]
    if where := _where(shown, recompute):
        charts.append(where)
    charts += _together(tally, profile, recompute)
    blocks.append(Charts(tuple(charts)))
    blocks.append(_numbers(tally, subjects, run.profiles, recompute))
    if len(subjects) > 1:
        blocks.append(_compared(compared, recompute))
    blocks += _degenerate(tally, subjects)
    if shown.worst:
        blocks.append(_worst(shown))
    if run.bad_count:
        blocks.append(Prose(f"{_several(run.bad_count, 'line')} could not be read and were counted as not followed."))
    return Section("adherence", "Adherence", lead, tuple(blocks), headline(tally, subjects, profile, compared))


def _several(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def _name(subject: Subject, tally: Tallied) -> str:
    """A subject's name, with its set if several sets are shown."""
    several = len({one.set for one in tally.subjects()}) > 1
    return f"{subject.model} ({subject.set})" if several else subject.model


def _by_set(subjects: Sequence[Subject]) -> list[list[Subject]]:
    """The subjects of each set that several models answered."""
    sets = dict.fromkeys(subject.set for subject in subjects)
    grouped = [[subject for subject in subjects if subject.set == of] for of in sets]
    return [here for here in grouped if len(here) > 1]


def _leading(ahead: Leader) -> Fact:
    """Which model follows most on a set, or that this cannot be told."""
    of, share = ahead.subject.set, f"{percent(ahead.rate.estimate)}, {between(ahead.rate.interval)}"
    if ahead.leads:
        return Fact(f"Follows most on {of}", ahead.subject.model, f"{share}, n = {ahead.rate.n:,}")
    why = f"not told from {ahead.rival}" if ahead.rival else "the models answered different prompts"
    return Fact(
        f"Follows most on {of}",
        "cannot tell",
        f"highest share: {ahead.subject.model}, {share}, n = {ahead.rate.n:,}; {why}",
    )


def _facts(tally: Tallied, subjects: Sequence[Subject], profile: Profile, compared: Sequence[Comparison]) -> Facts:
    first = subjects[0]
    instructions = sum(tally.instructions(subject, profile).n for subject in subjects)
    facts = [
        Fact("Models", f"{len({subject.model for subject in subjects})}"),
        Fact("Prompts", f"{max(tally.prompts(subject).clusters for subject in subjects):,}", "per model, at most"),
        Fact("Instructions checked", f"{instructions:,}", f"of {len(_kinds(tally, subjects, profile))} kinds"),
    ]
    if len(subjects) == 1:
        prompts, single = tally.prompts(first, profile), tally.instructions(first, profile)
        facts.append(Fact("Prompts followed", percent(prompts.estimate), between(prompts.interval)))
        facts.append(Fact("Instructions followed", percent(single.estimate), between(single.interval)))
    else:
        facts += [_leading(leader(tally, here, profile, compared)) for here in _by_set(subjects)]
    return Facts(tuple(facts))


def _by_model(tally: Tallied, subjects: Sequence[Subject], profiles: Sequence[Profile], recompute: str) -> Chart:
    ordered = sorted(subjects, key=lambda subject: -tally.prompts(subject, profiles[0]).estimate)[:MOST_MODELS]
    rows = []
    for subject in ordered:
        for profile in profiles:
            rate = tally.prompts(subject, profile)
            rows.append(Point(_name(subject, tally), rate.estimate, rate.interval, profile, rate.n))
    caption = "Share of prompts whose every instruction is followed (strict)."
    if len(profiles) > 1:
        caption += " Fixed follows what the instruction says; reference follows the benchmark's own checker."
    return points("Adherence by model", rows, caption=caption, recompute=recompute)


def _kinds(tally: Tallied, subjects: Sequence[Subject], profile: Profile) -> list[str]:
    return sorted({kind for subject in subjects for kind in tally.families(subject, profile)})


def _by_family(tally: Tallied, subjects: Sequence[Subject], profile: Profile, recompute: str) -> list[Chart]:
    charts = []
    kinds = _kinds(tally, subjects, profile)
    families = {subject: tally.families(subject, profile) for subject in subjects}
    if len(subjects) == 1:
        ordered = sorted(families[subjects[0]].items(), key=lambda item: item[1].estimate)
        rows = [Point(kind, rate.estimate, rate.interval, n=rate.n) for kind, rate in ordered]
        charts.append(
            points(
                "Adherence by constraint", rows, caption="Share of instructions followed (strict).", recompute=recompute
            )
        )
    else:
        shown = list(subjects)[:MOST_MODELS]
        rates = [[families[subject].get(kind) for subject in shown] for kind in kinds]
        values = tuple(tuple(rate.estimate if rate and rate.n else None for rate in row) for row in rates)
        few = frozenset((i, j) for i, row in enumerate(rates) for j, r in enumerate(row) if r and r.n < FEWEST)
        caption = "Share of instructions followed (strict)."
        caption += f" Underlined: fewer than {FEWEST} instructions." if few else ""
        grid = Grid(tuple(kinds), tuple(_name(subject, tally) for subject in shown), values, few)
        charts.append(heat("Adherence by model and constraint", grid, caption=caption, recompute=recompute))
    skills = {subject: tally.skills(subject, profile) for subject in subjects}
    if any(skills.values()):
        charts.append(_by_skill([_name(subject, tally) for subject in subjects], list(skills.values()), recompute))
    return charts


def _by_skill(names: Sequence[str], skills: Sequence[dict[str, Rate]], recompute: str) -> Chart:
    """A dot plot for up to four subjects, a heat map for more."""
    title, caption = "Adherence by skill", "The nine skills of arXiv 2604.06015, if the prompts ask for them."
    if len(names) <= 4:
        rows = [
            Point(skill, rate.estimate, rate.interval, name, rate.n)
            for name, rates in zip(names, skills, strict=True)
            for skill, rate in rates.items()
        ]
        return points(title, rows, caption=caption, recompute=recompute)
    measured = sorted({skill for rates in skills for skill in rates})
    names, skills = names[:MOST_MODELS], skills[:MOST_MODELS]
    values = tuple(tuple(r[skill].estimate if skill in r else None for r in skills) for skill in measured)
    return heat(title, Grid(tuple(measured), tuple(names), values), caption=caption, recompute=recompute)


@dataclass
class _Shown:
    """What the section needs from the records."""

    places: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    early: int = 0
    broken: int = 0
    worst: list[tuple[float, int, Record, Instruction, ConstraintOutcome]] = field(default_factory=list)


def _seen(run: ScoreRun, profile: Profile) -> _Shown:
    shown = _Shown()
    number = count()
    per_kind: dict[str, int] = defaultdict(int)
    for record in run.records():
        for instruction in record.instructions:
            outcome = instruction.outcome(profile)
            if outcome is None or outcome.strict or not record.length:
                continue
            shown.broken += 1
            if outcome.verdict == "broken" and outcome.at is not None and outcome.at < record.length:
                shown.early += 1
                shown.places[record.model].append(outcome.at / record.length)
            if instruction.excerpt and per_kind[instruction.kind] < 3:
                per_kind[instruction.kind] += 1
                badness = _badness(instruction, outcome)
                heapq.heappush(shown.worst, (badness, -next(number), record, instruction, outcome))
                if len(shown.worst) > MOST_EXAMPLES:
                    heapq.heappop(shown.worst)
    return shown


def _badness(instruction: Instruction, outcome: ConstraintOutcome) -> float:
    """Size of a violation: distance from the bound, plus one if spans decided it."""
    measured = outcome.found
    bounds = [instruction.constraint.get(name) for name in ("at_most", "at_least")]
    limits = [bound for bound in bounds if isinstance(bound, int) and bound > 0]
    off = 0.0
    if isinstance(measured, int | float) and limits:
        off = min(3.0, max(abs(measured - limit) / limit for limit in limits))
    return off + (1.0 if outcome.spans else 0.0)


def _where(shown: _Shown, recompute: str) -> Chart | None:
    places = {model: values for model, values in shown.places.items() if len(values) >= FEWEST}
    if not places:
        return None
    largest = dict(sorted(places.items(), key=lambda item: -len(item[1]))[:8])
    caption = (
        "Position in the response at which an instruction became impossible to meet, as a share of "
        f"its length: {shown.early:,} of {shown.broken:,} violations were certain before the end."
    )
    return histogram(
        "Where responses broke", largest, caption=caption, x="position in the response", recompute=recompute
    )


def _together(tally: Tallied, profile: Profile, recompute: str) -> list[Chart]:
    """Kinds that fail together: phi over prompts that ask for both, and its clusters."""
    pairs = {
        pair: value
        for pair, cells in tally.fail_together(profile).items()
        if sum(cells) >= FEWEST_TOGETHER and (value := phi(*cells)) is not None
    }
    degree: dict[str, int] = defaultdict(int)
    for pair in pairs:
        for kind in pair:
            degree[kind] += 1
    kinds = sorted(kind for kind, n in degree.items() if n >= 2)[:26]
    if len(kinds) < 3:
        return []
    at = {kind: i for i, kind in enumerate(kinds)}
    matrix = np.full((len(kinds), len(kinds)), np.nan)
    for (one, other), value in pairs.items():
        if one in at and other in at:
            matrix[at[one], at[other]] = matrix[at[other], at[one]] = value
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = 1 - np.nan_to_num(matrix, nan=0.0)  # families never asked for together: no relation known
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average")
    order = [int(i) for i in leaves_list(tree)]
    grid = Grid(
        tuple(kinds[i] for i in order),
        tuple(kinds[i] for i in order),
        tuple(tuple(None if np.isnan(matrix[i, j]) else float(matrix[i, j]) for j in order) for i in order),
    )
    caption = (
        f"Phi coefficient of two kinds failing in one response, over at least {FEWEST_TOGETHER} "
        "prompts that ask for both. Empty: too few such prompts."
    )
    return [
        heat(
            "Constraints that fail together",
            grid,
            caption=caption,
            limits=(-0.6, 0.6),
            diverging=True,
            recompute=recompute,
        ),
        dendrogram(
            "Clusters of constraints that fail together",
            kinds,
            tree,
            caption="Average linkage on 1 − phi.",
            x="1 − phi",
        ),
    ]


def _numbers(tally: Tallied, subjects: Sequence[Subject], profiles: Sequence[Profile], recompute: str) -> Table:
    rows = []
    for subject in subjects:
        for profile in profiles:
            rates = [
                rate(subject, profile, loose) for rate in (tally.prompts, tally.instructions) for loose in (False, True)
            ]
            cells = [f"{100 * rate.estimate:.1f} ({between(rate.interval)})" for rate in rates]
            rows.append((_name(subject, tally), profile, *cells, str(rates[0].n)))
    header = (
        "model",
        "profile",
        "prompts, strict %",
        "prompts, loose %",
        "instructions, strict %",
        "instructions, loose %",
        "n",
    )
    return Table("Adherence, all measures", header, tuple(rows), recompute=recompute)


def _compared(comparisons: Iterable[Comparison], recompute: str) -> Block:
    pairs = list(comparisons)
    rows = tuple(
        (
            c.a,
            c.b,
            gain(c.difference.estimate),
            between(c.difference.interval, sign=True),
            f"{c.p_holm:.2g}",
            "significant" if c.real else "not significant",
        )
        for c in pairs[:60]
    )
    if not rows:
        return Prose("No two models answered the same prompts, so no comparison is possible.")
    caption = (
        "Paired differences in percentage points on the same prompts (strict, prompt level): "
        "bootstrap intervals, exact tests, Holm's correction over all pairs."
    )
    if len(pairs) > len(rows):
        caption += f" Showing the {len(rows)} smallest p-values of {len(pairs)}; all are in the findings."
    return Table("Differences between models", ("better", "than", "points", "95 %", "p", ""), rows, caption, recompute)


def _degenerate(tally: Tallied, subjects: Sequence[Subject]) -> list[Block]:
    rows = []
    for subject in subjects:
        rates = tally.degenerate(subject)
        if any(rate.met for rate in rates.values()):
            rows.append((_name(subject, tally), *(f"{rate.met} of {rate.n}" for rate in rates.values())))
    if not rows:
        return [Prose("No response was empty, looped, a refusal or truncated.")]
    header = ("model", *tally.degenerate(subjects[0]))
    caption = "Counted separately from disobedience. They follow an instruction only by coincidence."
    return [Table("Degenerate responses", header, tuple(rows), caption)]


def _worst(shown: _Shown) -> Examples:
    ordered = sorted(shown.worst, key=lambda item: (-item[0], -item[1]))
    return Examples(
        "Largest violations",
        tuple(_example(*item[2:]) for item in ordered),
        "Ordered by distance from the bound; the deciding text is highlighted.",
    )


def _example(record: Record, instruction: Instruction, outcome: ConstraintOutcome) -> Example:
    note = f"{record.file}, line {record.line}. " if record.file else ""
    return Example(
        title=f"{record.model}: {instruction.kind}",
        asked=record.prompt,
        excerpt=Excerpt(tuple(_marked(instruction, outcome))),
        verdict=outcome.reason,
        family=instruction.kind,
        note=note + "Constraint: " + json.dumps(instruction.constraint, ensure_ascii=False),
    )


def _marked(instruction: Instruction, outcome: ConstraintOutcome) -> list[tuple[str, bool]]:
    """The excerpt in pieces; where no span decided it, what follows the deciding character is marked."""
    text, start = instruction.excerpt or "", instruction.excerpt_start
    spans = [(max(0, a - start), min(len(text), b - start)) for a, b in sorted(outcome.spans)]
    spans = [(a, b) for a, b in spans if a < b]
    if not spans and outcome.at is not None and 0 < outcome.at - start < len(text):
        spans = [(outcome.at - start - 1, len(text))]
    pieces: list[tuple[str, bool]] = [("… ", False)] if start else []
    at = 0
    for a, b in spans:
        if a > at:
            pieces.append((text[at:a], False))
        if b > max(a, at):
            pieces.append((text[max(a, at) : b], True))
        at = max(at, b)
    return [*pieces, (text[at:], False)]
