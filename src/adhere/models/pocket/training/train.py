"""Training the pocket model from nothing, by a recipe.

1. A run trains one of two kinds: "instruct" on dialogues, or "base" on plain text alone. Both start from fresh
   weights of one shape and have one tokenizer, so that they compare.
2. The budget is a number of tokens, of minutes, or a time of day. The learning rate warms up, stays, and falls
   linearly to nothing over the budget's last part, so a run can be ended at any time: a file `decay` in its folder
   starts the decay at once.
3. What is exported is an exponential average of the weights, rounded to bfloat16.
4. A checkpoint holds all that the next step depends on: see `checkpoint.py`.
5. One process uses one thread. Several processes share a step: see `parallel.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from adhere.core.errors import UserError
from adhere.models.pocket.training import checkpoint, export, loss, parallel, schedule
from adhere.models.pocket.training.data import Batch, Stream, source_of
from adhere.models.pocket.training.recipe import Line, Progress, Recipe, checked
from adhere.models.pocket.training.shape import build, optimisers

if TYPE_CHECKING:
    from torch import Tensor

Tell = Callable[[Line], None]


def train(
    recipe: Recipe,
    out: Path,
    *,
    device: str = "cpu",
    until: float | None = None,
    rank: int = 0,
    processes: int = 1,
    tell: Tell = lambda _: None,
) -> Path:
    """Train by `recipe` in the folder `out`, going on where it stopped; returns the folder of the model.

    `until` is a time in seconds since the epoch: a budget that is spent at that moment.

    Raises:
        UserError: `out` holds a run of another recipe, the recipe cannot be trained by, or no budget was given.
    """
    checked(recipe)
    if not (recipe.tokens or recipe.minutes or until):
        raise UserError("give the run a budget: --tokens, --minutes or --until")
    torch.set_num_threads(1)
    run = _Run(recipe, out, torch.device(device), rank, processes, tell)
    while True:
        share = run.spent(until)
        run.keep_checkpoint()
        if share >= 1:
            run.save()
            run.batches.close()
            return out / recipe.stage
        if run.save_is_due():
            run.save()
        run.step(schedule.scale(recipe, run.progress, share))
        if run.progress.step % recipe.log_steps == 0:
            run.log(share)


def spread(recipe: Recipe, out: Path, *, device: str, until: float | None, processes: int, tell: Tell) -> Path:
    """`train` in this process and, where `processes` > 1, in so many more that share each step with it."""
    if processes == 1:
        return train(recipe, out, device=device, until=until, tell=tell)

    def arguments(rank: int, meeting: str) -> tuple[Recipe, Path, str, float | None, int, int, str]:
        return recipe, out, device, until, rank, processes, meeting

    with parallel.group(processes, _follow, arguments):
        return train(recipe, out, device=device, until=until, processes=processes, tell=tell)


def _follow(
    recipe: Recipe, out: Path, device: str, until: float | None, rank: int, processes: int, meeting: str
) -> None:
    parallel.join(meeting, rank, processes)
    train(recipe, out, device=device, until=until, rank=rank, processes=processes)


class _Run:
    """A run in one process: model, optimisers, weight average, stream of batches, progress."""

    def __init__(self, recipe: Recipe, out: Path, device: torch.device, rank: int, processes: int, tell: Tell) -> None:
        self.recipe, self.out, self.rank, self.processes, self.tell = recipe, out, rank, processes, tell
        self.tokens = checkpoint.open_run(recipe, out, rank, processes)
        self.model = build(recipe, self.tokens)
        self.model.to(device)  # type: ignore[arg-type]
        self.optimisers = optimisers(recipe, self.model)
        self.average: dict[str, Tensor] = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        saved = checkpoint.load(out, self.model, self.optimisers, self.average, processes)
        self.progress = saved or Progress(positions=[(r, 0) for r in range(processes)])
        if rank == 0:
            checkpoint.forget_after(out, self.progress.step)
        if recipe.compile:
            for layer in self.model.model.layers:  # one by one: a layer compiles in seconds, the whole in minutes
                layer.compile(dynamic=True)
        self.precision = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")
        self.weight_of = loss.weights_of_parts(recipe.prompt_weight, device)
        self.batches = Stream(
            source_of(recipe), self.tokens.backend_tokenizer, self.progress.positions[rank], processes
        )
        self.means = loss.FamilyMeans()
        self._kept = self.progress.tokens // recipe.keep if recipe.keep else 0
        self._already = self.progress.seconds
        self._began = self._saved = self._logged = time.monotonic()
        self._waited, self._read, self._scale = 0.0, 0, 0.0

    def spent(self, until: float | None) -> float:
        """Share of the budget that is spent; all processes follow the first one's clock."""
        self.progress.seconds = self._already + time.monotonic() - self._began
        share = schedule.spent(self.recipe, self.progress, until)
        return parallel.of_first(schedule.bring_forward(self.recipe, self.progress, share, self.out), self.processes)

    def keep_checkpoint(self) -> None:
        """Export the model every `keep` tokens, so that its training trajectory can be studied."""
        every = self.recipe.keep
        if every and self.progress.tokens // every > self._kept:
            self._kept = self.progress.tokens // every
            if self.rank == 0:
                self._export(self.out / "checkpoints" / f"{self._kept * every:012d}")

    def save_is_due(self) -> bool:
        """Whether the last save was long ago; by the first process's clock, since all save together."""
        due = time.monotonic() - self._saved > 60 * self.recipe.save_minutes
        return parallel.of_first(float(due), self.processes) > 0

    def save(self) -> None:
        """Write the state and the current model."""
        self.progress.positions = parallel.gather(self.batches.position, self.processes)
        if self.rank == 0:
            checkpoint.save(self.out, self.model, self.optimisers, self.average, self.progress)
            self._export(self.out / self.recipe.stage)
        self._saved = time.monotonic()

    def step(self, scale: float) -> None:
        """Read a step's batches and update the weights once; the loss is the weighted mean over all their tokens."""
        self._scale = scale
        batches = self._next_batches()
        whole = parallel.total(sum(loss.weight(batch, self.recipe.prompt_weight) for batch in batches), self.processes)
        for batch in batches:
            with self.precision:
                scored = loss.scored(self.model, batch, self.weight_of)
            ((scored.losses * scored.weights).sum() / whole).backward()  # type: ignore[no-untyped-call]
            self.means.add(batch, scored)
        parallel.sum_gradients(self.model, self.processes)
        self._update(scale)
        size = int(parallel.total(sum(int((batch.parts > 0).sum()) for batch in batches), self.processes))
        self._move_average(size)
        self.progress.step += 1
        self.progress.tokens += size
        self._read += size

    def log(self, share: float) -> None:
        """Write a line of the log and start the averages anew."""
        now = time.monotonic()
        overall, families = self.means.take()
        line = Line(
            self.recipe.stage,
            self.progress.step,
            self.progress.tokens,
            round(self.progress.seconds, 1),
            round(share, 4),
            round(self._read / (now - self._logged)),
            round(self._scale, 4),
            round(self._waited, 2),
            round(overall, 4),
            {family: round(mean, 4) for family, mean in families.items()},
        )
        if self.rank == 0:
            checkpoint.append(self.out, line)
            self.tell(line)
        self._read, self._waited, self._logged = 0, 0.0, now

    def _next_batches(self) -> list[Batch]:
        before = time.monotonic()
        batches = [self.batches.next() for _ in range(self.recipe.accumulate)]
        self._waited += time.monotonic() - before
        return batches

    def _update(self, scale: float) -> None:
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = scale * group["full_lr"]
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    @torch.no_grad()
    def _move_average(self, size: int) -> None:
        kept = math.exp(-size / min(self.recipe.average, 1 + self.progress.tokens))
        for name, parameter in self.model.named_parameters():
            self.average[name].lerp_(parameter, 1 - kept)

    def _export(self, folder: Path) -> None:
        about = checkpoint.about(self.recipe, self.progress, self.out)
        export.write(self.model, self.average, self.tokens, folder, about)
