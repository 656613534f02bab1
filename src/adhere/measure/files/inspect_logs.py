"""Rows of an Inspect log: one for each sample and epoch, with what its metadata say it asks for.

A sample that ended with an error is a row with an error and no answer: it was asked, so it counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from adhere.core.errors import UserError
from adhere.measure.files.line import Bad, Line, numbered

_ASKS = ("constraints", "instruction_id_list", "kwargs", "key", "prompt")


def samples(name: str, place: str) -> Iterator[Line | Bad]:
    """The samples of the log at `place`.

    Raises:
        UserError: inspect_ai is not installed, or the file is not a log it can read.
    """
    try:
        from inspect_ai.log import read_eval_log, read_eval_log_samples
    except ModuleNotFoundError:
        raise UserError("an Inspect log needs inspect_ai: pip install 'adhere[measure]'") from None
    form: Any = "eval" if _is_zip(place) else "json"
    try:
        head = read_eval_log(place, header_only=True, format=form)
        rows = read_eval_log_samples(place, all_samples_required=False, format=form)
        yield from numbered(name, (_row(sample, head.eval.model) for sample in rows))
    except UserError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"not an Inspect log that can be read ({reason})") from None


def _is_zip(place: str) -> bool:
    with open(place, "rb") as file:
        return file.read(2) == b"PK"


def _row(sample: Any, model: str) -> bytes:
    metadata = sample.metadata or {}
    row: dict[str, Any] = {field: metadata[field] for field in _ASKS if field in metadata}
    row.setdefault("key", str(sample.id))
    row.setdefault("prompt", _text(sample.input))
    if "asked" in metadata:  # the project's own task
        asked = metadata["asked"]
        if all(one["asked_as"] is None for one in asked):
            row["constraints"] = [one["parameters"] for one in asked]
        else:
            row["instruction_id_list"] = [one["asked_as"] for one in asked]
            row["kwargs"] = [one["parameters"] for one in asked]
    row["model"], row["epoch"] = model, sample.epoch
    if sample.error is not None:
        row["response"], row["error"] = None, sample.error.message
    elif sample.output.choices:
        content = sample.output.choices[0].message.content
        row["response"] = content if isinstance(content, str) else [part.model_dump() for part in content]
        row["finish_reason"] = sample.output.stop_reason
    else:
        row["response"], row["error"] = None, sample.output.error or "the model gave no output"
    return json.dumps(row, default=str).encode()


def _text(messages: Any) -> str:
    if isinstance(messages, str):
        return messages
    users = [message.text for message in messages if message.role == "user"]
    return users[-1] if users else ""
