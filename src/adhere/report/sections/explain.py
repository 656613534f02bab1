"""Where following happens inside a model: the lenses of `adhere explain`, each finding with what speaks against it.

Every lens shows all that was measured, in figures and tables with their intervals. Sentences are printed only of what
holds against its controls; how much does not is said beside them, and stands in `findings.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adhere.report.charts import Chart, Grid, Point, heat, points
from adhere.report.page import Block, Charts, Fact, Facts, Prose, Section, Table
from adhere.report.sections.dendrogram import tree_heat
from adhere.report.sections.explain_course import behaves, monitors, specific, timed
from adhere.report.sections.explain_told import finite, known, told

if TYPE_CHECKING:
    from adhere.explain.analyses.claims import Claim
    from adhere.explain.probing.decodability import Estimate
    from adhere.explain.results import Explained


def sections(found: Explained, *, recompute: str = "") -> list[Section]:
    """One section for each lens that has something to show."""
    made = [
        overview(found, recompute),
        decodability(found, recompute),
        transferred(found, recompute),
        depends(found, recompute),
        timed(found, recompute),
    ]
    if found.specificity:
        made.append(specific(found, recompute))
    if found.behaviour:
        made.append(behaves(found, recompute))
    if found.watched:
        made.append(monitors(found, recompute))
    return made


def overview(found: Explained, recompute: str = "") -> Section:
    """What was looked at, and the skills in one table."""
    everything = [claim for claims in found.claims().values() for claim in claims]
    layers, positions = found.specialists.layers, found.specialists.positions
    blocks: list[Block] = [
        Facts(
            (
                Fact("Responses", f"{found.responses:,}"),
                Fact("Skills", f"{len(found.skills)}", f"of {len(found.plan.skills)} asked for"),
                Fact("Read at", f"{len(layers)} layers", f"{len(positions)} positions"),
                Fact("Findings that hold", f"{sum(c.holds for c in everything)}", f"of {len(everything)} measured"),
            )
        )
    ]
    rows = []
    for skill in found.skills:
        met, broken = found.labels[skill]
        best = found.specialists.best_position(skill)
        controls = max((_value(c), name) for name, c in best.controls.items() if _value(c) == _value(c))
        rows.append(
            (
                skill,
                f"{met:,}",
                f"{broken:,}",
                f"{found.used[skill]:,}",
                f"layer {best.layer}, {best.position}",
                _with_interval(best.specialist),
                _with_interval(best.balanced_accuracy),
                f"{controls[0]:.2f} ({controls[1]})",
            )
        )
    blocks.append(
        Table(
            "The skills",
            ("skill", "met", "violated", "used", "best read at", "AUC there", "told right", "strongest control"),
            tuple(rows),
            "Used: half of them met, also within each kind of item. The AUC is of held-out prompts, its layer chosen "
            "on others; the position is the best of all, so read it as an upper end. Told right is the balanced "
            "accuracy: the mean of the shares of met and of violated answers on their side of the probe's border.",
            recompute,
        )
    )
    if found.left_out:
        blocks.append(Prose("Left out. " + ". ".join(found.left_out) + "."))
    blocks.append(
        Prose(
            f"Responses are {found.source}, and replayed once. Probes are {found.plan.kind}, five folds by prompt; "
            "intervals resample prompts. Controls: labels shuffled within the skill; the surface of the text written "
            "by then (length and character n-grams); an untrained model of the same shape; answers to the same "
            "prompts without the instruction; random directions of equal rank."
        )
    )
    lead = (
        "Whether the model followed, read from its residual stream: by which probes, where, when, and to what effect."
    )
    return Section("explain", "Where following happens", lead, tuple(blocks))


def decodability(found: Explained, recompute: str = "") -> Section:
    """Lens 1: heat maps over layers and positions, and one probe for each skill against one for all."""
    lens = found.specialists
    maps = []
    for k, skill in enumerate(lens.skills):
        values = tuple(tuple(known(v) for v in lens.auc[i, :, k]) for i in range(len(lens.layers)))
        marks = frozenset(
            (i, j)
            for i in range(len(lens.layers))
            for j in range(len(lens.positions))
            if lens.low[i, j, k] > max(0.5, known(lens.shuffled[i, j, k]) or 0.5)
        )
        maps.append(
            heat(
                f"{skill}: AUC by layer and position",
                Grid(tuple(f"layer {layer}" for layer in lens.layers), lens.positions, values, marks),
                limits=(0.5, 1.0),
                caption="Underlined where the interval lies above chance and shuffled labels.",
                recompute=recompute,
            )
        )
    rows = []
    for skill in lens.skills:
        best = lens.best_position(skill)
        for name, estimate in (
            ("own probe", best.specialist),
            ("probe of all skills", best.general),
            ("all skills, same n", best.few),
            ("the other skills' probe", best.without),
            ("surface of the text", best.surface),
            ("untrained model", best.untrained),
        ):
            if estimate is not None:
                rows.append(Point(skill, estimate.value, finite(estimate), name, estimate.n))
    chart = points(
        "One probe for each skill, or one for all",
        rows,
        unit="AUC at the skill's best position",
        limits=(0.3, 1.0),
        reference=0.5,
        caption="At each skill's best position, every probe at its own cross-fitted layer.",
        recompute=recompute,
    )
    at_best = {(skill, lens.best_position(skill).position) for skill in lens.skills}
    mine = [
        claim
        for claim in lens.claims(recompute)
        if (claim.finding.subject.get("skill"), claim.finding.subject.get("position")) in at_best
    ]
    lead = "How well a linear probe tells followed from broken, layer by layer, from before the answer to its end."
    blocks: tuple[Block, ...] = (Charts(tuple(maps)), Charts((chart,)), *told(mine, "at each skill's best position"))
    return Section("decodability", "Skills, or one mechanism", lead, blocks)


def transferred(found: Explained, recompute: str = "") -> Section:
    """Lens 2: the transfer matrix with its dendrogram, beside failures seen from outside."""
    common = found.transfers[0]
    order = common.order
    names = tuple(common.skills[k] for k in order)
    layer, position = common.sites[0]
    claims = common.claims(recompute)
    size = len(names)
    held = {(str(claim.finding.subject["from"]), str(claim.finding.subject["to"])) for claim in claims if claim.holds}
    marks = frozenset((i, j) for i in range(size) for j in range(size) if (names[i], names[j]) in held)
    grid = Grid(names, names, tuple(tuple(known(common.matrix[i, j]) for j in order) for i in order), marks)
    drawn: list[Chart] = [
        tree_heat(
            f"Transfer at layer {layer}, {position}",
            grid,
            common.linkage,
            limits=(0.0, 1.0),
            caption="Row: the skill a probe was trained on; column: the skill it is read on. Average linkage beside. "
            "Underlined where the interval that holds for all cells together excludes chance.",
            recompute=recompute,
        )
    ]
    outside = tuple(tuple(None if i == j else known(found.outside[i, j]) for j in order) for i in order)
    drawn.append(
        heat(
            "Failing together, seen from outside",
            Grid(names, names, outside),
            limits=(-1.0, 1.0),
            diverging=True,
            caption="Correlation of failures over prompts that ask for both skills; empty where too few do.",
            recompute=recompute,
        )
    )
    groups = [", ".join(group) for group in common.clusters() if len(group) > 1]
    clusters = (
        f"Groups whose probes carry over to each other (AUC of 0.7 on average): {'; '.join(groups)}."
        if groups
        else "No two skills' probes carry over to each other at an AUC of 0.7 on average: there are no groups."
    )
    agreement = common.agreement(found.outside, recompute=recompute)
    blocks: tuple[Block, ...] = (
        Charts(tuple(drawn)),
        Prose(clusters),
        Prose(agreement.sentence if agreement.holds else _no_agreement(agreement)),
        *told([one for one, pair in zip(claims, _pairs(claims), strict=True) if pair[0] != pair[1]], "between skills"),
    )
    lead = "A probe trained on one skill, read on another: do skills share a direction?"
    return Section("transfer", "What carries over", lead, blocks)


def depends(found: Explained, recompute: str = "") -> Section:
    """Lens 3's decodability: what is lost of one skill when another is erased."""
    lens = found.dependencies
    layer, position = lens.site
    claims = lens.claims(recompute)
    drawn = []
    shown = [key for key in lens.lost if key == ("leace", 1) or key == ("inlp", max(lens.ranks))]
    for method, rank in shown:
        matrix = lens.matrix(method, rank)
        held = {
            _pair(claim)
            for claim in claims
            if claim.holds and claim.finding.subject["method"] == method and claim.finding.subject["rank"] == rank
        }
        names = lens.skills
        marks = frozenset((i, j) for i, one in enumerate(names) for j, two in enumerate(names) if (one, two) in held)
        title = "LEACE" if method == "leace" else f"INLP of rank {rank}"
        drawn.append(
            heat(
                f"AUC lost when a skill is erased by {title}",
                Grid(names, names, tuple(tuple(known(v) for v in row) for row in matrix), marks),
                limits=(-0.4, 0.4),
                diverging=True,
                caption=f"Row: erased; column: read, by a probe fitted anew at layer {layer}, {position}; less what "
                "random subspaces of that rank lose. Underlined where the interval for all pairs together excludes 0.",
                recompute=recompute,
            )
        )
    between = [claim for claim in claims if _pair(claim)[0] != _pair(claim)[1]]
    leace = [claim for claim in between if claim.finding.subject["method"] == "leace"]
    inlp = [claim for claim in between if claim.finding.subject["method"] == "inlp"]
    lead = "Erase what one skill's probe reads, and see which other skills can then be read no more."
    return Section(
        "dependency",
        "What depends on what",
        lead,
        (
            Charts(tuple(drawn)),
            *told(leace, "between skills by LEACE"),
            *told(inlp, "between skills by INLP, all ranks"),
        ),
    )


def _no_agreement(agreement: Claim) -> str:
    """A null result, said as one."""
    finding = agreement.finding
    if finding.estimate is None:
        return "Too few pairs of skills were asked for together to compare transfer with failures seen from outside."
    return (
        f"Whether probes carry over does not go with failing together, seen from outside: rank correlation "
        f"{finding.estimate:.2f} over {finding.n} pairs of skills, p {finding.subject['p']:.2f} (Mantel)."
    )


def _pairs(claims: Sequence[Claim]) -> list[tuple[str, str]]:
    return [_pair(claim) for claim in claims]


def _pair(claim: Claim) -> tuple[str, str]:
    return str(claim.finding.subject["from"]), str(claim.finding.subject["to"])


def _value(control: Estimate | float) -> float:
    return float(control.value) if hasattr(control, "value") else float(control)


def _with_interval(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{estimate.value:.2f} ({low:.2f} to {high:.2f})"
