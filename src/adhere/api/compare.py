"""Compare two runs on the same prompts, paired.

comparison = compare("a.jsonl", "b.jsonl")
comparison.findings
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.api.results import Page, Result, interval, number
from adhere.api.runs import command_of
from adhere.api.score import Scores
from adhere.core.errors import UserError
from adhere.core.findings import Finding
from adhere.measure.adherence import comparison as runs
from adhere.measure.adherence.logs import is_log, paired_scores, read_scores
from adhere.measure.adherence.summary import Comparison, Pairing, compared

if TYPE_CHECKING:
    from adhere.constraints.constraint import Profile
    from adhere.measure.adherence.run import ScoreRun
    from adhere.measure.adherence.tally import Subject

Side = str | os.PathLike[str] | Scores


@dataclass(frozen=True)
class Compared(Result):
    """Two runs, paired by prompt and epoch.

    Attributes:
        a, b: the names of the two sides.
        about_what: the profile of scored runs, the task of Inspect logs.
        levels: the comparison by prompt and by instruction, or by metric.
        families: the comparison by constraint family, the surest first.
        only_a, only_b: the prompts that one side alone follows.
        notes: what a reader must know of the answers: missing ones, failed ones, prompts without a pair.
    """

    a: str
    b: str
    about_what: str
    levels: tuple[Comparison, ...]
    families: tuple[Comparison, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    notes: tuple[str, ...]
    seed: int
    recompute: str
    evidence: tuple[str, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        shared = {"recompute": self.recompute, "evidence": self.evidence}
        return tuple(one.finding().model_copy(update=shared) for one in (*self.levels, *self.families))

    def about(self) -> dict[str, Any]:
        return {"seed": self.seed}

    def page(self) -> Page:
        from adhere.report.page import Section, Table

        header = ("what", "A − B", "95 %", "n", "real?")
        rows = tuple(
            (
                " ".join((one.level, one.mode)),
                number(one.difference.estimate),
                interval(one.finding()),
                str(one.difference.clusters),
                "yes" if one.real else "cannot tell",
            )
            for one in (*self.levels, *self.families)
        )
        table = Table(
            f"A {self.a} · B {self.b}", header, rows, "Paired by prompt; p corrected by Holm.", self.recompute
        )
        section = Section("comparison", "Comparison", f"{self.about_what}, the same prompts on both sides.", (table,))
        return Page(f"{self.a} against {self.b}", "Which differences are real?", (section,))


def compare(
    a: Side,
    b: Side,
    *,
    prompts: Path | None = None,
    profile: Profile = "fixed",
    skip_bad: bool = False,
    limit: int | None = None,
    seed: int = 0,
    command: str | None = None,
) -> Compared:
    """Compare two runs on the same prompts: which differences are real?

    Args:
        a, b: responses, findings or records of a scored run, a run's folder, an Inspect log, or what `score` returned.
            `FILE::MODEL` picks one of several models in a file.
        prompts: file of prompts, for responses that have only a key or a prompt.
        profile: which verdicts are compared.
        skip_bad: count rows that cannot be read as not followed.
        limit: responses at the most.
        seed: of the bootstrap.
        command: the command that makes this result again; composed from the arguments if None.

    Raises:
        UserError: a side cannot be read, holds several models, or the sides share no prompt.
    """
    if _is_log(a) != _is_log(b):
        raise UserError("an Inspect log can only be compared with another Inspect log")
    names = tuple(one.recompute if isinstance(one, Scores) else os.fspath(one) for one in (a, b))
    recompute = command or command_of(
        "compare", names, {"prompts": prompts, "profile": profile, "limit": limit, "seed": seed}
    )
    if _is_log(a):
        return _logs(names[0], names[1], seed, recompute)
    sides = [_side(one, prompts, skip_bad, limit) for one in (a, b)]
    if sides[0][2] == sides[1][2]:
        sides = [(run, subjects, name) for (run, subjects, _), name in zip(sides, names, strict=True)]
    result = runs.compare(sides[0], sides[1], profile=profile, seed=seed)
    return Compared(
        result.a,
        result.b,
        result.profile,
        tuple(result.levels),
        tuple(result.families),
        tuple(result.only_a),
        tuple(result.only_b),
        _notes(result),
        seed,
        recompute,
        names,
    )


def _is_log(side: Side) -> bool:
    return not isinstance(side, Scores) and is_log(side)


def _side(side: Side, prompts: Path | None, skip_bad: bool, limit: int | None) -> tuple[ScoreRun, list[Subject], str]:
    if isinstance(side, Scores):
        run, path, model = side.run, Path(side.run.files[0] if side.run.files else "run"), ""
    else:
        name, _, model = os.fspath(side).partition("::")
        path = Path(name)
        run = runs.open_run(path, prompts=prompts, skip_bad=skip_bad, limit=limit)
    subjects = runs.one_model(run, path, model or None)
    return run, subjects, subjects[0].model


def _logs(a: str, b: str, seed: int, command: str) -> Compared:
    first, second = read_scores(a), read_scores(b)
    labels = (first.model, second.model) if first.model != second.model else (a, b)
    pairings = [
        Pairing(*labels, first.task, "inspect", metric, "score", clusters)
        for metric, clusters in paired_scores(first, second).items()
    ]
    notes = [
        f"{label}: {len(log.failed)} samples ended with an error; they count as 0"
        for label, log in zip(labels, (first, second), strict=True)
        if log.failed
    ]
    left_out = first.left_out + second.left_out
    if left_out:
        notes.append(f"{left_out} scores are missing or no numbers, and are left out")
    levels = tuple(compared(pairings, seed))
    return Compared(*labels, first.task, levels, (), (), (), tuple(notes), seed, command, (a, b))


def _notes(result: runs.Compared) -> tuple[str, ...]:
    notes = []
    sides = (result.a, result.unanswered_a, result.unpaired_a), (result.b, result.unanswered_b, result.unpaired_b)
    for label, unanswered, unpaired in sides:
        if unanswered:
            notes.append(f"{label}: {unanswered} answers are missing; they count as not followed")
        if unpaired:
            notes.append(f"{label}: {unpaired} prompts that the other was not asked are left out")
    return tuple(notes)
