"""A monitor at work: what it foresaw on prompts it has not seen, what stopping would have saved, and what it costs.

An answer begun with the monitor on is the same, token for token, up to its alarm. So one run without stopping tells
both what the monitor caught and what stopping would have saved.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adhere.core.findings import Finding, Scalar
from adhere.core.intervals import CONFIDENCE, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adhere.models.generation.generate import Request
    from adhere.models.load import OpenModel
    from adhere.models.serving.probe_monitor import SavedMonitor

    Bools = NDArray[np.bool_]
    Numbers = NDArray[np.int64]

ROUNDS = 5
"""How often the answers are written with and without the monitor to compare the time."""


@dataclass(frozen=True)
class MonitorTrial:
    """A monitor at work on prompts that it has not seen. Rates come with n and a 95 % interval.

    Attributes:
        failed: whether each answer, written to its end, fails.
        alarm: after how many tokens each was alarmed; -1 if it was not.
        length: tokens of each whole answer.
        overhead: processor time with the monitor over that without, less 1: each round's, on the same answers.
    """

    monitor: SavedMonitor
    failed: Bools
    alarm: Numbers
    length: Numbers
    overhead: tuple[float, ...]

    @property
    def recall(self) -> tuple[float, tuple[float, float], int]:
        """Share of failures alarmed before the answer was finished."""
        return _share(self.alarm[self.failed] >= 0)

    @property
    def false_alarms(self) -> tuple[float, tuple[float, float], int]:
        """Share of holding answers that were alarmed."""
        return _share(self.alarm[~self.failed] >= 0)

    def saved(self, seed: int = 0) -> tuple[float, tuple[float, float], int]:
        """Share of all tokens that were not written, had every alarm stopped its answer."""
        return self._tokens(np.ones(len(self.failed), bool), seed)

    def saved_of_failures(self, seed: int = 0) -> tuple[float, tuple[float, float], int]:
        """The same of failing answers' tokens alone: what was saved that was worth saving."""
        return self._tokens(self.failed, seed)

    def _tokens(self, among: Bools, seed: int) -> tuple[float, tuple[float, float], int]:
        n = int(among.sum())
        if not n:
            return math.nan, (math.nan, math.nan), 0
        length, alarm = self.length[among], self.alarm[among]
        spared = np.where(alarm >= 0, length - alarm, 0)
        drawn = np.random.default_rng(seed).integers(n, size=(1000, n))
        rates = spared[drawn].sum(axis=1) / length[drawn].sum(axis=1)
        low, high = np.quantile(rates, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return float(spared.sum() / length.sum()), (float(low), float(high)), n


def _share(hits: Bools) -> tuple[float, tuple[float, float], int]:
    """A rate with Wilson's interval."""
    if not len(hits):
        return math.nan, (math.nan, math.nan), 0
    return float(hits.mean()), wilson(int(hits.sum()), len(hits)), len(hits)


def trial(
    opened: OpenModel,
    monitor: SavedMonitor,
    requests: Sequence[Request],
    fails: Callable[[int, str], bool],
    *,
    batch: int = 64,
    rounds: int = ROUNDS,
) -> MonitorTrial:
    """Answer `requests` under `monitor`, one request for each prompt, and see what it foresaw.

    Args:
        opened: the model.
        monitor: fitted on other prompts.
        requests: prompts to be answered.
        fails: whether the answer to request number k, with this text, violates the skill.
        batch: rows at once.
        rounds: how often the answers are written with and without the monitor to compare the time.
    """
    from adhere.models.generation.generate import generate
    from adhere.models.serving.probe_monitor import ProbeMonitor

    def timed(watchers: Sequence[ProbeMonitor]) -> float:
        start = time.process_time()
        generate(opened, requests, batch=batch, watchers=watchers)
        return time.process_time() - start

    reader = ProbeMonitor(monitor, opened, stop=False)
    answers = generate(opened, requests, batch=batch, watchers=[reader])
    overhead = tuple(timed([ProbeMonitor(monitor, opened, stop=False)]) / timed([]) - 1 for _ in range(rounds))
    return MonitorTrial(
        monitor,
        np.array([fails(k, given.text) for k, given in enumerate(answers)]),
        np.array([reader.alarms[k].tokens if k in reader.alarms else -1 for k in range(len(requests))]),
        np.array([len(given.tokens) for given in answers]),
        overhead,
    )


def findings(done: MonitorTrial, *, recompute: str = "") -> list[Finding]:
    """`monitor.auc`, `monitor.recall`, `monitor.false_alarm`, `monitor.tokens_saved`, `monitor.overhead`."""
    monitor = done.monitor
    subject: dict[str, Scalar] = {
        "model": monitor.model,
        "skill": monitor.skill,
        "layer": monitor.layer,
        "pool": monitor.pool,
    }
    made = [
        Finding(
            what="monitor.auc",
            subject={**subject},
            estimate=monitor.auc,
            interval=(monitor.auc_low, monitor.auc_high),
            n=monitor.n,
            unit="held-out answers",
            recompute=recompute,
        ),
        Finding(
            what="monitor.overhead",
            subject={**subject},
            estimate=statistics.median(done.overhead) if done.overhead else None,
            interval=(min(done.overhead), max(done.overhead)) if done.overhead else None,
            n=len(done.overhead),
            unit="rounds (median; lowest and highest)",
            recompute=recompute,
        ),
    ]
    for name, among, (estimate, interval, n) in (
        ("recall", "failing answers", done.recall),
        ("false_alarm", "holding answers", done.false_alarms),
        ("tokens_saved", "answers", done.saved()),
        ("tokens_saved", "failing answers", done.saved_of_failures()),
    ):
        if n:
            made.append(
                Finding(
                    what=f"monitor.{name}",
                    subject={**subject, "among": among},
                    estimate=estimate,
                    interval=interval,
                    confidence=CONFIDENCE,
                    n=n,
                    unit=among,
                    recompute=recompute,
                )
            )
    return made
