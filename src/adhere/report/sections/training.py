"""What training does: the arms of the training study beside the base model, and where a check was passed for nothing.

Drawn from findings `train.*` alone; the answers that are shown come from the study's records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adhere.core.findings import Finding
from adhere.report.charts import Point, number, points
from adhere.report.page import Block, Charts, Example, Examples, Excerpt, Prose, Section, Table

NAMES: Mapping[str, str] = {
    "base": "base",
    "sft_unfiltered": "SFT, unfiltered",
    "sft_filtered": "SFT, filtered",
    "dpo": "DPO",
    "grpo": "GRPO",
    "grpo_problem": "GRPO + problem",
}
"""Arms as the page names them, in its order."""

MEASURES: Mapping[str, str] = {
    "adherence.trained": "adherence, trained kinds",
    "adherence.held_out": "adherence, held-out kinds",
    "solved": "problems solved",
}
MOST_EXAMPLES = 6


def section(findings: Sequence[Finding], parted: Sequence[tuple[str, str, str, str]] = ()) -> Section:
    """The section.

    Args:
        findings: of a study; those of other names are passed over.
        parted: (arm, prompt, answer, kind) of answers that our checks pass and the second reading fails.
    """
    own = [one for one in findings if one.what.startswith("train.") and one.what != "train.domain"]
    recompute = own[0].recompute if own else ""
    differences = [one for one in own if one.what == "train.difference" and one.subject["against"] == "base"]
    measures = {**MEASURES, **_sustained(differences)}
    dots = [
        Point(NAMES[str(one.subject["arm"])], one.estimate, one.interval, label, one.n)
        for measure, label in measures.items()
        for one in differences
        if one.subject["measure"] == measure
    ]
    blocks: list[Block] = [
        Charts(
            (
                points(
                    "Change from the base model",
                    dots,
                    caption="Paired on the same prompts and seeds. Interference: more is worse.",
                    unit="difference of shares",
                    limits=None,
                    reference=0.0,
                    recompute=recompute,
                ),
            )
        ),
        _levels(own, recompute),
        _tested(differences, measures, recompute),
        *_shown(parted),
    ]
    return Section(
        "training",
        "What training does",
        "One base model under several paradigms of post-training, matched by sampled answers, with the learning rate "
        "of each chosen on prompts of a split of its own. Everything is measured at temperature 1.",
        tuple(blocks),
        headline=_headline(differences),
    )


def _sustained(differences: Sequence[Finding]) -> dict[str, str]:
    """Sustain and interference with the most constraints that were asked."""
    ks = [int(str(one.subject["measure"]).partition(".")[2]) for one in differences if _is(one, "interference.")]
    if not ks:
        return {}
    most = max(ks)
    return {f"sustain.{most}": f"SustainScore, k = {most}", f"interference.{most}": f"net interference, k = {most}"}


def _is(one: Finding, beginning: str) -> bool:
    return str(one.subject["measure"]).startswith(beginning)


def _levels(findings: Sequence[Finding], recompute: str) -> Table:
    rows = []
    ks = sorted({int(one.subject["k"]) for one in findings if one.what == "train.sustain"})
    for arm, name in NAMES.items():
        mine = [
            one for one in findings if one.of(arm=arm) and "kind" not in one.subject and one.what != "train.difference"
        ]
        if not mine:
            continue
        cells = [
            _cell(next((one for one in mine if one.what == what and one.of(**about)), None))
            for what, about in (
                ("train.adherence", {"kinds": "trained"}),
                ("train.adherence", {"kinds": "held_out"}),
                ("train.solved", {}),
            )
        ]
        sustained = {int(one.subject["k"]): one for one in mine if one.what == "train.sustain"}
        cells += [_cell(sustained.get(k)) for k in ks]
        length = next((one for one in mine if one.what == "train.length" and one.of(kinds="trained")), None)
        rows.append((name, *cells, number(length.estimate, 1) if length else "–"))
    header = ("arm", "trained kinds", "held-out kinds", "solved", *(f"sustain, k = {k}" for k in ks), "tokens")
    return Table("Levels", header, tuple(rows), "Shares with 95 % intervals, over all seeds.", recompute)


def _cell(finding: Finding | None) -> str:
    if finding is None or finding.estimate is None or finding.interval is None:
        return "–"
    low, high = finding.interval
    return f"{finding.estimate:.3f} [{low:.3f}, {high:.3f}]"


def _tested(differences: Sequence[Finding], measures: Mapping[str, str], recompute: str) -> Table:
    rows = []
    for measure, label in measures.items():
        for one in differences:
            if one.subject["measure"] == measure and one.estimate is not None and one.interval is not None:
                low, high = one.interval
                rows.append(
                    (
                        label,
                        NAMES[str(one.subject["arm"])],
                        f"{one.estimate:+.3f}",
                        f"{low:+.3f} to {high:+.3f}",
                        f"{float(one.subject['p_holm']):.2g}",
                        str(one.n),
                        str(one.subject["by_seed"]),
                    )
                )
    header = ("measure", "arm", "less base", "95 % interval", "p (Holm)", "n", "by seed")
    return Table("Differences from the base model", header, tuple(rows), "", recompute)


def _shown(parted: Sequence[tuple[str, str, str, str]]) -> list[Block]:
    if not parted:
        return [Prose("No answer was found that our checks pass and the second, independent reading fails.")]
    examples = tuple(
        Example(
            title=NAMES.get(arm, arm),
            asked=prompt,
            excerpt=Excerpt(((text, False),)),
            verdict="checks pass, second reading fails",
            note=kind,
        )
        for arm, prompt, text, kind in parted[:MOST_EXAMPLES]
    )
    return [Examples("Where the check and an independent reading part", examples)]


def _headline(differences: Sequence[Finding]) -> str:
    one = next((one for one in differences if one.of(arm="grpo", measure="adherence.trained")), None)
    if one is None or one.estimate is None or one.interval is None:
        return ""
    low, high = one.interval
    return (
        f"GRPO changes adherence to trained kinds by {100 * one.estimate:+.1f} points "
        f"[{100 * low:+.1f}, {100 * high:+.1f}] (n = {one.n} prompts)."
    )
