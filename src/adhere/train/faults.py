"""What stops a training run, what does not, and where it goes on.

- A run that was killed goes on from its last whole checkpoint. A checkpoint is whole when its marker file stands in
  it, which is written after everything else; any other is removed at the start, never read.
- A loss or gradient that is not a number stops the run with a line: what follows would be trained on noise.
- A disk that is full stops the run with a line. Older checkpoints are removed only after a newer one is whole.
- A reward that is the same for every completion of every group in the first `CONSTANT_STEPS` steps is said once: no
  gradient comes of it.
"""

from __future__ import annotations

import errno
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from transformers import TrainerCallback

from adhere.core.errors import UserError

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

CONSTANT_STEPS: Final = 5
WHOLE: Final = "whole"
"""Name of the marker file of a whole checkpoint."""


class NotANumber(UserError):
    """The loss or its gradient is not a number."""


class DiskFull(UserError):
    """There is no room for a checkpoint."""


def last_whole(folder: Path) -> Path | None:
    """The newest whole checkpoint of a run; those that are not whole are removed."""
    newest: tuple[int, Path] | None = None
    for checkpoint in folder.glob("checkpoint-*"):
        step = checkpoint.name.rpartition("-")[2]
        if not (checkpoint / WHOLE).is_file() or not step.isdigit():
            shutil.rmtree(checkpoint, ignore_errors=True)
        elif newest is None or int(step) > newest[0]:
            newest = int(step), checkpoint
    return newest[1] if newest else None


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or one that it wraps, says that no room is left; the writers of weights say it in words."""
    while True:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "No space left on device" in str(error) or "Disk quota exceeded" in str(error):
            return True
        below = error.__cause__ or error.__context__
        if below is None:
            return False
        error = below


class Watch(TrainerCallback):
    """Marks whole checkpoints, keeps the log, and stops what cannot go on.

    Args:
        folder: of the run: `log.jsonl` is written there, one line a step.
        notice: told of what a person should know, in one line.
        keep: how many whole checkpoints stay.
    """

    def __init__(self, folder: Path, notice: Callable[[str], None], keep: int = 2) -> None:
        self._folder = folder
        self._notice = notice
        self._keep = keep
        self._constant = 0
        self._seen = 0

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        del kwargs
        (Path(str(args.output_dir)) / f"checkpoint-{state.global_step}" / WHOLE).write_text("", encoding="utf-8")
        whole = sorted(
            (int(path.name.rpartition("-")[2]), path)
            for path in Path(str(args.output_dir)).glob("checkpoint-*")
            if (path / WHOLE).is_file()
        )
        for _, checkpoint in whole[: -self._keep]:
            shutil.rmtree(checkpoint, ignore_errors=True)
        return control

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> TrainerControl:
        del args, kwargs
        line = {"step": state.global_step, **(logs or {})}
        with (self._folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
        for name in ("loss", "grad_norm"):
            value = line.get(name)
            if isinstance(value, int | float) and not math.isfinite(value):
                raise NotANumber(
                    f"step {state.global_step}: {name} is {value}; the run has stopped. Its last checkpoint is from "
                    "before; go on with a smaller --learning-rate in a new --out"
                )
        self._watch_reward(line)
        return control

    def _watch_reward(self, line: dict[str, Any]) -> None:
        zero = line.get("frac_reward_zero_std")
        if zero is None or self._seen >= CONSTANT_STEPS:
            return
        self._seen += 1
        self._constant += zero == 1
        if self._seen == CONSTANT_STEPS == self._constant:
            self._notice(
                f"step {line['step']}: in {CONSTANT_STEPS} steps no group had two different rewards (mean "
                f"{float(line.get('reward', math.nan)):.2f}): nothing is learned. Choose prompts of difficulty 0.1 to "
                "0.9 (adhere train filter) or another --aggregation"
            )
