"""Compares two runs on the same prompts: by level and mode, by family, and prompt by prompt.

Rules.

- Responses pair by prompt and epoch. A prompt that only one side was asked is left out, and counted.
- An answer that failed, is null or could not be read follows nothing, and pairs like any other. Where not even its
  prompt can be told, it is taken for one of the prompts that only the other side has, one which that side follows:
  the worst case for the side that cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adhere.constraints.constraint import Profile
from adhere.core.errors import UserError
from adhere.core.reading import parse_json
from adhere.measure.adherence import journal, run, scoring
from adhere.measure.adherence.counts import LEVELS, MODES
from adhere.measure.adherence.records import PROFILES
from adhere.measure.adherence.run import ScoreRun
from adhere.measure.adherence.summary import Comparison, Pairing, compared
from adhere.measure.adherence.tally import Subject, Tally
from adhere.measure.statistics.rates import Cluster


@dataclass(frozen=True, slots=True)
class Compared:
    """What A and B differ in."""

    a: str
    b: str
    profile: Profile
    levels: tuple[Comparison, ...]
    """Prompt and instruction level, strict and loose, for each set of prompts; corrected together."""
    families: tuple[Comparison, ...]
    """By family, the surest first; corrected together. `level` is the family's kind."""
    only_a: tuple[str, ...]
    """Ids of the prompts that only A follows, strict."""
    only_b: tuple[str, ...]
    unpaired_a: int = 0
    """Prompts that only A was asked."""
    unpaired_b: int = 0
    unanswered_a: int = 0
    """Answers of A that are missing; they count as not followed."""
    unanswered_b: int = 0


def open_run(path: Path, *, prompts: Path | None = None, skip_bad: bool = False, limit: int | None = None) -> ScoreRun:
    """The scored run that `path` is or leads to: a journal, a run's folder, findings with their journal, or responses.

    Raises:
        UserError: it is none of them, or cannot be read.
    """
    if (path / "records.jsonl").is_file():
        return run.load(path / "records.jsonl")
    if journal.is_journal(path):
        return run.load(path)
    if path.suffix == ".json" and _is_findings(path):
        for beside in (path.with_name(path.name + ".records.jsonl"), path.with_name("records.jsonl")):
            if journal.is_journal(beside):
                return run.load(beside)
        raise UserError(f"{path}: its records ({path.name}.records.jsonl) are not beside it")
    return scoring.score([path], prompts=prompts, skip_bad=skip_bad, limit=limit)


def _is_findings(path: Path) -> bool:
    try:
        return "findings" in parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def one_model(scored: ScoreRun, path: Path, model: str | None = None) -> list[Subject]:
    """The subjects of the one model in a run.

    Raises:
        UserError: it has several and none is named, or not the one named.
    """
    subjects = scored.tally.subjects()
    models = list(dict.fromkeys(subject.model for subject in subjects))
    if model is None and len(models) > 1:
        raise UserError(f"{path} holds several models: {', '.join(models)}; name one with {path}::MODEL")
    if model is not None and model not in models:
        raise UserError(f"{path} holds no model {model}; there are {', '.join(models)}")
    return [subject for subject in subjects if subject.model == (model or models[0])]


def compare(
    a: tuple[ScoreRun, Sequence[Subject], str],
    b: tuple[ScoreRun, Sequence[Subject], str],
    *,
    profile: Profile | None = None,
    seed: int = 0,
) -> Compared:
    """Compare two subjects, each given with its run and the label to print.

    Raises:
        UserError: they have no prompt in common.
    """
    (run_a, subjects_a, label_a), (run_b, subjects_b, label_b) = a, b
    shared = [name for name in PROFILES if name in run_a.profiles and name in run_b.profiles]
    if not shared or (profile is not None and profile not in shared):
        raise UserError(f"{label_a} and {label_b} were not both scored in the {profile or 'same'} profile")
    used = profile or shared[0]
    pairings: list[Pairing] = []
    by_family: list[Pairing] = []
    only_a: list[str] = []
    only_b: list[str] = []
    unpaired = [0, 0]
    for first in subjects_a:
        second = next((subject for subject in subjects_b if subject.set == first.set), None)
        if second is None:
            continue
        sides = (first, used), (second, used)
        for level in LEVELS:
            for mode in MODES:
                loose = mode == "loose"
                clusters = run_a.by_prompt.pairs(*sides, level=level, loose=loose, other=run_b.by_prompt)
                if not clusters:
                    continue
                if level == "prompt":
                    left_out = _add_unnamed(clusters, (run_a.by_prompt, *sides[0]), (run_b.by_prompt, *sides[1]), loose)
                    if mode == "strict":
                        unpaired = [unpaired[0] + left_out[0], unpaired[1] + left_out[1]]
                pairings.append(Pairing(label_a, label_b, first.set, used, level, mode, list(clusters.values())))
                if (level, mode) == ("prompt", "strict"):
                    only_a += (identity for identity, c in clusters.items() if c.a > c.b)
                    only_b += (identity for identity, c in clusters.items() if c.a < c.b)
        for kind in run_a.by_prompt.families(first, used):
            clusters = run_a.by_prompt.pairs(*sides, level="instruction", kind=kind, other=run_b.by_prompt)
            if clusters:
                by_family.append(Pairing(label_a, label_b, first.set, used, kind, "strict", list(clusters.values())))
    if not pairings:
        raise UserError(f"{label_a} and {label_b} have no prompt in common")
    families = sorted(compared(by_family, seed), key=lambda c: (c.p_holm, c.difference.p, -abs(c.difference.estimate)))
    missing = [
        sum(sum(run.unanswered(subject).values()) for subject in subjects)
        for run, subjects in ((run_a, subjects_a), (run_b, subjects_b))
    ]
    return Compared(
        label_a,
        label_b,
        used,
        tuple(compared(pairings, seed)),
        tuple(families),
        tuple(only_a),
        tuple(only_b),
        *unpaired,
        *missing,
    )


_Side = tuple[Tally, Subject, Profile]


def _add_unnamed(clusters: dict[str, Cluster], a: _Side, b: _Side, loose: bool) -> tuple[int, int]:
    """Pair answers whose prompt cannot be told with prompts that only the other side has; how many of these are left
    on each side."""
    left: list[int] = []
    for (tally, subject, profile), (other, others, _), swapped in ((a, b, False), (b, a, True)):
        own, unnamed = tally.followed(subject, profile, loose), set(tally.unnamed(subject))
        alone = {identity: own[identity] for identity in own if not other.answered(others, identity)}
        known = {identity: met for identity, met in alone.items() if identity not in unnamed}
        worst_first = sorted(known, key=lambda identity: (-known[identity][0], identity))
        unreadable = [identity for identity in other.unnamed(others) if not tally.answered(subject, identity)]
        for identity in worst_first[: len(unreadable)]:
            met, n = known.pop(identity)
            clusters[identity] = Cluster(0, met, n) if swapped else Cluster(met, 0, n)
        left.append(len(known))
    return left[0], left[1]
