"""Saved monitors: linear probes that read a model's residual stream while it writes and predict failure.

Rules:

- A monitor belongs to one model. The sha256 of the weights is saved with it; another model is refused unless
  `other_model` is set.
- It looks at fixed numbers of generated tokens (`checks`; 0 is before the first), since at run time the
  final length is unknown. It reads one layer: the newest token's state (`last`), or the mean over the tokens
  generated so far (`mean`; at check 0, the last prompt token).
- At check c the probe's value w'x is standardised by what it is in answers that held, (w'x - offset_c) / scale_c. The
  first check at which that exceeds the threshold raises the alarm. The threshold was set so that of answers that hold
  at most the chosen share is ever alarmed, at any check (`explain/monitors/monitoring.py`).
- On an alarm the answer is stopped, or restarted with another seed. The last attempt is left to run, so that there is
  always an answer.
- On disk: `monitor.safetensors` with the weights, `monitor.json` with everything else. No pickles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from adhere.core.errors import UserError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from adhere.models.generation.generate import Generation, Request
    from adhere.models.load import OpenModel

Pool = Literal["last", "mean"]
POOLS: tuple[Pool, ...] = get_args(Pool)

FORMAT = 1


@dataclass(frozen=True)
class SavedMonitor:
    """A probe and everything needed to apply it.

    Attributes:
        skill: the skill whose failure it foresees.
        model, digest: the model's name, and the sha256 of its weights (`OpenModel.digest`).
        layer: where it reads; 0 is before the first block.
        pool: the newest token's state, or the mean over the generated ones.
        checks: numbers of generated tokens at which it looks, rising.
        weights: shape (width,); large values of w'x foresee failure.
        offset, scale: of w'x at each check, over answers that held; shape (checks,).
        threshold: standardised value above which it raises the alarm.
        false_alarm: the share of holding answers that it may alarm, as chosen at calibration.
        auc, auc_low, auc_high: how well the largest value so far tells failing from holding answers, on prompts that it
            was not fitted on, with a 95 % interval.
        n: answers on which threshold and AUC rest.
    """

    skill: str
    model: str
    digest: str
    layer: int
    pool: Pool
    checks: tuple[int, ...]
    weights: NDArray[np.float32]
    offset: NDArray[np.float32]
    scale: NDArray[np.float32]
    threshold: float
    false_alarm: float
    auc: float
    auc_low: float
    auc_high: float
    n: int


def save(folder: str | Path, monitors: Sequence[SavedMonitor]) -> None:
    """Write `monitors`, one for each skill, to `monitor.safetensors` and `monitor.json` in `folder`."""
    from safetensors.numpy import save_file

    place = Path(folder)
    arrays: dict[str, NDArray[np.float32]] = {}
    records: list[dict[str, Any]] = []
    for one in monitors:
        for name in ("weights", "offset", "scale"):
            arrays[f"{one.skill}.{name}"] = np.ascontiguousarray(getattr(one, name), np.float32)
        records.append({key: value for key, value in asdict(one).items() if key not in ("weights", "offset", "scale")})
    if len({one.skill for one in monitors}) < len(monitors):
        raise UserError("two monitors for one skill: save them in folders of their own")
    try:
        place.mkdir(parents=True, exist_ok=True)
        save_file(arrays, place / "monitor.safetensors.part")
        words = json.dumps({"format": FORMAT, "monitors": records}, indent=1, ensure_ascii=False, allow_nan=False)
        (place / "monitor.json.part").write_text(words + "\n", encoding="utf-8")
        for name in ("monitor.safetensors", "monitor.json"):
            (place / f"{name}.part").replace(place / name)
    except OSError as error:
        raise UserError(f"cannot write a monitor to {place}: {error.strerror or error}") from error


def load(
    folder: str | Path, opened: OpenModel | None = None, *, skills: Sequence[str] = (), other_model: bool = False
) -> list[SavedMonitor]:
    """The monitors in `folder`.

    Args:
        folder: where `save` put them.
        opened: the model that they are to read.
        skills: only these; all if none is named.
        other_model: whether monitors of a model with other weights are to be taken, at the user's own risk.

    Raises:
        UserError: nothing is there, it is damaged, a skill is missing, or it belongs to another model.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    place = Path(folder)
    try:
        record = json.loads((place / "monitor.json").read_text(encoding="utf-8"))
        arrays = load_file(place / "monitor.safetensors")
        if record["format"] != FORMAT:
            raise UserError(f"{place}: a monitor of format {record['format']}, and this program reads {FORMAT}")
        found = [_read(entry, arrays) for entry in record["monitors"]]
    except OSError as error:
        raise UserError(f"{place}: no monitor can be read there ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(f"{place}: not a monitor as this program writes them ({error})") from error
    known = [one.skill for one in found]
    if missing := [skill for skill in skills if skill not in known]:
        raise UserError(f"{place}: no monitor for {missing[0]}; there are {', '.join(known)}")
    chosen = [one for one in found if not skills or one.skill in skills]
    if opened is not None:
        for one in chosen:
            require_own(one, opened, other_model=other_model)
    return chosen


def require_own(monitor: SavedMonitor, opened: OpenModel, *, other_model: bool = False) -> None:
    """Refuse a monitor that belongs to other weights, or that cannot be read in this model at all."""
    width = int(opened.model.config.get_text_config().hidden_size)
    if monitor.weights.shape != (width,):
        raise UserError(
            f"the monitor of {monitor.skill} reads {len(monitor.weights)} numbers, {opened.name} has {width}"
        )
    if not other_model and monitor.digest != opened.digest:
        raise UserError(
            f"the monitor of {monitor.skill} was fitted to {monitor.model}, whose weights are not those of "
            f"{opened.name}: fit one with adhere explain, or say that it is to be used all the same"
        )


def _read(entry: dict[str, Any], arrays: dict[str, NDArray[np.float32]]) -> SavedMonitor:
    skill = entry["skill"]
    made = SavedMonitor(
        **{**entry, "checks": tuple(int(c) for c in entry["checks"])},
        weights=arrays[f"{skill}.weights"],
        offset=arrays[f"{skill}.offset"],
        scale=arrays[f"{skill}.scale"],
    )
    if made.pool not in POOLS or not made.offset.shape == made.scale.shape == (len(made.checks),) or not made.checks:
        raise ValueError(f"the record of {skill} does not fit together")
    return made


@dataclass(frozen=True)
class Alarm:
    """A failure foreseen: after how many generated tokens, and the standardised value that exceeded the threshold."""

    skill: str
    tokens: int
    value: float


class ProbeMonitor:
    """A `Watcher` that reads one saved monitor's probe in every answer of a `generate` call.

    Args:
        monitor: the monitor.
        opened: the model, for its device.
        stop: whether an alarm ends the answer; if not, it is only written down.
        rows: numbers of the requests to watch; all of them if None.

    Attributes:
        alarms: the first alarm of each row that has one.
        values: the standardised value of each row at each check it reached.
    """

    def __init__(
        self, monitor: SavedMonitor, opened: OpenModel, *, stop: bool = True, rows: Sequence[int] | None = None
    ) -> None:
        import torch

        self.layer = monitor.layer
        self.monitor = monitor
        self.alarms: dict[int, Alarm] = {}
        self.values: dict[int, list[float]] = {}
        self._stop = stop
        self._watched = None if rows is None else frozenset(rows)
        self._weights = torch.as_tensor(monitor.weights, dtype=torch.float32, device=opened.device)
        self._check = {count: k for k, count in enumerate(monitor.checks)}
        self._last = monitor.checks[-1]
        self._running: list[int] = []
        self._sums: torch.Tensor | None = None
        self._count = -1

    def begin(self, rows: Sequence[int]) -> None:
        self._running = list(rows)
        self._sums, self._count = None, -1
        for row in rows:
            self.alarms.pop(row, None)
            self.values.pop(row, None)

    def read(self, states: torch.Tensor, rows: Sequence[int]) -> Sequence[int]:
        """Add the newest tokens; at a check, the rows whose failure is foreseen there."""
        self._count += 1
        if self._count > self._last:
            return ()
        check = self._check.get(self._count)
        if self.monitor.pool == "mean" and self._count:
            value = states.float() @ self._weights
            if self._sums is None:
                self._sums = value
            else:
                self._sums = value + self._kept(self._sums, rows)
            self._running = list(rows)
            if check is None:
                return ()
            value = self._sums / self._count
        elif check is None:
            return ()
        else:
            value = states.float() @ self._weights
        return self._judge(check, value, rows)

    def _kept(self, sums: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        """The sums of the rows that are still there."""
        if len(rows) == len(self._running):
            return sums
        place = {row: k for k, row in enumerate(self._running)}
        return sums[[place[row] for row in rows]]

    def _judge(self, check: int, value: torch.Tensor, rows: Sequence[int]) -> list[int]:
        """Compare with the threshold; where a row was alarmed before, only the value is kept."""
        monitor = self.monitor
        standard = ((value.cpu().numpy() - monitor.offset[check]) / monitor.scale[check]).tolist()
        halted: list[int] = []
        for row, one in zip(rows, standard, strict=True):
            if self._watched is not None and row not in self._watched:
                continue
            self.values.setdefault(row, []).append(one)
            if one > monitor.threshold and row not in self.alarms:
                self.alarms[row] = Alarm(monitor.skill, monitor.checks[check], one)
                halted.append(row)
        return halted if self._stop else []


@dataclass(frozen=True)
class Watched:
    """An answer written under monitors.

    Attributes:
        generation: the answer; its reason is `watcher` where it was stopped.
        alarms: one for each attempt that was stopped, in order.
        spent: tokens generated for it, abandoned attempts included.
    """

    generation: Generation
    alarms: tuple[Alarm, ...]
    spent: int


def answer(
    opened: OpenModel,
    requests: Sequence[Request],
    monitors: Sequence[SavedMonitor],
    *,
    on_alarm: Literal["stop", "restart"] = "stop",
    restarts: int = 2,
    watched: Sequence[Sequence[str]] | None = None,
    batch: int = 64,
    progress: Callable[[int], None] | None = None,
) -> list[Watched]:
    """Answers to `requests`, each stopped or begun anew where a monitor foresees its failure.

    Args:
        opened: the model.
        requests: any number.
        monitors: all of them watch every answer, unless `watched` says otherwise.
        on_alarm: stop there, or begin anew with another seed.
        restarts: how often at the most; the last attempt runs unwatched.
        watched: for each request the skills to watch.
        batch: rows at once.
        progress: called with the number of answers finished.

    Raises:
        UserError: a restart is wanted of an answer drawn at temperature 0, which would be the same again.
    """
    from adhere.models.generation.generate import generate

    if on_alarm == "restart" and any(request.sampling.temperature == 0 for request in requests):
        raise UserError("a greedy answer begun anew is the same answer: give a temperature above 0, or stop instead")
    alarms: list[list[Alarm]] = [[] for _ in requests]
    spent = [0] * len(requests)
    done: dict[int, Generation] = {}
    waiting = list(range(len(requests)))
    for attempt in range(restarts + 1 if on_alarm == "restart" else 1):
        last = on_alarm == "restart" and attempt == restarts
        watchers = [
            ProbeMonitor(one, opened, rows=_rows(waiting, watched, one.skill)) for one in ([] if last else monitors)
        ]
        tries = [_again(requests[k], attempt) for k in waiting]
        answers = generate(opened, tries, batch=batch, watchers=watchers)
        again: list[int] = []
        for row, (k, given) in enumerate(zip(waiting, answers, strict=True)):
            spent[k] += len(given.tokens)
            done[k] = given
            if given.reason == "watcher":
                alarms[k].append(min((w.alarms[row] for w in watchers if row in w.alarms), key=lambda a: a.tokens))
                again.append(k)
        if progress:
            progress(len(waiting) - (len(again) if on_alarm == "restart" and not last else 0))
        if on_alarm == "stop" or not again:
            break
        waiting = again
    return [Watched(done[k], tuple(alarms[k]), spent[k]) for k in range(len(requests))]


def _rows(waiting: Sequence[int], watched: Sequence[Sequence[str]] | None, skill: str) -> list[int] | None:
    if watched is None:
        return None
    return [row for row, k in enumerate(waiting) if skill in watched[k]]


def _again(request: Request, attempt: int) -> Request:
    """The request with a seed of its own for each attempt. The first keeps the seed it came with."""
    if attempt == 0:
        return request
    seed = int(np.random.SeedSequence([request.sampling.seed % 2**64, attempt]).generate_state(1, np.uint64)[0]) % 2**63
    return replace(request, sampling=replace(request.sampling, seed=seed))
