"""Many callers, one model, and saved monitors that watch selected answers.

A request names the skills to watch and whether an alarm stops the answer; the alarms are returned with it. Monitors
read states that are computed anyway, so that an unwatched answer costs nothing extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adhere.models.generation.batching import Batcher
from adhere.models.generation.generate import Generation, Request, generate
from adhere.models.serving.probe_monitor import Alarm, ProbeMonitor, SavedMonitor, require_own

if TYPE_CHECKING:
    from adhere.models.load import OpenModel


@dataclass(frozen=True)
class Watch:
    """Which skills' monitors watch an answer, and whether an alarm stops it."""

    skills: frozenset[str]
    stop: bool = False


class WatchedBatcher(Batcher):
    """A `Batcher` whose answers may be watched.

    Args:
        opened: the model.
        monitors: the saved monitors of this model, one for each skill.
        batch: rows answered at once, at the most.

    Raises:
        UserError: a monitor belongs to another model.
    """

    def __init__(self, opened: OpenModel, monitors: Sequence[SavedMonitor], batch: int = 64) -> None:
        for monitor in monitors:
            require_own(monitor, opened)
        self.monitors = tuple(monitors)
        self._watches: dict[int, Watch] = {}
        self._alarms: dict[int, tuple[Alarm, ...]] = {}
        super().__init__(opened, batch)

    @property
    def skills(self) -> frozenset[str]:
        """The skills that can be watched."""
        return frozenset(monitor.skill for monitor in self.monitors)

    async def watched(self, request: Request, watch: Watch) -> tuple[Generation, tuple[Alarm, ...]]:
        """Await the answer to `request` and the alarms of its monitors, the earliest first."""
        key = id(request)  # the caller holds the request until its answer is there
        self._watches[key] = watch
        try:
            given = await self.answer(request)
            return given, self._alarms.pop(key, ())
        finally:
            self._watches.pop(key, None)
            self._alarms.pop(key, None)

    def _stands_apart(self, request: Request) -> bool:
        return id(request) in self._watches

    def _generate(self, requests: Sequence[Request], batch: int) -> list[Generation]:
        watches = [self._watches.get(id(request)) for request in requests]
        probes: list[ProbeMonitor] = []
        for monitor in self.monitors:
            for stop in (True, False):
                rows = [
                    row
                    for row, watch in enumerate(watches)
                    if watch is not None and watch.stop is stop and monitor.skill in watch.skills
                ]
                if rows:
                    probes.append(ProbeMonitor(monitor, self.opened, stop=stop, rows=rows))
        answers = generate(self.opened, requests, batch=batch, watchers=probes)
        for row, (request, watch) in enumerate(zip(requests, watches, strict=True)):
            if watch is not None:
                raised = [probe.alarms[row] for probe in probes if row in probe.alarms]
                self._alarms[id(request)] = tuple(sorted(raised, key=lambda alarm: alarm.tokens))
        return answers
