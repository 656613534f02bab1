"""A gallery of earlier runs: every findings file under a folder, newest first, each with its headline; two compared.

Rules.

- A run is a JSON file with findings. A page beside it of the same name (`out.html`, `report.html`) is linked.
- Files are read, never written. What a file says is foreign text: it is escaped, and a damaged file is one line.
- Two figures are called different only where their intervals do not touch: the runs' cases are not here to be paired.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from adhere.core import findings as records
from adhere.core.errors import UserError
from adhere.core.findings import Finding
from adhere.report.numbers import percent
from adhere.report.page import environment

MOST_FILES = 2_000
MOST_BYTES = 20_000_000
MOST_DEPTH = 6
_SKIPPED = frozenset((".git", ".venv", "node_modules", "__pycache__", "logs", "site-packages", "_work", "verdicts"))


@dataclass(frozen=True, slots=True)
class Run:
    """A findings file.

    Attributes:
        path: relative to the folder that is shown.
        changed: seconds since 1970.
        headline: the run's result in one sentence, or why it cannot be read.
        findings: empty where it cannot be read.
        page: path of its page, relative to the folder, if there is one.
        recompute: the command that makes it again.
    """

    path: str
    changed: float
    headline: str
    findings: tuple[Finding, ...]
    page: str | None
    recompute: str

    @property
    def when(self) -> str:
        return datetime.fromtimestamp(self.changed, UTC).strftime("%Y-%m-%d %H:%M")


def runs(folder: Path) -> list[Run]:
    """The runs under a folder, the newest first."""
    listed = [_run(folder, path) for path in _candidates(folder)]
    return sorted((run for run in listed if run is not None), key=lambda run: -run.changed)


def _candidates(folder: Path) -> Iterator[Path]:
    left = MOST_FILES
    for place, folders, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and depth < MOST_DEPTH)
        for name in sorted(names):
            path = Path(place, name)
            if (
                name.endswith(".json")
                and path.is_file()
                and not path.is_symlink()
                and path.stat().st_size <= MOST_BYTES
            ):
                left -= 1
                if left < 0:
                    return
                yield path


def _run(folder: Path, path: Path) -> Run | None:
    try:
        about = path.stat()
        findings, problem = _read(str(path), about.st_mtime_ns, about.st_size)
    except OSError:
        return None
    if problem:
        return Run(str(path.relative_to(folder)), about.st_mtime, problem, (), None, "")
    if not findings:
        return None
    pages = [path.with_suffix(".html")]
    if path.stem == "findings":  # a run's folder
        pages.append(path.with_name("report.html"))
    page = next((str(one.relative_to(folder)) for one in pages if one.is_file() and not one.is_symlink()), None)
    recompute = next((one.recompute for one in findings if one.recompute), "")
    return Run(str(path.relative_to(folder)), about.st_mtime, headline(findings), findings, page, recompute)


@lru_cache(maxsize=MOST_FILES)
def _read(path: str, changed: int, size: int) -> tuple[tuple[Finding, ...], str]:
    """The findings of a file and what is wrong with it; neither where it is another kind of file. Read once as long as
    it stays as it is."""
    del changed, size
    if b'"findings"' not in Path(path).read_bytes():
        return (), ""
    try:
        return tuple(records.read(path)), ""
    except UserError as error:
        return (), str(error)


_HEADLINES = (
    ("adherence.prompt.strict", "follow", "of prompts completely"),
    ("sustain.score", "keep", "of solved problems under a self-evident constraint"),
    ("train.adherence", "meet every constraint of", "of prompts after tuning"),
    ("agents.reached", "reach the end that was meant in", "of tasks"),
    ("authority.right", "follow the rightful instruction in", "of cases"),
    ("modular.accuracy", "are right on", "of held-out pairs"),
)
"""The figure that leads, by the first that a run has, and what it says of several subjects."""


def headline(findings: Sequence[Finding]) -> str:
    """A run's result in one sentence, with interval and n: of one subject its figure with the largest n, of several
    the range."""
    for what, verb, rest in _HEADLINES:
        named = [one for one in findings if one.what == what and one.estimate is not None]
        if not named:
            continue
        by_subject: dict[str, Finding] = {}
        for one in named:
            who = str(one.subject.get("model", one.subject.get("arm", "the subject")))
            if who not in by_subject or one.n > by_subject[who].n:
                by_subject[who] = one
        shares = [one.estimate or 0.0 for one in by_subject.values()]
        if len(shares) > 1:
            low, high = percent(min(shares), 0), percent(max(shares), 0)
            return f"{len(shares)} subjects {verb} {low} to {high} {rest}"
        (who, one), *_ = by_subject.items()
        first, *others = verb.split(" ", 1)
        singular = " ".join(["is" if first == "are" else f"{first}es" if first == "reach" else f"{first}s", *others])
        return f"{who} {singular} {percent(one.estimate, 0)} {rest} ({_bounds(one)}n = {one.n:,})"
    kinds = ", ".join(sorted({one.what.split(".")[0] for one in findings})) or "none"
    return f"{len(findings):,} findings: {kinds}"


def _bounds(finding: Finding) -> str:
    if finding.interval is None:
        return ""
    low, high = finding.interval
    return f"{percent(low, 0)} to {percent(high, 0)}, "


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure in two runs."""

    name: str
    subject: str
    a: str
    b: str
    difference: str
    verdict: str


def compared(a: Run, b: Run) -> list[Pair]:
    """The figures that both runs have, those that differ first."""
    ours = {_key(one): one for one in a.findings}
    pairs = []
    for other in b.findings:
        one = ours.get(_key(other))
        if one is None or one.estimate is None or other.estimate is None:
            continue
        gap = other.estimate - one.estimate
        subject = ", ".join(str(value) for value in _subject(other).values())
        pairs.append((_verdict(one, other), -abs(gap), other.what, subject, _cell(one), _cell(other), f"{gap:+.3f}"))
    order = {"different": 0, "cannot tell": 1, "no interval": 2}
    pairs.sort(key=lambda row: (order[row[0]], row[1]))
    return [Pair(what, subject, left, right, gap, verdict) for verdict, _, what, subject, left, right, gap in pairs]


def _subject(finding: Finding) -> dict[str, object]:
    """The subject without what the run measured, and without the model: two models are compared, too."""
    measured = {"model", "p", "p_holm", "real", "only_a", "only_b", "clusters", "few_clusters", "test"}
    return {key: value for key, value in finding.subject.items() if key not in measured}


def _key(finding: Finding) -> tuple[str, str]:
    return finding.what, repr(sorted(_subject(finding).items()))


def _verdict(a: Finding, b: Finding) -> str:
    if a.interval is None or b.interval is None:
        return "no interval"
    apart = a.interval[1] < b.interval[0] or b.interval[1] < a.interval[0]
    return "different" if apart else "cannot tell"


def _cell(finding: Finding) -> str:
    bounds = "" if finding.interval is None else f" ({finding.interval[0]:.3f} to {finding.interval[1]:.3f})"
    return f"{finding.estimate:.3f}{bounds}, n = {finding.n:,}"


def gallery_page(listed: Sequence[Run], folder: str) -> str:
    """The list of runs as a page."""
    return environment().get_template("gallery.html").render(runs=listed, folder=folder, pair=None, rows=())


def comparison_page(a: Run, b: Run, folder: str) -> str:
    """Two runs side by side as a page."""
    rows = compared(a, b)
    return environment().get_template("gallery.html").render(runs=(), folder=folder, pair=(a, b), rows=rows)
