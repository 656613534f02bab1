"""An organisation's own rules: trained in with LoRA, enforced by the gateway, stated in the prompt, or both.

Arms, on the same evaluation prompts with one answer each at temperature 1:

    base      the model as it is
    prompted  the rules stated in a system prompt
    gateway   the gateway in front of the model, with the rules as its policy
    tuned     the model after GRPO with LoRA on the training prompts, rewarded for the rules; nothing is stated
    both      the gateway in front of the tuned model

Rules:

- Prompts are divided by a hash of their text: a quarter is for evaluation and never trained on.
- Adherence is the share of answers that meet every rule and that no guard refuses (`train.guards`).
- Tokens are all that the model wrote for an answer, the gateway's repairs included. Prompt tokens are not in them.
- Problems are plain ones (the pocket world's for a pocket model, else easy ones), asked of base and tuned model: what
  tuning cost elsewhere.
- The gateway delivers an answer that it could not repair and says so; such an answer is judged like any other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from adhere.api.train import rules_of, train, with_rules
from adhere.constraints.constraint import Constraint
from adhere.core.errors import UserError
from adhere.core.files import write_text
from adhere.core.findings import Control, Finding, Scalar
from adhere.core.findings import write as write_findings
from adhere.train.reward import Reward
from adhere.train.rows import PromptRow, read_jsonl, row_from_json, to_jsonl

ARMS: Final = ("base", "prompted", "gateway", "tuned", "both")
EVALUATION_SHARE: Final = 4
"""One prompt in so many is for evaluation."""


def domain(
    model: str = "pocket",
    *,
    constraints: str | os.PathLike[str],
    prompts: str | os.PathLike[str],
    out: str | os.PathLike[str],
    lora: int = 8,
    steps: int | None = None,
    learning_rate: float | None = None,
    max_tokens: int = 128,
    problems: int = 30,
    seed: int = 0,
    notice: Callable[[str], None] = lambda _: None,
) -> list[Finding]:
    """Tune `model` to an organisation's rules, and compare tuning with the gateway, both, and neither.

    Args:
        model: `pocket`, a folder, a GGUF file, or a hub id.
        constraints: a gateway's policy (`.yaml`), or an instruction.
        prompts: JSON Lines with a `prompt` each; constraints of their own are not read.
        out: the run's folder; the same one resumes at the first arm that is not measured.
        lora: rank of LoRA; 0 trains all weights.
        steps, learning_rate, max_tokens: of GRPO; see `api.train.train`.
        problems: plain problems of each domain or kind.
        seed: of training and sampling.
        notice: told of progress, in one line.

    Returns:
        The findings `train.domain`, also written to `findings.json` in the folder.

    Raises:
        UserError: rules or prompts cannot be read, or the gateway does not come up.
    """
    folder = Path(out)
    rules = rules_of(constraints)
    rows = with_rules([row_from_json({**record, "constraints": []}) for _, record in read_jsonl(Path(prompts))], rules)
    evaluation = [row for row in rows if _is_evaluation(row)]
    training = [row for row in rows if not _is_evaluation(row)]
    if not evaluation or not training:
        raise UserError(f"{prompts}: {len(rows)} prompts are too few to train on some and to measure others")
    notice(f"{len(rules)} rules, {len(training)} training prompts, {len(evaluation)} evaluation prompts")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "training.jsonl", to_jsonl(row.to_json() for row in training))
    tuned = train(
        "grpo",
        model,
        data=folder / "training.jsonl",
        out=folder / "run",
        lora=lora,
        steps=steps,
        learning_rate=learning_rate,
        max_tokens=max_tokens,
        seed=seed,
        notice=notice,
    )
    records = {}
    for arm in ARMS:
        records[arm] = _measured(folder, arm, model, str(tuned), rules, evaluation, max_tokens, problems, seed)
        met = [one["met"] for one in records[arm]["answers"]]
        notice(f"{arm}: {sum(met)} of {len(met)} answers meet every rule")
    results = _findings(records, model)
    write_findings(folder / "findings.json", results)
    return results


def _is_evaluation(row: PromptRow) -> bool:
    digest = hashlib.sha256(row.text.encode("utf-8", "surrogatepass")).digest()
    return digest[0] % EVALUATION_SHARE == 0


def _measured(
    folder: Path,
    arm: str,
    model: str,
    tuned: str,
    rules: Sequence[Constraint],
    rows: Sequence[PromptRow],
    max_tokens: int,
    problems: int,
    seed: int,
) -> dict[str, Any]:
    """The answers of one arm, and the problems it solves where it has no gateway; made once."""
    from adhere.api.gateway_process import SECONDS, gateway

    path = folder / "measured" / f"{arm}.json"
    if path.is_file():
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record
    name = tuned if arm in ("tuned", "both") else model
    record = {}
    if arm in ("gateway", "both"):
        policy = folder / "policy.json"  # JSON is YAML, too
        route = {
            "name": "domain",
            "models": ["*"],
            "constraints": [one.to_json() for one in rules],
            "handling": {"spent": "flag", "seconds": SECONDS},
        }
        write_text(policy, json.dumps({"routes": [route]}))
        with gateway(name, ["--policy", str(policy)]) as through:
            record["answers"] = _answers(through, rows, max_tokens, seed)
    else:
        stated = [_stating(row, rules) for row in rows] if arm == "prompted" else rows
        record["answers"] = _answers(name, stated, max_tokens, seed)
        if arm != "prompted":
            record["problems"] = _solved(name, problems, max_tokens, seed)
    write_text(path, json.dumps(record, ensure_ascii=False))
    return record


def _stating(row: PromptRow, rules: Sequence[Constraint]) -> PromptRow:
    system = {"role": "system", "content": " ".join(one.describe() for one in rules)}
    return PromptRow(row.id, (system, *row.messages), row.constraints)


def _answers(name: str, rows: Sequence[PromptRow], max_tokens: int, seed: int) -> list[dict[str, Any]]:
    answers = _asked(name, rows, max_tokens, seed)
    scored = [Reward().score(text, row.constraints, row.text) for row, (text, _) in zip(rows, answers, strict=True)]
    return [
        {"id": row.id, "met": one.value == 1.0, "reason": one.reason, "tokens": tokens, "text": text}
        for row, one, (text, tokens) in zip(rows, scored, answers, strict=True)
    ]


def _asked(name: str, rows: Sequence[PromptRow], max_tokens: int, seed: int) -> list[tuple[str, int]]:
    from adhere.api.train_sampling import sample_answers
    from adhere.measure.model_access import release, resolve

    opened = resolve(name)
    try:
        answers = asyncio.run(sample_answers(opened, rows, 1, 1.0, max_tokens, seed))
    finally:
        release(opened)
    return [one for [one] in answers]


def _solved(name: str, problems: int, max_tokens: int, seed: int) -> list[dict[str, Any]]:
    from adhere.measure.sustain.problem_sets import EASY, gather
    from adhere.models.engines.sources import POCKET
    from adhere.problems.grading import grade_all

    is_pocket = name in POCKET or (Path(name) / "training.json").is_file() or _vocabulary(name) < 4096
    materials = gather(None, None if is_pocket else EASY, limit=problems, seed=seed)
    chosen = [problem for material in materials for problem in material.problems]
    rows = [PromptRow(one.id, ({"role": "user", "content": one.prompt},), ()) for one in chosen]
    grades = grade_all(chosen, [text for text, _ in _asked(name, rows, max_tokens, seed)])
    return [{"id": one.id, "solved": grade.correct} for one, grade in zip(chosen, grades, strict=True)]


def _vocabulary(folder: str) -> int:
    """The size of a model's vocabulary, as its configuration says; a large number where none can be read."""
    try:
        return int(json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))["vocab_size"])
    except (OSError, ValueError, KeyError):
        return 1 << 30


def _findings(records: dict[str, dict[str, Any]], model: str) -> list[Finding]:
    from adhere.measure.statistics.clustered_mean import clustered
    from adhere.measure.statistics.rates import Cluster, paired, rate

    results: list[Finding] = []
    bare = {one["id"]: float(one["met"]) for one in records["base"]["answers"]}
    solved_bare = {one["id"]: one["solved"] for one in records["base"]["problems"] if one["solved"] is not None}
    for arm, record in records.items():
        subject: dict[str, Scalar] = {"model": model, "arm": arm}
        share = rate((int(one["met"]), 1) for one in record["answers"])
        difference = paired([Cluster(float(one["met"]), bare[one["id"]]) for one in record["answers"]])
        low, high = difference.interval
        results.append(
            Finding(
                what="train.domain",
                subject={**subject, "measure": "adherence", "less_base": difference.estimate, "p": difference.p}
                | {"less_base_low": low, "less_base_high": high},
                estimate=share.estimate,
                interval=share.interval,
                n=share.n,
                unit="share of prompts",
            )
        )
        tokens = [(one["id"], float(one["tokens"])) for one in record["answers"]]
        results.append(clustered("train.domain", {**subject, "measure": "tokens"}, tokens, "tokens an answer"))
        own = {one["id"]: one["solved"] for one in record.get("problems", []) if one["solved"] is not None}
        if own:
            share = rate((int(solved), 1) for solved in own.values())
            gap = paired([Cluster(float(own[one]), float(solved_bare[one])) for one in own if one in solved_bare])
            results.append(
                Finding(
                    what="train.domain",
                    subject={**subject, "measure": "solved", "p": gap.p},
                    estimate=share.estimate,
                    interval=share.interval,
                    n=share.n,
                    unit="share of problems",
                    control=Control(what="less base", estimate=gap.estimate, interval=gap.interval),
                )
            )
    return results
