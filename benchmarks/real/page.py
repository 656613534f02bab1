"""The page of results: tables made from findings, between markers in a page whose prose is written by hand.

A block begins with `<!-- measured: NAME -->` and ends with `<!-- end -->`. What lies between is replaced by the table
of that name, or by a line that says that it has not been measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

Finding = Mapping[str, Any]
BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
NOT_YET = "Not measured yet.\n"


def write_page(state: Path, page: Path) -> None:
    """Fill the blocks of the page from the findings in `state`."""

    def filled(match: re.Match[str]) -> str:
        table = BLOCKS[match[2]](state)
        return f"{match[1]}\n{table or NOT_YET}\n{match[3]}"

    page.write_text(BLOCK.sub(filled, page.read_text(encoding="utf-8")), encoding="utf-8")


def findings(place: Path) -> list[Finding]:
    """The findings in a file; none where there is no such file."""
    if not place.is_file():
        return []
    loaded: list[Finding] = json.loads(place.read_text(encoding="utf-8"))["findings"]
    return loaded


def percent(finding: Finding) -> str:
    """Estimate and interval in per cent."""
    if finding["estimate"] is None:
        return "-"
    low, high = finding["interval"] or (None, None)
    span = "" if low is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * finding['estimate']:.1f}{span}"


def table(header: str, rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; empty where there are no rows."""
    names = header.split("|")
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(names) + " |", "|" + "---|" * len(names), *lines]) + "\n"


def ifeval(state: Path) -> str:
    """The four measures in both profiles, loops stopped and run on."""
    rows = []
    for how, file in (("loops stopped", "ifeval.greedy"), ("loops run on", "ifeval.greedy.continued")):
        found = findings(state / f"{file}.findings.json")
        for profile in ("reference", "fixed"):
            mine = {
                f["what"]: f
                for f in found
                if f["subject"].get("profile") == profile and f["what"].split(".")[1] in ("prompt", "instruction")
            }
            names = [f"adherence.{level}.{mode}" for mode in ("strict", "loose") for level in ("prompt", "instruction")]
            if all(name in mine for name in names):
                rows.append([how, profile, mine[names[0]]["n"], *(percent(mine[name]) for name in names)])
    return table("answers|profile|prompts|prompt strict|instruction strict|prompt loose|instruction loose", rows)


def natural(state: Path) -> str:
    """Each skill's share, fixed profile."""
    found = findings(state / "natural.greedy.findings.json")
    rows = [
        (f["what"].rpartition(".")[2].replace("_", " "), percent(f), f["n"])
        for f in found
        if f["what"].startswith("adherence.skill.") and f["subject"].get("profile") == "fixed"
    ]
    rows += [
        ("whole prompts", percent(f), f["n"])
        for f in found
        if f["what"] == "adherence.prompt.strict" and f["subject"].get("profile") == "fixed"
    ]
    return table("skill|followed, %|n", rows)


def degenerate(state: Path) -> str:
    """Answers that are none, of both sets."""
    rows = [
        (name, f["what"].removeprefix("degenerate."), percent(f), f["n"])
        for name in ("ifeval", "natural")
        for f in findings(state / f"{name}.greedy.findings.json")
        if f["what"].startswith("degenerate.") and f["estimate"]
    ]
    return table("prompts|kind|share, %|n", rows)


def certificate(state: Path) -> str:
    """Where the certificate stopped."""
    rows = [
        (
            f"{1 - f['subject']['claim']:.0%} followed",
            f["subject"]["settled"],
            f["n"],
            percent(f),
        )
        for f in findings(state / "audit.json")
        if f["what"] == "certificate.failure_rate"
    ]
    return table("claim|settled|answers|not followed, %", rows)


def gateway(state: Path) -> str:
    """Bare against gateway on the same prompts, by skill; the difference is paired."""
    rows = []
    for f in findings(state / "gateway.json"):
        if f["what"] == "gateway.adherence":
            subject = f["subject"]
            change = {"estimate": subject["difference"], "interval": (subject["low"], subject["high"])}
            rows.append((str(subject["of"]).replace("_", " "), percent(f), percent(change), f["n"]))
    return table("constraints|met through the gateway, %|difference to bare, points|n", rows)


def pilot(state: Path) -> str:
    """What the pilot solved."""
    rows = [
        (f["subject"]["kind"], percent(f), f["n"], "kept" if f["subject"]["kept"] else "left out")
        for f in findings(state / "sustain.json")
        if f["what"] == "sustain.pilot"
    ]
    return table("kind|solved, %|n|", rows)


def sustain(state: Path) -> str:
    """What each arm keeps of the solved problems."""
    wanted = ("sustain.score", "sustain.interference", "sustain.beyond_placebo", "sustain.solved")
    rows = [
        (
            f["what"].removeprefix("sustain."),
            f["subject"].get("domain", ""),
            f["subject"].get("arm", ""),
            f["subject"].get("k", ""),
            f["subject"].get("position", ""),
            percent(f),
            f["n"],
        )
        for f in findings(state / "sustain.json")
        if f["what"] in wanted and "type" not in f["subject"]  # one kind of constraint is asked too seldom
    ]
    return table("figure|domain|arm|k|position|%|n", rows)


def corrigibility(state: Path) -> str:
    """What it says when it is told to stop."""
    rows = [
        (
            f["what"].removeprefix("corrigibility.stated."),
            ", ".join(
                str(f["subject"][key]) for key in ("request", "factor", "level", "letter", "why") if key in f["subject"]
            ),
            f["subject"].get("scored", ""),
            percent(f),
            f["n"],
        )
        for f in findings(state / "corrigibility.json")
        if f["what"].startswith("corrigibility.stated.")
    ]
    return table("figure|of|read by|%|n", rows)


def explain(state: Path) -> str:
    """The decodability of each skill at the position that reads it best, the layer chosen on other folds, beside its
    strongest control."""
    measured = findings(state.with_name(f"{state.name}-explain.json"))
    measured = measured or findings(state.with_name(f"{state.name}-explain-quick.json"))
    best: dict[str, Finding] = {}
    for f in measured:
        if f["what"] == "probe.auc" and f["subject"].get("choice") == "nested" and f["estimate"] is not None:
            skill = str(f["subject"].get("skill", ""))
            if skill not in best or f["estimate"] > best[skill]["estimate"]:
                best[skill] = f
    return table("skill|layer|depth, %|position|AUC, %|strongest control|n", map(_site, best.values()))


def _site(finding: Finding) -> tuple[object, ...]:
    subject, control = finding["subject"], finding["control"]
    against = "-" if control is None else f"{control['what']} {100 * control['estimate']:.1f}"
    depth = round(100 * subject["depth"]) if "depth" in subject else "-"
    return subject["skill"], subject["layer"], depth, subject["position"], percent(finding), against, finding["n"]


BLOCKS: Mapping[str, Callable[[Path], str]] = {
    one.__name__: one
    for one in (
        ifeval,
        natural,
        degenerate,
        certificate,
        gateway,
        pilot,
        sustain,
        corrigibility,
        explain,
    )
}
