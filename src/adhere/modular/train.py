"""The training loop, from the first step to the last, with everything on the way that is watched.

Rules:
- Full-batch AdamW on the exact gradient; the pass that gives the gradient gives the held-out logits too, so watching
  costs only what the metrics cost.
- A training can be interrupted at any step: Ctrl-C saves weights, moments and history when the step is done, and goes
  on up as `KeyboardInterrupt`; the same call carries on from there and ends with the very same network.
- Where several jobs are given they must differ only in seed and attention rate; they run as one program.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor

from adhere.core.errors import UserError
from adhere.modular.examine import examine
from adhere.modular.history import EVERY, MEASURE_EVERY, History, Record, settled
from adhere.modular.network import Network
from adhere.modular.program import Program, Single, Stacked
from adhere.modular.run_spec import Job

SAVE_EVERY_SECONDS = 60.0
STATE = "state.safetensors"

Watch = Callable[[Job, Record], None]


@dataclass(frozen=True)
class Trained:
    """A finished training. `steps` may be fewer than asked for when it settled early."""

    job: Job
    network: Network
    history: History
    steps: int


@dataclass(frozen=True)
class State:
    """An unfinished training: the step to take next; weights and AdamW's moments ("weights/", "mean/", "square/")."""

    step: int
    tensors: dict[str, Tensor]
    records: tuple[Record, ...]


def train(
    jobs: Sequence[Job],
    folders: Sequence[Path | None],
    *,
    watch: Watch | None = None,
    device: str = "cpu",
    stacked: bool = False,
) -> list[Trained]:
    """Train, or carry on training, `jobs`; each keeps its state in its folder (None: nowhere).

    Args:
        jobs: one, or several that differ only in seed and attention rate (`stacked`, or a device other than the CPU).
        folders: as many as jobs.
        watch: called with every record as it is taken.
        device: "cpu" or a torch device.
        stacked: run as one program even on the CPU.

    Raises:
        UserError: a folder holds the state of a different job, or states of several jobs stand at different steps.
    """
    torch.set_num_threads(1)
    states = [None if folder is None else read_state(folder, job) for job, folder in zip(jobs, folders, strict=True)]
    if len({state.step if state else 0 for state in states}) > 1:
        raise UserError("these trainings stand at different steps and cannot run as one; finish them one by one")
    weights = [
        job.weights()
        if state is None
        else {name: state.tensors[f"weights/{name}"] for name in job.architecture.shapes()}
        for job, state in zip(jobs, states, strict=True)
    ]
    program: Program
    if device == "cpu" and len(jobs) == 1 and not stacked:
        program = Single(jobs[0], weights[0])
    else:
        program = Stacked(jobs, weights, device)
    first = jobs[0]
    optimiser = torch.optim.AdamW(
        program.parameters.values(),
        lr=first.recipe.learning_rate,
        weight_decay=first.recipe.weight_decay,
        betas=first.betas,
        fused=True,
    )
    step = _restore(program, optimiser, states)
    records: list[list[Record]] = [list(state.records) if state else [] for state in states]
    masks = [job.train() for job in jobs]
    saved = time.monotonic()
    with _Interruption() as interruption:
        while True:
            program.run()
            last = step == first.recipe.steps
            if step % EVERY == 0 or last:
                measure = step % MEASURE_EVERY == 0 or last
                for index, job in enumerate(jobs):
                    record = _record(program, job, index, step, masks[index], measure)
                    records[index].append(record)
                    if watch:
                        watch(job, record)
                if measure and first.recipe.until_stable and all(map(_has_settled, records)):
                    break
            if last:
                break
            for group in optimiser.param_groups:
                group["lr"] = first.rate_at(step)
            optimiser.step()
            step += 1
            if interruption.asked:
                _save(program, optimiser, jobs, folders, step, records)
                raise KeyboardInterrupt
            if time.monotonic() - saved > SAVE_EVERY_SECONDS:
                _save(program, optimiser, jobs, folders, step, records)
                saved = time.monotonic()
    return [
        Trained(job, network(program, job, index), History(tuple(records[index])), step)
        for index, job in enumerate(jobs)
    ]


class _Interruption:
    """Holds Ctrl-C back until the step under way is whole, so that what is saved is a state training really was in."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> _Interruption:
        if threading.current_thread() is threading.main_thread():  # only there may handlers be set
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, *_: object) -> None:
        self.asked = True


def network(program: Program, job: Job, index: int) -> Network:
    """Network `index` as it stands, on the CPU."""
    weights = {
        name: program.slice(name, parameter.detach(), index).cpu().clone()
        for name, parameter in program.parameters.items()
    }
    return Network(job.architecture, weights, job.task, origin=job.name)


def _record(program: Program, job: Job, index: int, step: int, mask: Tensor, measure: bool) -> Record:
    losses, logits = program.seen(index)
    right = logits.argmax(dim=1) == job.labels()
    record = Record(
        step=step,
        train_loss=float(losses[mask].mean()),
        held_out_loss=float(losses[~mask].mean()),
        train_accuracy=float(right[mask].float().mean()),
        held_out_accuracy=float(right[~mask].float().mean()),
    )
    if not measure:
        return record
    seen = examine(network(program, job, index), mask.numpy(), count=1)
    circle = seen.circles[0].fve if seen.circles else {}
    return Record(
        **{
            **record.__dict__,
            "measured": True,
            "gradient_symmetricity": seen.gradient_symmetricity.value,
            "distance_irrelevance": seen.distance_irrelevance and seen.distance_irrelevance.value,
            "circularity": seen.circularity,
            "clock": circle.get("clock"),
            "pizza": circle.get("pizza"),
            "verdict": seen.verdict.name,
        }
    )


def _has_settled(records: Sequence[Record]) -> bool:
    return settled([record for record in records if record.measured])


def _restore(program: Program, optimiser: torch.optim.Optimizer, states: Sequence[State | None]) -> int:
    present = [state for state in states if state is not None]
    if not present:
        return 0
    step = present[0].step
    for name, parameter in program.parameters.items():
        moments = {}
        for key, kept in (("exp_avg", "mean"), ("exp_avg_sq", "square")):
            moments[key] = torch.zeros_like(parameter)
            for index, state in enumerate(present):
                program.slice(name, moments[key], index).copy_(state.tensors[f"{kept}/{name}"])
        if step > 0:
            optimiser.state[parameter] = {
                "step": torch.tensor(float(step), device=parameter.device),
                **moments,
            }
    return step


def _save(
    program: Program,
    optimiser: torch.optim.Optimizer,
    jobs: Sequence[Job],
    folders: Sequence[Path | None],
    step: int,
    records: Sequence[Sequence[Record]],
) -> None:
    for index, (job, folder) in enumerate(zip(jobs, folders, strict=True)):
        if folder is None:
            continue
        tensors = {}
        for name, parameter in program.parameters.items():
            moments = optimiser.state.get(parameter, {})
            empty = torch.zeros_like(parameter)
            for kept, tensor in (
                ("weights", parameter.detach()),
                ("mean", moments.get("exp_avg", empty)),
                ("square", moments.get("exp_avg_sq", empty)),
            ):
                tensors[f"{kept}/{name}"] = program.slice(name, tensor.detach(), index).cpu().contiguous()
        # A record of the step to be taken next is taken again when training carries on.
        kept_records = History(tuple(record for record in records[index] if record.step < step)).json()
        header = {"job": job.record(), "step": step, "records": kept_records}
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / (STATE + ".part")
        save_file(tensors, scratch, {"adhere.modular": json.dumps(header)})
        scratch.replace(folder / STATE)


def read_state(folder: Path, job: Job) -> State | None:
    """The unfinished training in `folder`, or None.

    Raises:
        UserError: it is another job's, or cannot be read.
    """
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["adhere.modular"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        state = State(int(header["step"]), tensors, History.of(header["records"]).records)
        other = Job.of(header["job"])
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise UserError(f"{path}: cannot be read ({error}); remove it to start over") from error
    if other != job:
        raise UserError(f"{folder} holds an unfinished training with other settings; choose another --out or remove it")
    return state
