"""Logged responses: prompts, answers and verdicts read from Inspect logs.

Rules:
- A folder is read with all the logs in it, a file alone. Samples without an answer, or without constraints in their
  metadata or scores, are left out and counted.
- The verdict is the logged one where there is one (a judge may have given it); else the constraint checks the answer.
- A log must come from the model that is explained: the weights' digest is compared where the log has it, else the
  name. Another model's responses are refused, unless the caller says that they are wanted.
- The answer is put into tokens again. For a model that wrote them otherwise (a tokenizer has several ways) the states
  are those of reading the text, which is what a replay can have.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.constraints.constraint import Constraint
from adhere.constraints.registry import from_json
from adhere.core.errors import UserError
from adhere.explain.cases.labels import Prompt, Response, Turn
from adhere.models.load import OpenModel

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample

WEIGHTS = "weights"
"""Key under which our provider writes the weights' digest into an output's metadata."""


@dataclass(frozen=True)
class Logged:
    """What logs hold.

    Attributes:
        responses: those that can be replayed.
        files: the logs they come from.
        left_out: samples that cannot, by reason.
        checked: "digest" where the weights were compared, "name" where only the name could be.
    """

    responses: tuple[Response, ...]
    files: tuple[str, ...]
    left_out: dict[str, int]
    checked: str


def read(
    place: Path, opened: OpenModel, *, other_model: bool = False, limit: int | None = None, name: str = ""
) -> Logged:
    """The responses in the log or the folder of logs at `place`.

    Args:
        place: an `.eval` or `.json` log, or a folder of them.
        opened: the model that is explained; its tokenizer renders the prompts.
        other_model: take responses of other models too.
        limit: most responses.
        name: the model's name in Inspect's words.

    Raises:
        UserError: nothing there, not a log, of another model, or no sample can be used.
    """
    from inspect_ai.log import read_eval_log

    files = [place] if place.is_file() else sorted(p for p in place.rglob("*.eval") if p.is_file())
    if not files:
        raise UserError(f"{place}: no Inspect logs there (*.eval)")
    responses: list[Response] = []
    left_out: dict[str, int] = defaultdict(int)
    checked = "name"
    for file in files:
        try:
            log = read_eval_log(str(file))
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"{file}: not an Inspect log ({reason})") from error
        how = _same_model(log, opened, file, name, other_model)
        checked = how or checked
        for sample in log.samples or []:
            made = _response(sample, left_out)
            if made is not None:
                responses.append(made)
    if not responses:
        why = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "they are empty"
        raise UserError(f"{place}: no response in it can be explained ({why})")
    return Logged(tuple(responses[:limit]), tuple(map(str, files)), dict(left_out), checked)


def _same_model(log: EvalLog, opened: OpenModel, file: Path, name: str, other: bool) -> str | None:
    """How the model was compared; None where another one's is wanted.

    Raises:
        UserError: it is another model.
    """
    digests = {
        str(sample.output.metadata[WEIGHTS])
        for sample in log.samples or []
        if sample.output.metadata and WEIGHTS in sample.output.metadata
    }
    if digests:
        if digests == {opened.digest} or other:
            return "digest"
        raise UserError(
            f"{file}: answered by other weights ({sorted(digests)[0][:12]}) than {opened.name}'s "
            f"({opened.digest[:12]}); give that model, or --allow-other-model to replay them all the same"
        )
    said = {log.eval.model, log.eval.model.split("/", 1)[-1]}
    if not other and not said & {name, opened.name, name.split("/", 1)[-1]}:
        raise UserError(
            f"{file}: answered by {log.eval.model}, not by {opened.name}; give that model, or --allow-other-model to "
            "replay them all the same"
        )
    return None


def _response(sample: EvalSample, left_out: dict[str, int]) -> Response | None:
    answer = sample.output.completion if sample.output.choices else ""
    if sample.error is not None or not answer.strip():
        left_out["without an answer"] += 1
        return None
    asked = list(_asked(sample))
    constraints = tuple(constraint for constraint, _ in asked if constraint.skill)
    if not constraints:
        left_out["without a constraint of the nine skills"] += 1
        return None
    verdicts: dict[str, bool] = {}
    for constraint, met in asked:
        if constraint.skill and met is not None:
            verdicts[constraint.skill] = verdicts.get(constraint.skill, True) and met
    messages = _messages(sample)
    if messages is None:
        left_out["with tools or pictures"] += 1
        return None
    digest = hashlib.blake2b(repr(messages).encode(), digest_size=6).digest()
    task = str((sample.metadata or {}).get("task", ""))
    prompt = Prompt(int.from_bytes(digest, "big"), messages, constraints, task)
    return Response(prompt, (), answer, sample.output.stop_reason == "stop", tuple(sorted(verdicts.items())))


def _asked(sample: EvalSample) -> Iterator[tuple[Constraint, bool | None]]:
    """The sample's constraints with their logged verdicts: from a record among its scores, else from its metadata."""
    for score in (sample.scores or {}).values():
        if score.metadata and "record" in score.metadata:
            for one in json.loads(score.metadata["record"])["instructions"]:
                outcome = one.get("fixed") or one.get("reference")
                try:
                    yield from_json(one["constraint"]), bool(outcome["strict"]) if outcome else None
                except UserError:  # a family of a plug-in that is not installed here
                    continue
            return
    for entry in (sample.metadata or {}).get("asked", ()):
        if entry.get("asked_as") is None:
            yield from_json(entry["parameters"]), None


def _messages(sample: EvalSample) -> tuple[Turn, ...] | None:
    if isinstance(sample.input, str):
        return (("user", sample.input),)
    turns: list[Turn] = []
    for message in sample.input:
        content: Any = message.content
        if message.role == "tool" or (not isinstance(content, str) and any(part.type != "text" for part in content)):
            return None
        turns.append((message.role, message.text))
    return tuple(turns)
