"""What `adhere sustain` prints."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from adhere.cli.tables.layout import Column, Table
from adhere.core.terminal import visible
from adhere.measure.sustain.practice_study import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from adhere.core.findings import Finding
    from adhere.measure.sustain.run import Done
    from adhere.measure.sustain.scores import Score


def print_done(done: Done, console: Console) -> None:
    """The pilot, base, every condition, and what was left out."""
    if pilot := piloted(done.findings):
        console.print(pilot, soft_wrap=True)
    if done.scores is not None:
        for solved in done.scores.selection.solved:
            console.print(visible(solved))
        if done.scores.conditions:
            _conditions(done.scores.conditions, done.findings).print(console)
        if done.scores.power is not None:
            console.print(str(done.scores.power), soft_wrap=True)
        print_attention(done.findings, console)
    else:
        print_study(done.findings, console)
    if done.deterministic:
        console.print(
            "Every control answer equals its base answer: a deterministic engine, or temperature 0. Control is then 1 "
            "by construction, and net interference says what Sustain says.",
            soft_wrap=True,
        )
    if suspects := sum(one.grade.outcome == "suspect" for one in done.outcomes):
        console.print(
            f"{suspects} programs are suspect: they pass the tests that they could reach, and hold what could have "
            "made them pass. They count as not solved.",
            soft_wrap=True,
        )
    if left := left_out(done):
        console.print(f"Left out: {left}", soft_wrap=True)
    if done.errors:
        console.print(f"{done.errors} problems got no answer: their provider failed. The same command asks again.")


def piloted(findings: Iterable[Finding]) -> str:
    """What the pilot solved and which kinds were kept, in one line; empty where there was none."""
    tried = [finding for finding in findings if finding.what == "sustain.pilot"]
    if not tried:
        return ""
    kinds = ", ".join(
        f"{one.subject['kind']} {one.estimate or 0.0:.0%}{'' if one.subject['kept'] else ' (left out)'}"
        for one in tried
    )
    return f"Pilot of {max(one.n for one in tried)} problems of each kind, solved: {kinds}."


def left_out(done: Done) -> str:
    """What was left out and how often, in one line."""
    counts: Counter[str] = Counter()
    for one in done.exclusions:
        counts[_WHY.get(one.why, one.why)] += one.count
    return "; ".join(f"{why} {count}" for why, count in counts.most_common())


_WHY = {
    "no_constraint": "arms for which the solution yields too few constraints",
    "names_answer": "candidates that would hint at the answer",
    "contradiction": "candidates that contradict another",
    "paraphrase": "longer wordings that changed the problem",
    "refused": "answers that the provider refused",
    "undecided": "answers that could not be graded",
}


def _conditions(scores: Sequence[Score], findings: Iterable[Finding]) -> Table:
    """Every arm; the added length is the mean over problems, in the model's own tokens where it has a tokenizer."""
    lengths = [one for one in findings if one.what == "sustain.added_length"]
    added = {(one.subject["arm"], one.subject["k"], one.subject["position"]): one.estimate for one in lengths}
    unit = str(lengths[0].subject["counted_in"]) if lengths else "tokens"
    numbers = [Column("Sustain", True), Column("control", True, 1), Column("net loss (95 %)", True)]
    numbers += [Column("p", True, 2), Column("constraints met", True, 3), Column("n", True, 2)]
    if lengths:
        numbers.append(Column(f"added {unit}", True, 3))
    table = Table("", ["arm", *numbers])
    for one in scores:
        arm, k, position, factor = one.condition
        name = f"{arm} x{k}" + ("" if position == "after" else f" {position}") + ("" if factor == 1 else f" {factor:g}")
        gap = one.interference
        table.add(
            name,
            _share(one.sustain.estimate),
            _share(one.control.estimate) if one.control.n else "–",
            f"{_share(gap.estimate)} ({_range(gap.interval)})" if gap.n else "–",
            f"{one.p_holm:.2g}" if gap.n else "–",
            _share(one.met.estimate) if one.met.n else "–",
            str(one.sustain.n),
            *(["–" if (mean := added.get((arm, k, position))) is None else f"{mean:.1f}"] if lengths else []),
        )
    return table


def print_study(findings: Iterable[Finding], console: Console) -> None:
    """Interference of the groups, in all domains and in each, of every kind over all, and how far groups are apart."""
    numbers = [Column("net loss (95 %)", True), Column("p", True, 2), Column("constraints met", True, 1)]
    table = Table("", ["domain", "kind", *numbers, Column("n", True, 2)])
    in_domains = [one for one in findings if "domain" in one.subject]
    met = {_key(one): one for one in in_domains if one.what == "sustain.if"}
    for one in sorted((one for one in in_domains if one.what == "sustain.interference"), key=_order):
        if (
            "type" in one.subject
            and one.subject["domain"] != "all"
            and "all" in {x.subject["domain"] for x in in_domains}
        ):
            continue
        followed = met.get(_key(one))
        table.add(
            str(one.subject["domain"]),
            str(one.subject.get("type") or f"{one.subject['group']} (all)"),
            f"{_share(one.estimate)} ({_range(one.interval)})",
            f"{one.subject['p_holm']:.2g}",
            _share(followed.estimate) if followed else "–",
            str(one.n),
        )
    table.print(console)
    for one in in_domains:
        if one.what == "sustain.practice":
            console.print(
                f"{visible(one.subject['domain'])}: {one.subject['group']} kinds cost {_share(one.estimate)} points "
                f"more than practised ones ({_range(one.interval)}; {one.n} problems)",
                soft_wrap=True,
            )


def print_attention(findings: Iterable[Finding], console: Console) -> None:
    """Whether failed answers look more at the constraint, over all blocks and the whole answer."""
    for one in findings:
        if one.what == "attention.constraint" and one.of(outcome="difference", layer="all", progress="all"):
            low, high = one.interval or (float("nan"), float("nan"))
            console.print(
                f"attention to the constraint ({one.subject['measure']}), failed less sustained answers: "
                f"{one.estimate:+.4f} ({low:+.4f} to {high:+.4f}; {one.n} {one.unit})",
                soft_wrap=True,
            )


def print_trajectory(findings: Iterable[Finding], console: Console) -> None:
    """Interference of the groups at every checkpoint."""
    columns = (Column(f"{name}, 95 %", True) for name in GROUPS)
    table = Table("", [Column("tokens", True), Column("solved", True), *columns, Column("n", True, 1)])
    by_tokens: dict[int, list[Finding]] = {}
    for one in findings:
        by_tokens.setdefault(int(one.subject["tokens"]), []).append(one)
    for tokens, mine in sorted(by_tokens.items()):
        cells, n = [], 0
        for name in GROUPS:
            group = [
                one
                for one in mine
                if one.what == "sustain.interference" and one.of(group=name, domain="all") and "type" not in one.subject
            ]
            cells.append(f"{_share(group[0].estimate)} ({_range(group[0].interval)})" if group else "–")
            n = max([n, *(one.n for one in group)])
        solved = [one.estimate or 0.0 for one in mine if one.what == "sustain.solved"]
        share = _share(sum(solved) / len(solved)) if solved else "–"
        table.add(f"{tokens / 1e6:.2f} M", share, *cells, str(n))
    table.print(console)


def _key(one: Finding) -> tuple[str, str, str]:
    subject = one.subject
    return str(subject.get("domain")), str(subject.get("group")), str(subject.get("type"))


def _order(one: Finding) -> tuple[bool, str, bool, str]:
    domain, group, kind = _key(one)
    return domain != "all", domain, "type" in one.subject, f"{group} {kind}"


def _share(value: float | None) -> str:
    return "–" if value is None or value != value else f"{100 * value:.1f}"


def _range(interval: tuple[float, float] | None) -> str:
    return "–" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
