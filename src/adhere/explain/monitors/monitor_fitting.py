"""From probes to monitors: one for each skill, fitted on what the model answered, tried on prompts it has not seen.

A monitor's false alarms are promised for prompts of the kind it was calibrated on. So those it is tried on are drawn at
random from the same responses, by prompt, and answered anew with the monitor reading along.

A skill whose answers do not suffice for a threshold has no monitor and a line that says why. All monitors are saved in
the run's folder as `monitor.safetensors` and `monitor.json`; `models/serving/probe_monitor.py` reads them while a
model writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adhere.core.errors import UserError
from adhere.core.findings import Finding
from adhere.explain.cases.labels import Prompt, Response, cases, satisfied
from adhere.explain.collection.sampling import TEMPERATURE, encode
from adhere.explain.monitors.monitor_evaluation import MonitorTrial, findings, trial
from adhere.explain.monitors.monitoring import Answers, fit
from adhere.explain.workers import Workers
from adhere.models.forward.tokenmap import replay
from adhere.models.generation.generate import Request, Sampling
from adhere.models.load import OpenModel
from adhere.models.serving.probe_monitor import SavedMonitor, load, save

TRIED = 64
"""Prompts of each skill on which its monitor is tried, at the most."""
SHARE = 0.2
"""Share of the responses that is kept for that where there are few."""


@dataclass(frozen=True)
class Watched:
    """A skill's monitor and its trial; `why` says why there is none."""

    skill: str
    monitor: SavedMonitor | None
    trial: MonitorTrial | None
    why: str = ""

    def findings(self, recompute: str = "") -> list[Finding]:
        """What the monitor is worth."""
        return [] if self.trial is None else [one for one in findings(self.trial, recompute=recompute) if one.n]


@dataclass(frozen=True)
class Piece:
    """One skill's work: answers, whether each failed, and prompts to try the monitor on."""

    skill: str
    answers: tuple[Response, ...]
    failed: tuple[bool, ...]
    fresh: tuple[Prompt, ...]


def watch(
    workers: Workers,
    responses: Sequence[Response],
    skills: Sequence[str],
    folder: Path,
    *,
    most: int,
    false_alarms: float,
    seed: int,
    max_tokens: int = 256,
    progress: Callable[[int], None] | None = None,
) -> tuple[Watched, ...]:
    """Fit, try and save.

    Args:
        workers: the model.
        responses: as the model gives them, not balanced.
        skills: of which a monitor is wanted.
        folder: where the monitors are saved.
        most: responses of a skill that are used.
        false_alarms: share of good responses that may be stopped.
        seed: of the choice of responses and of the split.
        max_tokens: of an answer.
        progress: called when a skill is done.
    """
    if (before := _load(folder, skills)) is not None:
        return before
    generator = np.random.default_rng(seed)
    work = []
    for skill in skills:
        labelled = cases(responses, (skill,))
        prompts = generator.permutation(list(dict.fromkeys(case.prompt for case in labelled)))
        kept = min(TRIED, round(SHARE * len(prompts)))
        tried = set(prompts[:kept].tolist())
        fresh = {case.prompt: responses[case.response].prompt for case in labelled if case.prompt in tried}
        rest = [case for case in labelled if case.prompt not in tried]
        chosen = [rest[k] for k in sorted(generator.permutation(len(rest))[:most])]
        work.append(
            Piece(
                skill,
                tuple(responses[case.response] for case in chosen),
                tuple(not case.met for case in chosen),
                tuple(fresh.values()),
            )
        )
    done: dict[int, Watched] = {}
    for number, watched_one in workers.map(watch_one, work, (false_alarms, seed, max_tokens)):
        done[number] = watched_one
        if progress:
            progress(1)
    watched = tuple(done[number] for number in range(len(work)))
    if monitors := [one.monitor for one in watched if one.monitor is not None]:
        save(folder, monitors)
    _save(folder, watched)
    return watched


def _save(folder: Path, watched: Sequence[Watched]) -> None:
    """Write the trials; the monitors have files of their own."""
    records = {
        one.skill: {
            "why": one.why,
            "trial": None
            if one.trial is None
            else {name: getattr(one.trial, name).tolist() for name in ("failed", "alarm", "length")},
        }
        for one in watched
    }
    (folder / "watched.json").write_text(json.dumps(records) + "\n", encoding="utf-8")


def _load(folder: Path, skills: Sequence[str]) -> tuple[Watched, ...] | None:
    """The monitors of an earlier run; None if there are none, or not of all these skills."""
    try:
        records = json.loads((folder / "watched.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not set(skills) <= set(records):
        return None
    monitors = {one.skill: one for one in load(folder)} if (folder / "monitor.json").exists() else {}
    watched = []
    for skill in skills:
        monitor, tried = monitors.get(skill), records[skill]["trial"]
        trial = None
        if monitor is not None and tried is not None:
            failed, alarm, length = (np.array(tried[name]) for name in ("failed", "alarm", "length"))
            trial = MonitorTrial(monitor, failed, alarm, length, overhead=())
        watched.append(Watched(skill, monitor, trial, records[skill]["why"]))
    return tuple(watched)


def watch_one(opened: OpenModel, piece: Piece, how: tuple[float, int, int]) -> Watched:
    """What a process does for one skill."""
    false_alarms, seed, max_tokens = how
    kept = [k for k, one in enumerate(piece.answers) if one.tokens or one.text]
    answers = Answers(
        tuple(
            replay(
                opened,
                [{"role": role, "content": text} for role, text in one.prompt.messages],
                one.tokens or one.text,
                ended=one.ended,
            )
            for one in (piece.answers[k] for k in kept)
        ),
        np.array([piece.failed[k] for k in kept]),
        np.array([piece.answers[k].prompt.id for k in kept], dtype=np.int64),
    )
    try:
        monitor = fit(opened, piece.skill, answers, false_alarm=false_alarms, seed=seed)
    except UserError as error:
        return Watched(piece.skill, None, None, str(error))
    if not piece.fresh:
        return Watched(piece.skill, monitor, None)
    requests = [
        Request(tuple(encode(opened, prompt.messages)), Sampling(max_tokens, TEMPERATURE, seed=prompt.id + seed))
        for prompt in piece.fresh
    ]
    outcome = trial(
        opened,
        monitor,
        requests,
        lambda k, text: not satisfied(piece.fresh[k].asked(piece.skill), text),
        rounds=0,
    )
    return Watched(piece.skill, monitor, outcome)
