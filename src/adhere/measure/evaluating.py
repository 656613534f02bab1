"""Running an Inspect task so that nothing computed is lost: what all live measurements share.

A folder holds the logs of one task. A second call with the same task and folder asks only what is missing (Inspect's
eval sets); samples whose provider fails are asked again `RETRIES` times and are then errors in the log.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.core.errors import UserError
from adhere.measure.model_access import one_line

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog
    from inspect_ai.model import Model

RETRIES = 3
"""How often a sample is asked again when its provider fails."""


def evaluate(
    model: Model,
    folder: Path,
    task: Any,
    *,
    limit: int | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    samples: int | None = None,
) -> EvalLog:
    """Run `task` until all its samples are answered; what was answered before is kept.

    Args:
        model: who is asked.
        folder: of the logs of this task.
        task: an Inspect task.
        limit: samples at the most, drawn with `seed`: the first of a file are seldom like the rest.
        temperature, max_tokens, seed: of the answers; the provider's own if None.
        samples: how many are under way at once; twice the model's connections if None.

    Raises:
        UserError: the evaluation could not start.
        KeyboardInterrupt: it was interrupted; what was answered is in the folder.
    """
    from inspect_ai import eval_set
    from inspect_ai._util.error import PrerequisiteError
    from inspect_ai.log import read_eval_log

    folder.mkdir(parents=True, exist_ok=True)
    try:
        _, logs = _alone(
            eval_set,
            task,
            log_dir=str(folder),
            model=model,
            limit=limit,
            sample_shuffle=None if limit is None else 1 + (seed or 0),  # 0 would be none
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            max_samples=samples or 2 * model.api.max_connections(),
            max_connections=_connections(model),
            retry_on_error=RETRIES,
            fail_on_error=True,  # so that a later call knows that something is missing
            continue_on_fail=True,
            retry_attempts=1,
            retry_wait=1,
            display="none",
            log_realtime=False,
            log_buffer=_buffer(model, task),
            score_display=False,  # nothing shows it, and it sums up all samples again and again
            log_level="error",
        )
    except (PrerequisiteError, OSError) as error:
        raise UserError(f"the evaluation did not run: {one_line(error)}") from error
    log = read_eval_log(logs[0].location) if logs else None
    if log is None or log.status == "cancelled":
        raise KeyboardInterrupt
    return log


_ONE_AT_A_TIME = threading.Lock()


def _alone(run: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Inspect runs one evaluation at a time in a process, and refuses a second: threads wait for each other."""
    with _ONE_AT_A_TIME:
        return run(*arguments, **options)


def _connections(model: Model) -> int | None:
    """Requests open at once: a model here says how many it can use, a service is tried out by Inspect. Without this
    Inspect tries a model here out, too, from 20 upwards."""
    from adhere.models.serving.inspect_provider import is_ours

    return model.api.max_connections() if is_ours(model) else None


FLUSHES = 500
"""How often a log may be written out in the course of a run. Inspect copies all of it each time."""


def _buffer(model: Model, task: Any) -> int | None:
    """Answers that may be lost when the process is killed. Those of a real model take seconds each: nearly every one is
    written out at once. The pocket models answer faster than a log can be copied: Inspect's own choice stands."""
    from adhere.models.engines.sources import POCKET
    from adhere.models.serving.inspect_provider import is_ours

    if not is_ours(model) or model.api.model_name in POCKET:
        return None
    return 1 + len(task.dataset) * (task.epochs or 1) // FLUSHES


def first_error(log: EvalLog) -> str:
    """Why nothing was answered, in one line."""
    for sample in log.samples or []:
        if sample.error is not None:
            return one_line(Exception(sample.error.message))
    return one_line(Exception(log.error.message)) if log.error else "no sample was run"
