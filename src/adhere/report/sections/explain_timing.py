"""Timing, specificity, behaviour after erasure, and saved monitors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adhere.report.charts import Line, Point, lines, number, points
from adhere.report.numbers import percent
from adhere.report.page import Block, Charts, Prose, Section, Table
from adhere.report.sections.explain_prose import finite, statements

if TYPE_CHECKING:
    from adhere.explain.probing.decodability import Estimate
    from adhere.explain.results import Explained

GROUPS = (
    ("structural and lexical skills", ("word_count", "character_count", "json", "inclusion", "exclusion")),
    ("semantic and stylistic skills", ("topic", "sentiment", "register", "toxicity")),
)
"""Skills whose curves share a figure, so that no figure has more than five."""
ENDS = {"prompt": 0.0, "eos": 100.0}


def timed(explained: Explained, recompute: str = "") -> Section:
    """Timing: over the response, and by tokens relative to the deciding token."""
    drawn = []
    for title, group in GROUPS:
        curves = []
        for skill in (one for one in group if one in explained.skills):
            read = [b for b in explained.timing.curve if b.skill == skill and b.position != "mean"]
            rows = sorted(((_progress(b.position), b.specialist) for b in read), key=lambda row: row[0])
            curves.append(_curve(skill, rows))
        if curves:
            drawn.append(
                lines(
                    f"AUC over the response: {title}",
                    curves,
                    x="percent of the response (0: before it)",
                    y="AUC",
                    limits=(0.4, 1.0),
                    caption="Each point at its cross-fitted best layer; bands are 95 % over prompts.",
                    recompute=recompute,
                )
            )
    moments = []
    for skill in explained.alignment.skills:
        own = [one for one in explained.alignment.moments if one.best.skill == skill]
        curves = [_curve("probe", [(float(one.offset), one.best.specialist) for one in own])]
        known = [(float(one.offset), s) for one in own if (s := one.best.surface) is not None]
        if known:
            curves.append(_curve("text surface so far", known, reference=True))
        moments.append(
            lines(
                f"{skill}: around the deciding token",
                curves,
                x="tokens from the deciding token",
                y="AUC",
                limits=(0.3, 1.02),
                caption=(
                    f"{max(one.responses for one in own)} responses; met responses at the same token as "
                    "their violated partner."
                ),
                recompute=recompute,
            )
        )
    blocks: list[Block] = [Charts(tuple(drawn))]
    contrasts = [c for c in explained.timing.claims(recompute) if "contrast" in c.finding.subject]
    blocks += statements(contrasts, "for monitoring over planning")
    if moments:
        blocks.append(
            Prose(
                "Relative to the deciding token. A share of the response mixes texts that have "
                "already violated their constraint with others. Here each violated response is read "
                "at tokens counted from the one that broke it, and a met response of the same kind "
                "at the same token. Left of 0 both outcomes are still possible."
            )
        )
        blocks.append(Charts(tuple(moments)))
        foreseen = [c for c in explained.alignment.claims(recompute) if int(c.finding.subject["tokens"]) < 0]
        blocks += statements(foreseen, "before the deciding token")
    else:
        blocks.append(Prose("No skill has enough violations that are decided before the end of the response."))
    lead = "Is the outcome planned before the first token, monitored during writing, or only visible at the end?"
    return Section("timing", "Timing", lead, tuple(blocks))


def specific(explained: Explained, recompute: str = "") -> Section:
    """Specificity: the instruction, or only the text."""
    rows = []
    for one in explained.specificity:
        holds = any(claim.holds for claim in one.claims(recompute) if claim.finding.what == "probe.specificity")
        rows.append(Point(one.skill, one.asked.value, finite(one.asked), "with the instruction", one.asked.n, holds))
        if one.free is not None:
            rows.append(Point(one.skill, one.free.value, finite(one.free), "without the instruction", one.free.n))
    chart = points(
        "The same probe on responses without the instruction",
        rows,
        unit="AUC",
        limits=(0.2, 1.0),
        reference=0.5,
        caption="Judged by the constraint that was removed. If both are equal, the probe reads the text.",
        recompute=recompute,
    )
    table = Table(
        "Variance in the probe's directions",
        (
            "skill",
            "site",
            "variance with",
            "variance without",
            "if equal in all directions",
            "free responses that meet it",
        ),
        tuple(
            (
                one.skill,
                f"{explained.place(one.site[0])}, {one.site[1]}",
                percent(one.variance_asked, 2),
                percent(one.variance_free, 2),
                percent(one.variance_random, 2),
                f"{percent(one.free_met, 0)} of {one.free_rows}",
            )
            for one in explained.specificity
        ),
        f"Share of the activations' variance in the {explained.specificity[0].rank} directions that INLP "
        "finds. Free responses are balanced as well.",
        recompute,
    )
    claims = [claim for one in explained.specificity for claim in one.claims(recompute)]
    beyond = [claim for claim in claims if claim.finding.what == "probe.specificity"]
    text = [claim for claim in claims if claim.finding.what != "probe.specificity"]
    lead = "Does a probe read that an instruction was followed, or only what the text is like?"
    blocks = (
        Charts((chart,)),
        table,
        *statements(beyond, "for the instruction beyond the text"),
        *statements(text, "for the text alone"),
    )
    return Section("specificity", "Specificity", lead, blocks)


def behaves(explained: Explained, recompute: str = "") -> Section:
    """Behaviour after erasure."""
    rows = []
    for one in explained.behaviour:
        label = f"{one.skill}, {one.place}"
        rows.append(Point(label, one.before.value, finite(one.before), "nothing erased", one.before.n))
        holds = one.claim(explained.model, recompute).holds
        rows.append(Point(label, one.erased.value, finite(one.erased), "direction erased", one.erased.n, holds))
        rows.append(Point(label, one.random.value, finite(one.random), "random direction erased", one.random.n))
    chart = points(
        "Adherence after erasure",
        rows,
        unit="share of prompts",
        recompute=recompute,
        caption="Greedy responses to prompts that were not used to fit the direction.",
    )
    table = Table(
        "Damage by erasure",
        ("skill", "at", "loss before", "skill erased", "random erased"),
        tuple(
            (
                one.skill,
                one.place,
                number(one.loss_before.value),
                f"{one.loss_erased.value:.3f} ({one.loss_erased.value - one.loss_before.value:+.3f})",
                f"{one.loss_random.value:.3f} ({one.loss_random.value - one.loss_before.value:+.3f})",
            )
            for one in explained.behaviour
        ),
        f"Nats per token on {explained.behaviour[0].loss_before.n} of the model's own responses without the "
        "instruction.",
        recompute,
    )
    lead = "A direction that can be read need not be used: the model responds again with the direction erased."
    blocks = (
        Charts((chart,)),
        table,
        *statements(
            [one.claim(explained.model, recompute) for one in explained.behaviour], "beyond a random direction"
        ),
    )
    return Section("behaviour", "Use", lead, blocks)


def monitors(explained: Explained, recompute: str = "") -> Section:
    """Saved monitors and their evaluation."""
    rows: list[tuple[str, ...]] = []
    for one in explained.watched:
        monitor, tried = one.monitor, one.trial
        if monitor is None:
            rows.append((one.skill, "–", "–", "–", "–", "–", one.why))
            continue
        cells = ["–", "–", "–"]
        if tried is not None:
            cells = [_rate(tried.recall), _rate(tried.false_alarms), _rate(tried.saved_of_failures())]
        where = f"layer {monitor.layer}, {monitor.pool}"
        auc = f"{monitor.auc:.2f} ({monitor.auc_low:.2f} to {monitor.auc_high:.2f})"
        rows.append((one.skill, where, auc, *cells, ""))
    table = Table(
        "Saved monitors",
        ("skill", "site", "AUC, held out", "recall", "false alarms", "tokens saved", ""),
        tuple(rows),
        f"Thresholds allow at most {100 * explained.plan.false_alarms:g} % false alarms on held-out "
        "prompts; evaluated on new ones. Prompts were chosen where failures are frequent. Tokens "
        "saved: share of a failing response that was not yet written.",
        recompute,
    )
    lead = "The best probe of each skill, with a threshold, as a monitor while the model writes."
    return Section("monitors", "Monitors", lead, (table,))


def _progress(position: str) -> float:
    return ENDS.get(position, float(position) if position.isdigit() else 0.0)


def _curve(label: str, rows: Sequence[tuple[float, Estimate]], *, reference: bool = False) -> Line:
    bands = [estimate.interval for _, estimate in rows]
    return Line(
        label,
        [x for x, _ in rows],
        [estimate.value for _, estimate in rows],
        [low for low, _ in bands],
        [high for _, high in bands],
        reference,
    )


def _rate(rate: tuple[float, tuple[float, float], int]) -> str:
    share, (low, high), n = rate
    return f"{100 * share:.0f} % of {n} ({100 * low:.0f} to {100 * high:.0f})" if n else "–"
