"""Where instruction following can be read inside a model: the analyses of `adhere explain`.

Every analysis shows everything that was measured, with intervals. Sentences are printed only for what holds against its
controls; the number of figures that do not hold is stated, and all are in `findings.json`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adhere.report.charts import Chart, Grid, Point, heat, points, tree_heat
from adhere.report.page import Block, Charts, Fact, Facts, Prose, Section, Table
from adhere.report.sections.explain_prose import finite, known, statements
from adhere.report.sections.explain_timing import behaves, monitors, specific, timed

if TYPE_CHECKING:
    from adhere.explain.analyses.claims import Claim
    from adhere.explain.probing.decodability import Estimate
    from adhere.explain.results import Explained


def sections(explained: Explained, *, recompute: str = "") -> list[Section]:
    """One section for each analysis with results."""
    sections = [
        overview(explained, recompute),
        decodability(explained, recompute),
        transferred(explained, recompute),
        depends(explained, recompute),
        timed(explained, recompute),
    ]
    if explained.specificity:
        sections.append(specific(explained, recompute))
    if explained.behaviour:
        sections.append(behaves(explained, recompute))
    if explained.watched:
        sections.append(monitors(explained, recompute))
    return sections


def overview(explained: Explained, recompute: str = "") -> Section:
    """The responses, and the skills in one table."""
    everything = [claim for claims in explained.claims().values() for claim in claims]
    layers, positions = explained.specialists.layers, explained.specialists.positions
    blocks: list[Block] = [
        Facts(
            (
                Fact("Responses", f"{explained.responses:,}"),
                Fact("Skills", f"{len(explained.skills)}", f"of {len(explained.plan.skills)} requested"),
                Fact("Sites", f"{len(layers)} layers", f"{len(positions)} positions"),
                Fact("Figures that hold", f"{sum(c.holds for c in everything)}", f"of {len(everything)} measured"),
            )
        )
    ]
    rows = []
    held = explained.specialists.readable()
    for skill in explained.skills:
        met, broken = explained.labels[skill]
        best = explained.specialists.best_position(skill)
        controls = max((_value(c), name) for name, c in best.controls.items() if _value(c) == _value(c))
        rows.append(
            (
                skill,
                f"{met:,}",
                f"{broken:,}",
                f"{explained.used[skill]:,}",
                f"{explained.place(best.layer)}, {best.position}",
                _with_interval(best.specialist),
                _with_interval(best.balanced_accuracy),
                f"{controls[0]:.2f} ({controls[1]})",
                "yes" if skill in held else "no",
            )
        )
    blocks.append(
        Table(
            "Skills",
            (
                "skill",
                "met",
                "violated",
                "used",
                "best site",
                "AUC",
                "balanced accuracy",
                "strongest control",
                "beyond every control",
            ),
            tuple(rows),
            "Used: half met and half violated, also within each kind of item. The AUC is on held-out "
            "prompts, with the layer chosen on others; the position is the best of all, so the AUC "
            "is an upper end. Balanced accuracy is the mean of sensitivity and specificity at the "
            "probe's threshold. Grey: the AUC does not lie beyond every control.",
            recompute,
            frozenset(k for k, skill in enumerate(explained.skills) if skill not in held),
        )
    )
    if explained.left_out:
        blocks.append(Prose("Left out: " + ". ".join(explained.left_out) + "."))
    blocks.append(
        Prose(
            f"Responses are {explained.source}, and replayed once. Probes are {explained.plan.kind}, in five "
            "folds by prompt; intervals resample prompts. Controls: labels shuffled within the "
            "skill; the surface of the text so far (length and character n-grams); an untrained "
            "model of the same shape; responses to the same prompts without the instruction; random "
            "directions of equal rank."
        )
    )
    lead = (
        "Whether a response follows its instructions, read from the residual stream: by which "
        "probes, where, when, and with what effect on the model."
    )
    return Section("explain", "Overview", lead, tuple(blocks), _headline(explained))


def _headline(explained: Explained) -> str:
    """Which skills can be read beyond every control."""
    held = explained.specialists.readable()
    readable = [skill for skill in explained.skills if skill in held]
    names = f": {', '.join(readable)}" if readable else ""
    return f"{len(readable)} of {len(explained.skills)} skills can be read beyond every control{names}."


def decodability(explained: Explained, recompute: str = "") -> Section:
    """Decodability: heat maps over layers and positions, and specialist against general probes."""
    lens = explained.specialists
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
                f"{skill}: AUC by layer (relative depth) and position",
                Grid(
                    tuple(f"{layer} ({layer / explained.blocks:.0%})" for layer in lens.layers),
                    lens.positions,
                    values,
                    marks,
                ),
                limits=(0.5, 1.0),
                caption="Underlined: the interval lies above chance and above shuffled labels.",
                recompute=recompute,
            )
        )
    rows = []
    held = explained.specialists.readable()
    for skill in lens.skills:
        best = lens.best_position(skill)
        for name, estimate in (
            ("specialist", best.specialist),
            ("general", best.general),
            ("general, same n", best.few),
            ("all other skills", best.without),
            ("text surface", best.surface),
            ("untrained model", best.untrained),
        ):
            if estimate is not None:
                holds = name != "specialist" or skill in held
                rows.append(Point(skill, estimate.value, finite(estimate), name, estimate.n, holds))
    chart = points(
        "Specialist and general probes",
        rows,
        unit="AUC at the skill's best position",
        limits=(0.3, 1.0),
        reference=0.5,
        caption="At each skill's best position, each probe at its own cross-fitted layer.",
        recompute=recompute,
    )
    at_best = {(skill, lens.best_position(skill).position) for skill in lens.skills}
    mine = [
        claim
        for claim in lens.claims(recompute)
        if (claim.finding.subject.get("skill"), claim.finding.subject.get("position")) in at_best
    ]
    lead = "How well a linear probe separates met from violated, by layer, from before the response to its end."
    blocks: tuple[Block, ...] = (
        Charts(tuple(maps)),
        Charts((chart,)),
        *statements(mine, "at each skill's best position"),
    )
    return Section("decodability", "Decodability", lead, blocks)


def transferred(explained: Explained, recompute: str = "") -> Section:
    """Transfer: the matrix with its dendrogram, beside the correlation of failures."""
    common = explained.transfers[0]
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
            f"Transfer at {explained.place(layer)}, {position}",
            grid,
            common.linkage,
            limits=(0.0, 1.0),
            caption=(
                "Row: the skill the probe was trained on; column: the skill it is evaluated on. Average "
                "linkage. Underlined: the simultaneous interval excludes chance."
            ),
            recompute=recompute,
        )
    ]
    outside = tuple(tuple(None if i == j else known(explained.outside[i, j]) for j in order) for i in order)
    drawn.append(
        heat(
            "Correlation of failures",
            Grid(names, names, outside),
            limits=(-1.0, 1.0),
            diverging=True,
            caption="Over prompts that ask for both skills; empty if there are too few.",
            recompute=recompute,
        )
    )
    groups = [", ".join(group) for group in common.clusters() if len(group) > 1]
    clusters = (
        f"Groups whose probes transfer to each other (mean AUC at least 0.7): {'; '.join(groups)}."
        if groups
        else "No two skills' probes transfer to each other with a mean AUC of 0.7: there are no groups."
    )
    agreement = common.agreement(explained.outside, recompute=recompute)
    blocks: tuple[Block, ...] = (
        Charts(tuple(drawn)),
        Prose(clusters),
        Prose(agreement.sentence if agreement.holds else _no_agreement(agreement)),
        *statements([one for one in claims if _pair(one)[0] != _pair(one)[1]], "between skills"),
    )
    lead = "Probes trained on one skill and evaluated on another: do skills share a direction?"
    return Section("transfer", "Transfer", lead, blocks)


def depends(explained: Explained, recompute: str = "") -> Section:
    """Erasure: loss of one skill's decodability when another is erased."""
    lens = explained.dependencies
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
                f"AUC lost after erasing with {title}",
                Grid(names, names, tuple(tuple(known(v) for v in row) for row in matrix), marks),
                limits=(-0.4, 0.4),
                diverging=True,
                caption=(
                    "Row: erased skill; column: skill read by a probe fitted anew at "
                    f"{explained.place(layer)}, {position}; minus the loss for random subspaces of that rank. "
                    "Underlined: the simultaneous interval excludes 0."
                ),
                recompute=recompute,
            )
        )
    between = [claim for claim in claims if _pair(claim)[0] != _pair(claim)[1]]
    leace = [claim for claim in between if claim.finding.subject["method"] == "leace"]
    inlp = [claim for claim in between if claim.finding.subject["method"] == "inlp"]
    lead = "Erase what one skill's probe reads, and measure which other skills can still be read."
    return Section(
        "dependency",
        "Dependencies",
        lead,
        (
            Charts(tuple(drawn)),
            *statements(leace, "between skills (LEACE)"),
            *statements(inlp, "between skills (INLP, all ranks)"),
        ),
    )


def _no_agreement(agreement: Claim) -> str:
    """The sentence for a null result."""
    finding = agreement.finding
    if finding.estimate is None:
        return "Too few prompts ask for two skills to compare transfer with the correlation of failures."
    return (
        f"Transfer is not correlated with failing together: rank correlation {finding.estimate:.2f} "
        f"over {finding.n} pairs of skills, p {finding.subject['p']:.2f} (Mantel)."
    )


def _pair(claim: Claim) -> tuple[str, str]:
    return str(claim.finding.subject["from"]), str(claim.finding.subject["to"])


def _value(control: Estimate | float) -> float:
    return float(control.value) if hasattr(control, "value") else float(control)


def _with_interval(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{estimate.value:.2f} ({low:.2f} to {high:.2f})"
