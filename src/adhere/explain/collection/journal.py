"""The files of a run under way, which let the same command continue where it stopped.

Responses are lines of JSON, written round by round; an incomplete last line is dropped. `plan.json` holds the plan:
another plan in the same folder is refused, since the results would mix two runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from adhere.constraints.registry import from_json
from adhere.core.errors import UserError
from adhere.explain.cases.labels import Prompt, Response

FINISHED = '{"finished": true}'
"""The last line of a complete file."""


def claim(folder: Path, plan: Mapping[str, Any]) -> None:
    """Reserve the folder for this plan.

    Raises:
        UserError: it holds a run under another plan, or cannot be written.
    """
    place = folder / "plan.json"
    wanted = json.loads(json.dumps(plan))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
            return
        before = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot use the folder {folder}: {error}") from error
    other = [key for key in wanted if before.get(key) != wanted[key]]
    if other:
        key = other[0]
        raise UserError(
            f"{folder} holds a run with {key} {before.get(key)!r}, not {wanted[key]!r}; "
            "give another folder, or remove this one"
        )


def append(place: Path, responses: Iterable[Response], *, finished: bool = False) -> None:
    """Add responses to a journal; `finished` closes it."""
    lines = [json.dumps(_plain(one), ensure_ascii=False) for one in responses]
    try:
        with place.open("a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in [*lines, *([FINISHED] if finished else [])]))
    except OSError as error:
        raise UserError(f"cannot write {place}: {error.strerror}") from error


def load(place: Path) -> tuple[list[Response], bool]:
    """The responses in a journal, and whether it is finished. An incomplete last line is removed from the file."""
    if not place.exists():
        return [], False
    text = place.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        place.write_text(text, encoding="utf-8")
    lines = text.splitlines()
    finished = bool(lines) and lines[-1] == FINISHED
    try:
        return [_response(json.loads(line)) for line in lines if line != FINISHED], finished
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{place}: not a journal of responses ({error}); remove the file") from error


def _plain(response: Response) -> dict[str, Any]:
    prompt = response.prompt
    return {
        "id": prompt.id,
        "messages": prompt.messages,
        "asked": [one.to_json() for one in prompt.constraints],
        "task": prompt.task,
        "tokens": response.tokens,
        "text": response.text,
        "ended": response.ended,
        "verdicts": response.verdicts,
    }


def _response(record: Mapping[str, Any]) -> Response:
    messages: Sequence[tuple[str, str]] = [(role, text) for role, text in record["messages"]]
    constraints = tuple(from_json(one) for one in record["asked"])
    return Response(
        Prompt(record["id"], tuple(messages), constraints, record["task"]),
        tuple(record["tokens"]),
        record["text"],
        record["ended"],
        tuple((skill, met) for skill, met in record["verdicts"]),
    )
