"""Interference: Sustain over k, losses net of chance, failure patterns, and single cases.

Drawn from `measure.sustain` (`Scores`, `Lost`) and the findings of the attention analysis, if any. Published figures
are only those that papers quote word for word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from adhere.core.findings import Finding
from adhere.measure.statistics.rates import Difference, Rate
from adhere.measure.sustain.failures import NAMES, PATTERNS
from adhere.measure.sustain.outcome import Exclusion
from adhere.measure.sustain.patterns import Lost
from adhere.measure.sustain.scores import Score, Scores
from adhere.measure.sustain.selection import ALONE
from adhere.report.charts import Chart, Grid, Line, Point, bars, heat, lines, points, scatter
from adhere.report.numbers import between, gain, percent
from adhere.report.page import Block, Charts, Fact, Facts, Prose, Section, Table
from adhere.report.sections.sustain_attention import attended, scaled
from adhere.report.sections.sustain_cases import cases, label

PAPER = "arXiv 2601.22047"
PUBLISHED_SUSTAIN, PUBLISHED_IF = 0.84, 0.94
"""Means over eight models and 1 to 16 keyword constraints in math (arXiv 2601.22047, on its Figure 3: "averaging over
94 % satisfaction", "averaging 84 %")."""

FEWEST = 5
"""Fewest problems for which a type of constraint is shown."""


def section(
    scores: Scores,
    lost: Lost,
    *,
    attention: Iterable[Finding] = (),
    exclusions: Sequence[Exclusion] = (),
    judge: Finding | None = None,
    recompute: str = "",
) -> Section:
    """The section.

    Args:
        scores, lost: of one model's outcomes.
        attention: findings `attention.constraint`; others are ignored.
        exclusions: what the run left out.
        judge: the error rate of the judge of failure patterns, if there was one.
        recompute: the command.
    """
    lead = (
        "Problems that the model solved are asked again with constraints that its own solution met. "
        "Net interference is the loss beyond what asking again loses anyway (the control). Intervals "
        "are 95 %, by problem."
    )
    blocks: list[Block] = [*_notes(scores)]
    if scores.conditions:
        blocks.insert(0, _facts(scores))
        drawn = (_curve(scores, recompute), _net(scores, recompute), _grid(scores, recompute), _both(scores, recompute))
        charts = [chart for chart in drawn if chart is not None]
        charts += scaled(scores, recompute)
        charts += attended(attention, recompute)
        charts += _why(lost, recompute)
        blocks.append(Charts(tuple(charts)))
        blocks.append(_patterns(lost, judge, recompute))
        blocks += _tables(scores, recompute)
        blocks += cases(scores, lost)
    if exclusions:
        blocks.append(_left_out(exclusions, recompute))
    return Section("sustain", "Interference", lead, tuple(blocks), _headline(scores))


def _headline(scores: Scores) -> str:
    """What one self-evident constraint costs, beside an idle sentence of its length."""
    alone = next((one for one in scores.conditions if one.condition == ALONE), None)
    if alone is None or not alone.interference.n:
        return ""
    net = alone.interference
    text = (
        f"One constraint that the solution already met costs {_points(net)} of 100 solved problems "
        f"({between(net.interval, sign=True)}, n = {net.clusters or net.n:,})"
    )
    idle = next((one for one in scores.of("placebo", k=1)), None)
    if idle is not None and idle.interference.n:
        text += f"; an idle sentence of that length costs {_points(idle.interference)}"
    return text + "."


def _points(difference: Difference) -> str:
    return gain(difference.estimate if difference.n else None)


def _facts(scores: Scores) -> Facts:
    solved = sum(one.share.met for one in scores.selection.solved)
    attempts = sum(one.share.n for one in scores.selection.solved)
    facts = [Fact("Solved at base", f"{solved:,} of {attempts:,}", "only these continue")]
    alone = next((one for one in scores.conditions if one.condition == ALONE), None)
    if alone is not None:
        net = alone.interference
        facts.append(Fact("Sustain, 1 constraint", percent(alone.sustain.estimate), between(alone.sustain.interval)))
        facts.append(Fact("Control: asked again", percent(alone.control.estimate), between(alone.control.interval)))
        if net.n:
            note = f"{between(net.interval, sign=True)}; " + ("significant" if alone.real else "not significant")
            facts.append(Fact("Net interference", f"{_points(net)} points", note))
        if alone.beyond.n:
            facts.append(
                Fact("Beyond the placebo", f"{_points(alone.beyond)} points", between(alone.beyond.interval, sign=True))
            )
        facts.append(Fact("Constraints met", percent(alone.met.estimate), between(alone.met.interval)))
    whole = next((area for area in scores.areas if area.domain == "all"), None)
    if whole is not None:
        facts.append(
            Fact(
                f"Area under the curve, k {whole.ks[0]} to {whole.ks[-1]}",
                f"{whole.area.estimate:.3f}",
                f"{whole.area.interval[0]:.3f} to {whole.area.interval[1]:.3f}; {whole.area.clusters} problems",
            )
        )
    return Facts(tuple(facts))


def _notes(scores: Scores) -> list[Prose]:
    notes = [f"{str(one).capitalize()}." for one in scores.selection.solved if not one.solvable]
    if not scores.conditions:
        notes.append("Only the base prompts were asked, so there is nothing to compare.")
    if scores.power is not None:
        notes.append(str(scores.power))
    return [Prose(note) for note in notes]


def _curve(scores: Scores, recompute: str) -> Chart:
    """Sustain over k, all arms; attention arms have their own chart."""
    curves = []
    named = (
        ("constraint", "after", "constraints after"),
        ("constraint", "before", "before"),
        ("constraint", "system", "in the system prompt"),
        ("placebo", "after", "placebo"),
        ("placebo", "before", "placebo before"),
        ("placebo", "system", "placebo in system"),
        ("long", "after", "reworded to that length"),
    )
    ks: set[int] = set()
    first: list[Score] = []
    for arm, position, name in named:
        mine = scores.of(arm, position=position)
        ks |= {one.condition[1] for one in mine}
        if not mine:
            continue
        first = first or mine
        curves.append(_line(name, [(one.condition[1], one.sustain) for one in mine]))
    again = [(one.condition[1], one.control) for one in first if one.control.n]
    if again:
        curves.insert(1, _line("control: asked again", again))
    ends = [min(ks), max(ks)] if len(ks) > 1 else [0.9 * min(ks), 1.1 * min(ks)] if ks else []
    if ends:
        curves.append(Line("published, math", ends, [PUBLISHED_SUSTAIN] * 2, reference=True))
    low = min((value for curve in curves for value in (*curve.low, *curve.y)), default=0.0)
    caption = (
        "Share of the problems solved at base that are solved again (Sustain). The control is "
        f"computed on the problems of each k. Dashed: the mean that {PAPER} reports for eight models, "
        "mathematics, 1 to 16 keyword constraints."
    )
    return lines(
        "Sustain by number of constraints",
        curves,
        caption=caption,
        x="constraints (k)",
        y="still solved",
        limits=(max(0.0, low - 0.03), 1.01),
        logarithmic=True,
        ticks=sorted(ks),
        whiskers=True,
        recompute=recompute,
    )


def _line(name: str, rates: Sequence[tuple[int, Rate]]) -> Line:
    ends = [rate.interval for _, rate in rates]
    return Line(
        name,
        [k for k, _ in rates],
        [rate.estimate for _, rate in rates],
        [end[0] for end in ends],
        [end[1] for end in ends],
    )


def _net(scores: Scores, recompute: str) -> Chart | None:
    """Loss of each condition against control and against the placebo of its length."""
    rows = [
        Point(label(one.condition), difference.estimate, difference.interval, against, difference.clusters)
        for one in scores.conditions
        for against, difference in (("against control", one.interference), ("against placebo", one.beyond))
        if difference.n
    ]
    if not rows:
        return None
    ends = [end for row in rows if row.interval for end in row.interval]
    reach = max([0.05, *map(abs, ends)]) * 1.05
    return points(
        "Net interference",
        rows,
        caption=(
            "Control minus condition, paired by problem. Right of the dashed line, the condition loses "
            "more than asking again does. The placebo has the same length, so the difference to it "
            "excludes length and novelty."
        ),
        unit="share of solved problems lost, net",
        limits=(-min(reach, max(0.05, -1.2 * min([0.0, *ends]))), reach),
        reference=0.0,
        recompute=recompute,
    )


def _grid(scores: Scores, recompute: str) -> Chart | None:
    """Net interference of one constraint by domain and type."""
    cells = {(one.kind, one.domain): one for one in scores.by_domain_and_type if one.interference.n}
    kinds = sorted({kind for kind, _ in cells})
    domains = [domain for domain in scores.selection.domains if any(d == domain for _, d in cells)]
    few = sum(one.interference.clusters < FEWEST for one in cells.values())
    cells = {key: one for key, one in cells.items() if one.interference.clusters >= FEWEST}
    kinds = [kind for kind in kinds if any((kind, domain) in cells for domain in domains)]
    if not kinds:
        return None
    rows = [[cells.get((kind, domain)) for domain in domains] for kind in kinds]
    values = tuple(tuple(one.interference.estimate if one else None for one in row) for row in rows)
    marks = frozenset((i, j) for i, row in enumerate(rows) for j, one in enumerate(row) if one and one.real)
    most = max([0.1, *(abs(value) for row in values for value in row if value is not None)])
    caption = "Net interference of one constraint by its type. Underlined: significant (McNemar, Holm over all cells)."
    if few:
        caption += f" {few} cells with fewer than {FEWEST} problems are empty; the findings have them."
    return heat(
        "Net interference by domain and type",
        Grid(tuple(kinds), tuple(domains), values, marks),
        caption=caption,
        limits=(-most, most),
        diverging=True,
        recompute=recompute,
    )


def _both(scores: Scores, recompute: str) -> Chart | None:
    """IF against Sustain, by type."""
    shown = [one for one in scores.by_type if one.sustain.n >= FEWEST and one.met.n]
    if not shown:
        return None
    dots = [(one.kind, one.met.estimate, one.sustain.estimate) for one in shown]
    spreads = [(one.met.interval, one.sustain.interval) for one in shown]
    low_x = min([PUBLISHED_IF, *(ends[0][0] for ends in spreads)])
    low_y = min([PUBLISHED_SUSTAIN, *(ends[1][0] for ends in spreads)])
    return scatter(
        "Met and still solved",
        dots,
        caption=(
            "By type of constraint (k = 1): share of constraints met, and share of problems still "
            f"solved. Diamond: means of {PAPER}, mathematics, 1 to 16 keyword constraints."
        ),
        x="constraint met (IF)",
        y="still solved (Sustain)",
        limits=((max(0.0, low_x - 0.04), 1.02), (max(0.0, low_y - 0.04), 1.02)),
        spreads=spreads,
        references=[("published, math", PUBLISHED_IF, PUBLISHED_SUSTAIN)],
        recompute=recompute,
    )


def _why(lost: Lost, recompute: str) -> list[Chart]:
    """Failure patterns: as bars, and each against control."""
    whole = [share for share in lost.shares if share.domain == "all"]
    if not whole:
        return []
    parts: dict[str, dict[str, float]] = {}
    conditions = list(dict.fromkeys(share.condition for share in whole))
    present = [pattern for pattern in PATTERNS if any(share.pattern == pattern for share in whole)]
    first = next((condition for condition in conditions if condition == ALONE), conditions[0])
    of_control = {share.pattern: share.control.estimate for share in whole if share.condition == first}
    parts["control: asked again"] = {NAMES[pattern]: of_control.get(pattern, 0.0) for pattern in present}
    for condition in conditions:
        shares = {share.pattern: share.lost.estimate for share in whole if share.condition == condition}
        parts[label(condition)] = {NAMES[pattern]: shares.get(pattern, 0.0) for pattern in present}
    rows = [
        Point(NAMES[share.pattern], share.net.estimate, share.net.interval, n=share.net.clusters)
        for share in whole
        if share.condition == first
    ]
    reach = max(0.02, *(abs(end) for row in rows for end in row.interval or (0.0,))) * 1.05
    return [
        bars(
            "Failure patterns of lost problems",
            parts,
            caption=(
                f"Share of solved problems lost, by pattern; control on the problems of {label(first)}. "
                "Intervals are in the table below."
            ),
            unit="share of solved problems",
            recompute=recompute,
        ),
        points(
            f"Patterns against control, {label(first)}",
            rows,
            caption="Difference to the control, paired by problem. What the control shows as often is chance.",
            unit="difference",
            limits=(-reach, reach),
            reference=0.0,
            recompute=recompute,
        ),
    ]


def _patterns(lost: Lost, judge: Finding | None, recompute: str) -> Block:
    shares = [share for share in lost.shares if share.domain == "all"]
    if not shares:
        return Prose("No solved problem was lost, neither under a constraint nor in the control.")
    rows = tuple(
        (
            label(share.condition),
            NAMES[share.pattern],
            f"{100 * share.lost.estimate:.1f}",
            between(share.lost.interval),
            f"{100 * share.control.estimate:.1f}",
            _points(share.net),
            between(share.net.interval, sign=True),
            f"{share.p_holm:.2g}",
            f"{share.net.clusters}",
        )
        for share in shares
    )
    caption = (
        "In percentage points of solved problems; differences paired by problem, p corrected by Holm "
        "within a condition."
    )
    judged = sum(share.judged for share in shares)
    if judged and judge is not None and judge.estimate is not None and judge.interval is not None:
        caption += (
            f" A judge decided {judged} cases that the rules left open; where the rules decide, it "
            f"errs in {percent(judge.estimate)} ({between(judge.interval)}, n = {judge.n})."
        )
    header = ("condition", "pattern", "lost %", "95 %", "control %", "net", "95 %", "p", "problems")
    return Table("Failure patterns", header, rows, caption, recompute)


def _tables(scores: Scores, recompute: str) -> list[Block]:
    rate, net = ("Sustain %", "95 %", "control %"), ("net", "95 %", "p", "beyond placebo", "95 %")
    header = ("", *rate, *net, "IF %", "95 %", "IF, control %", "problems")
    caption = (
        "Net: control minus condition in percentage points, paired by problem. p: McNemar's exact test, "
        "Holm over the table. "
    )
    unasked = "IF, control: how often the control's responses, asked for nothing, meet the same constraints."
    tables: list[Block] = [
        Table(
            "By condition",
            header,
            tuple((label(one.condition), *_cells(one)) for one in scores.conditions),
            caption + unasked,
            recompute,
        )
    ]
    if len(scores.selection.domains) > 1:
        rows = tuple((f"{one.domain}, {label(one.condition)}", *_cells(one)) for one in scores.by_domain)
        tables.append(Table("By domain", header, rows, caption, recompute))
    if scores.by_type:
        ordered = sorted(scores.by_type, key=lambda one: -(one.interference.estimate if one.interference.n else -9.0))
        tables.append(
            Table("By type, k = 1", header, tuple((one.kind, *_cells(one)) for one in ordered), caption, recompute)
        )
    return tables


def _cells(one: Score) -> tuple[str, ...]:
    net = one.interference
    return (
        f"{100 * one.sustain.estimate:.1f}" if one.sustain.n else "–",
        between(one.sustain.interval) if one.sustain.n else "–",
        f"{100 * one.control.estimate:.1f}" if one.control.n else "–",
        _points(net),
        between(net.interval, sign=True) if net.n else "–",
        f"{one.p_holm:.2g}" if net.n else "–",
        _points(one.beyond),
        between(one.beyond.interval, sign=True) if one.beyond.n else "–",
        f"{100 * one.met.estimate:.1f}" if one.met.n else "–",
        between(one.met.interval) if one.met.n else "–",
        f"{100 * one.unasked.estimate:.1f}" if one.unasked.n else "–",
        f"{net.clusters or one.sustain.clusters}",
    )


_WHY = {
    "no_constraint": "the solution yields too few constraints",
    "names_answer": "a constraint would have revealed the answer",
    "contradiction": "a constraint contradicts another",
    "paraphrase": "the rewording changed the content",
    "refused": "the provider refused",
    "error": "the provider failed",
    "undecided": "the grader could not decide",
}


def _left_out(exclusions: Sequence[Exclusion], recompute: str) -> Table:
    counts: Counter[tuple[str, str, str]] = Counter()
    for one in exclusions:
        counts[one.domain, one.arm, one.why] += one.count
    rows = tuple((domain, arm, _WHY[why], str(n)) for (domain, arm, why), n in sorted(counts.items()))
    return Table("Exclusions", ("domain", "arm", "why", "times"), rows, "", recompute)
