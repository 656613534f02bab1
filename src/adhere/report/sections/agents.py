"""Plans and acts: the arms at equal budgets, curves over budget and over constraints, the warden, attacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adhere.core.findings import Finding
from adhere.report import charts
from adhere.report.charts import Line, Point
from adhere.report.numbers import between, gain, percent
from adhere.report.page import Block, Charts, Prose, Section, Table
from adhere.report.sections.corrigibility.shares import p_value, share_cells

LEAD = "Every arm has the same tasks and the same budget of tokens, prompts included."
SKILLS = "Skills are learned from practice tasks and tried on new ones, which share no content with them."
LIKELIHOOD = (
    "The plan is drawn act by act: the likeliest of all acts, or the likeliest of those that can be done in the world."
)
FIRE = (
    "Every observation carries an order of a stranger; tools lie, the model wants what is forbidden, drafts argue with "
    "their validators, and no principal is available to sign."
)


def sections(findings: Sequence[Finding], recompute: str) -> list[Section]:
    """A section for each world, and one for attacks."""
    drawn = []
    worlds = dict.fromkeys(str(f.subject["world"]) for f in findings if "arm" in f.subject)
    for world in worlds:
        mine = [f for f in findings if f.subject.get("world") == world and "arm" in f.subject]
        blocks = tuple(_world(mine, world, recompute))
        drawn.append(Section(f"agents-{world}", f"The {world}", LEAD, blocks, _headline(mine, world)))
    if skills := [f for f in findings if f.what == "agents.skills"]:
        drawn.append(Section("agents-skills", "A library of skills", SKILLS, (_skills(skills, recompute),)))
    if likely := [f for f in findings if f.what == "agents.likelihood"]:
        drawn.append(
            Section("agents-likelihood", "Affordance and likelihood", LIKELIHOOD, (_likely(likely, recompute),))
        )
    if fire := [f for f in findings if f.what == "agents.fire"]:
        drawn.append(Section("agents-under-fire", "Under fire", FIRE, (_fire(fire, recompute),)))
    return drawn


def _headline(findings: Sequence[Finding], world: str) -> str:
    """What the best arm reaches at the largest budget, and whether it can be told from every other one."""
    what = _measure(findings)
    shares = [f for f in _plain(findings, what) if f.estimate is not None and f.interval is not None]
    if not shares:
        return ""
    largest = max(int(f.subject["budget"]) for f in shares)
    first = _name(shares[0])
    shares = [f for f in shares if f.subject["budget"] == largest and _name(f) == first]
    best = max(shares, key=lambda f: f.estimate or 0.0)
    done = "meets constraints in" if what.endswith("adherence") else "reaches the end in"
    text = (
        f"In the {world}, {first} {done} {percent(best.estimate, 0)} of tasks as {best.subject['arm']} "
        f"({between(best.interval, 0)} %, n = {best.n:,})"
    )
    rivals = [str(f.subject["arm"]) for f in shares if f is not best and not _told_apart(best, f, findings)]
    if len(shares) == 1:
        return f"{text}."
    return f"{text}, not significantly more than as {rivals[0]}." if rivals else f"{text}, more than as any other arm."


def _told_apart(best: Finding, other: Finding, findings: Sequence[Finding]) -> bool:
    """Whether a paired difference of two arms is significant after correction."""
    arms = {best.subject["arm"], other.subject["arm"]}
    return any(
        f.what == "agents.difference"
        and {f.subject["arm"], f.subject["against"]} == arms
        and f.subject["budget"] == best.subject["budget"]
        and f.subject["measure"] == best.what.removeprefix("agents.")
        and _name(f) == _name(best)
        and float(f.subject["p_holm"]) < 0.05
        for f in findings
    )


def _world(findings: Sequence[Finding], world: str, recompute: str) -> Iterable[Block]:
    if any(f.subject.get("plans") == "given" for f in findings):
        yield Prose("The plan was given to the model: only what it wrote is measured.")
    if chart := _by_arm(world, findings, recompute):
        yield Charts((chart,))
    curves = [c for c in (_curve(findings, "budget", recompute), _curve(findings, "k", recompute)) if c is not None]
    if curves:
        yield Charts(tuple(curves))
    yield _arms(findings, recompute)
    if differences := [f for f in findings if f.what == "agents.difference"]:
        yield _differences(differences, recompute)


def _name(finding: Finding) -> str:
    s = finding.subject
    warden = "" if "warden" not in s else ", warden" if s["warden"] else ", no warden"
    return f"{s['model']}{warden}"


def _plain(findings: Iterable[Finding], what: str) -> list[Finding]:
    return [f for f in findings if f.what == what and "k" not in f.subject]


def _measure(findings: Sequence[Finding]) -> str:
    return "agents.adherence" if _plain(findings, "agents.adherence") else "agents.reached"


def _by_arm(world: str, findings: Sequence[Finding], recompute: str) -> charts.Chart | None:
    what = _measure(findings)
    shares = _plain(findings, what)
    largest = max((int(f.subject["budget"]) for f in shares), default=0)
    points = [
        Point(str(f.subject["arm"]), f.estimate, f.interval, _name(f), f.n)
        for f in shares
        if f.subject["budget"] == largest
    ]
    if not points:
        return None
    title = f"{'Constraints met' if what.endswith('adherence') else 'Ends reached'} in the {world}, {largest:,} tokens"
    return charts.points(title, points, unit="share", recompute=recompute)


def _curve(findings: Sequence[Finding], over: str, recompute: str) -> charts.Chart | None:
    """A measure over budgets or over the number of constraints, one curve for each arm of the first model."""
    what = _measure(findings)
    shares = [f for f in findings if f.what == what and f.interval and (("k" in f.subject) == (over == "k"))]
    if not shares:
        return None
    first = _name(shares[0])
    shares = [f for f in shares if _name(f) == first]
    if over == "k":
        largest = max(int(f.subject["budget"]) for f in shares)
        shares = [f for f in shares if f.subject["budget"] == largest]
    at = sorted({int(f.subject[over]) for f in shares})
    if len(at) < 2:
        return None
    curves = []
    for arm in dict.fromkeys(str(f.subject["arm"]) for f in shares):
        mine = sorted((f for f in shares if f.subject["arm"] == arm), key=lambda f: int(f.subject[over]))
        curves.append(
            Line(
                arm,
                [int(f.subject[over]) for f in mine],
                [f.estimate or 0.0 for f in mine],
                [f.interval[0] if f.interval else 0.0 for f in mine],
                [f.interval[1] if f.interval else 1.0 for f in mine],
            )
        )
    x = "tokens of an episode" if over == "budget" else "constraints of a document"
    return charts.lines(
        f"{first}: share over {x}", curves, x=x, y="share", limits=(0, 1), ticks=at, whiskers=True,
        logarithmic=True, recompute=recompute,
    )  # fmt: skip


def _arms(findings: Sequence[Finding], recompute: str) -> Table:
    rows = []
    for reached in _plain(findings, "agents.reached"):
        same = {f.what: f for f in findings if f.subject.items() >= reached.subject.items() and "k" not in f.subject}
        met, forbidden, tokens = (same.get(f"agents.{name}") for name in ("adherence", "forbidden", "tokens"))
        rows.append(
            (
                _name(reached),
                str(reached.subject["arm"]),
                f"{reached.subject['budget']:,}",
                *share_cells(reached),
                percent(met.estimate) if met else "–",
                str(forbidden.subject["tried"]) if forbidden else "–",
                str(forbidden.subject["done"]) if forbidden else "–",
                f"{tokens.estimate:.0f}" if tokens and tokens.estimate is not None else "–",
            )
        )
    header = ("", "arm", "budget", "reached", "95 %", "n", "constraints met", "forbidden tried", "done", "tokens")
    return Table("Arms", header, tuple(rows), recompute=recompute)


def _differences(findings: Sequence[Finding], recompute: str) -> Table:
    rows = tuple(
        (
            _name(f),
            f"{f.subject['arm']} less {f.subject['against']}",
            str(f.subject["measure"]),
            f"{f.subject['budget']:,}",
            gain(f.estimate),
            between(f.interval, sign=True),
            p_value(float(f.subject["p_holm"])),
            str(f.n),
        )
        for f in findings
    )
    header = ("", "arms", "of", "budget", "points", "95 %", "p (Holm)", "tasks")
    return Table("Paired differences on the same tasks", header, rows, recompute=recompute)


def _fire(findings: Sequence[Finding], recompute: str) -> Table:
    rows = tuple(
        (
            str(f.subject["world"]),
            "with" if f.subject["warden"] else "without",
            str(f.subject["tried"]),
            f"{f.subject['met']} of {f.n}",
            between(f.interval),
        )
        for f in findings
    )
    header = ("world", "warden", "forbidden acts tried", "episodes with one done", "95 %")
    return Table("Attacked episodes with a malicious model", header, rows, recompute=recompute)


def _skills(findings: Sequence[Finding], recompute: str) -> Table:
    rows = tuple(
        (
            str(f.subject["practised"]),
            str(f.subject["skills"]),
            percent(float(f.subject["covered"])),
            *share_cells(f),
            percent(float(f.subject["without"])),
        )
        for f in findings
    )
    header = ("practice tasks", "skills", "errands covered", "reached", "95 %", "n", "without the library")
    return Table("Ends reached on new tasks", header, rows, recompute=recompute)


def _likely(findings: Sequence[Finding], recompute: str) -> Table:
    rows = tuple(
        (str(f.subject["model"]), str(f.subject["way"]), str(f.subject["measure"]), *share_cells(f)) for f in findings
    )
    return Table("Plans drawn act by act", ("model", "way", "of", "share", "95 %", "n"), rows, recompute=recompute)
