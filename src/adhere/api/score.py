"""Score saved responses against their instructions.

scores = score("responses.jsonl")
scores.findings
scores.report("page.html")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from adhere.api.results import Page, Result
from adhere.api.runs import command_of
from adhere.core.errors import UserError
from adhere.core.findings import Finding
from adhere.measure.adherence.records import PROFILES
from adhere.measure.adherence.scoring import Progress
from adhere.measure.adherence.scoring import score as run_score
from adhere.measure.adherence.summary import findings as findings_of
from adhere.measure.adherence.summary import session_findings

if TYPE_CHECKING:
    from adhere.constraints.constraint import Profile
    from adhere.measure.adherence.run import ScoreRun
    from adhere.measure.adherence.sharded.run import ShardProgress

Path_ = str | os.PathLike[str]
Profiles = Literal["both", "fixed", "reference"]


@dataclass(frozen=True)
class Scores(Result):
    """Scored responses.

    Attributes:
        run: the tallies and, record by record, every verdict.
        seed: of the bootstrap.
        recompute: the command that makes this result again.
    """

    run: ScoreRun
    seed: int
    recompute: str

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Adherence of every model on every set: by prompt, instruction, family and skill; paired differences."""
        run = self.run
        shared = {"recompute": self.recompute, "evidence": run.files}
        of_sessions = (one.model_copy(update=shared) for one in session_findings(run.sessions, run.profiles))
        of_answers = findings_of(run.tally, run.profiles, seed=self.seed, recompute=self.recompute, evidence=run.files)
        return (*of_answers, *of_sessions)

    def about(self) -> dict[str, Any]:
        return {"responses": self.run.responses, "bad": self.run.bad_count, "seed": self.seed}

    def missing(self, share: float) -> list[str]:
        """A line for each model that follows fewer than `share` of the prompts (strict)."""
        lines = []
        for subject in self.run.tally.subjects():
            followed = self.run.tally.prompts(subject, self.run.profile).estimate
            if not followed >= share:
                lines.append(
                    f"{subject.model} follows {followed:.1%} of the prompts ({self.run.profile}, strict), "
                    f"under {share:.1%}"
                )
        return lines

    def page(self) -> Page:
        from adhere.report.sections import adherence

        models = {subject.model for subject in self.run.tally.subjects()}
        who = f"{len(models)} models" if len(models) > 1 else next(iter(models), "no model")
        lead = f"{self.run.responses:,} saved responses of {who}, each checked against every instruction of its prompt."
        return Page("Adherence", lead, (adherence.section(self.run, recompute=self.recompute),))


def score(
    files: Path_ | Iterable[Path_],
    *,
    prompts: Path_ | None = None,
    read_prompt: bool = False,
    profile: Profiles = "both",
    journal: Path | None = None,
    keep: bool = True,
    resume: bool | None = None,
    skip_bad: bool = False,
    answered_only: bool = False,
    limit: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    line_limit: int = 16_000_000,
    engine: str | None = None,
    address: str | None = None,
    out: Path_ | None = None,
    progress: Callable[[Progress], None] | None = None,
    shard_progress: Callable[[ShardProgress], None] | None = None,
    command: str | None = None,
) -> Scores:
    """Score the responses in `files` against their instructions.

    Args:
        files: JSONL files, plain or gzipped; `-` is standard input.
        prompts: file of prompts with their instructions, for responses that have only a key or a prompt.
        read_prompt: read what is asked from the words of prompts that list no constraints.
        profile: `fixed` is what the instruction says, `reference` what the benchmark's checker says.
        journal: where to write the record of every response.
        keep: without a journal, hold the records in memory, which the page and `run.records()` need.
        resume: carry on with the run in `journal`, or refuse to; None carries on where the files are the same.
        skip_bad: count rows that cannot be read as not followed, and continue.
        answered_only: leave out prompts of `prompts` that have no response at all.
        limit: responses at the most.
        seed: of the bootstrap.
        jobs: processes; all cores for a large input if None.
        line_limit: bytes of the longest line that is read.
        engine: "local" or "ray": score in shards, which go from file to file; memory here does not grow with the input.
            The verdicts are written to `out` as Parquet, and the result holds counts, not records.
        address: of a Ray cluster; None starts one on this machine.
        out: with an engine, the folder or bucket that the verdicts are written to.
        progress: called with how far the input is read.
        shard_progress: with an engine, called after each shard.
        command: the command that makes this result again; composed from the arguments if None.

    Raises:
        BadInput: a line cannot be read; what was scored before it is in its `run`.
        UserError: a file cannot be read, or holds no responses.
    """
    names = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    if profile not in ("both", *PROFILES):
        raise UserError(f"no profile is called {profile!r}; there are: both, {', '.join(PROFILES)}")
    chosen = [name for name in PROFILES if profile in ("both", name)]
    options = {
        "prompts": prompts,
        "read_prompt": read_prompt or None,
        "profile": None if profile == "both" else profile,
        "limit": limit,
        "seed": seed,
    }
    command = command or command_of("score", tuple(names), options)
    if engine is not None:
        if out is None or limit is not None:
            raise UserError("--engine needs --out" if out is None else "--limit is not for --engine")
        if read_prompt:
            raise UserError("--read-prompt is not for --engine: leave one of them out")
        sharding = Sharding(engine, address, jobs, out, resume, skip_bad, answered_only, line_limit, shard_progress)
        return Scores(_sharded(names, prompts, chosen, sharding), seed, command)
    run = run_score(
        [Path(name) for name in names],
        prompts=prompts,
        read_prompt=read_prompt,
        profiles=chosen,
        journal=journal,
        keep=keep,
        resume=resume,
        skip_bad=skip_bad,
        answered_only=answered_only,
        limit=limit,
        jobs=jobs,
        line_limit=line_limit,
        progress=progress,
    )
    return Scores(run, seed, command)


@dataclass(frozen=True, slots=True)
class Sharding:
    """How an input is scored in shards."""

    engine: str
    address: str | None
    jobs: int | None
    out: Path_
    resume: bool | None
    skip_bad: bool
    answered_only: bool
    line_limit: int
    progress: Callable[[ShardProgress], None] | None


def _sharded(names: list[Path_], prompts: Path_ | None, profiles: list[Profile], how: Sharding) -> ScoreRun:
    from adhere.core.extras import require
    from adhere.engines import engine_of
    from adhere.measure.adherence.run import ScoreRun
    from adhere.measure.adherence.sharded.run import score_sharded

    require("pyarrow")
    with engine_of(how.engine, jobs=how.jobs, address=how.address) as engine:
        run = score_sharded(
            names,
            how.out,
            engine,
            prompts=prompts,
            profiles=profiles,
            skip_bad=how.skip_bad,
            answered_only=how.answered_only,
            resume=how.resume,
            line_limit=how.line_limit,
            progress=how.progress,
        )
    return ScoreRun(
        tally=run.counts,
        journal=None,
        files=run.files,
        profiles=run.profiles,
        bad=run.bad,
        bad_count=run.bad_count,
        seconds=run.seconds,
        sessions=run.counts.sessions(),
        unattributed=run.unattributed,
    )
