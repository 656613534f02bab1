"""Tuning a model on constraints: data in any of the forms that `adhere train` writes, a run with TRL, the model out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from adhere.api.check import Constraints, constraints_of
from adhere.api.train_sampling import POOL, read_pool
from adhere.constraints.constraint import Constraint
from adhere.core.errors import UserError
from adhere.core.extras import naming_extras, require
from adhere.train.hygiene import of_use
from adhere.train.pool import kept, pairs
from adhere.train.reward import Aggregation, Guard, Reward
from adhere.train.rows import PromptRow, read_jsonl, read_rows
from adhere.train.tuning import RATES, Method, TuningPlan, dpo_columns, sft_columns, tune

BATCH: Final[dict[Method, int]] = {"sft": 16, "dpo": 16, "grpo": 64}
"""Rows of a step where none are given."""


def train(
    method: Method,
    model: str = "pocket",
    *,
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    constraints: Constraints | str | os.PathLike[str] | None = None,
    lora: int = 0,
    steps: int | None = None,
    batch: int | None = None,
    learning_rate: float | None = None,
    generations: int = 8,
    max_tokens: int = 128,
    beta: float = 0.0,
    aggregation: Aggregation = "all",
    without: Sequence[Guard] = (),
    problem_weight: float = 0.0,
    seed: int = 0,
    notice: Callable[[str], None] = lambda _: None,
) -> Path:
    """Tune a model with SFT, DPO or GRPO, and give the folder of the tuned one.

        train("sft", "pocket", data="pool", out="run")
        train("grpo", "pocket", data="prompts.jsonl", constraints="policy.yaml", lora=8, out="run")

    Args:
        method: sft, dpo or grpo.
        model: `pocket`, a folder, or a hub id; of a GGUF file its converted weights are tuned.
        data: a pool of `filter_answers`; or JSON Lines: `prompt` and `completion` (SFT), `prompt`, `chosen` and
            `rejected` (DPO), rows with constraints (GRPO).
        out: the run's folder; the same one resumes the run.
        constraints: GRPO: what every answer must meet, in place of the rows' own: a gateway's policy (`.yaml`), an
            instruction, constraints.
        lora: rank of LoRA on all linear layers; 0 trains all weights.
        steps: optimiser steps; one pass over the data if None.
        batch: rows of a step; 16, and 64 sampled answers for GRPO, if None.
        learning_rate: its peak; `tuning.RATES` if None.
        generations, max_tokens, beta, problem_weight: see `tuning.TuningPlan`.
        aggregation, without: of the reward; see `train.reward.Reward`.
        seed: of the order of rows and of sampling.
        notice: told of what a person should know, in one line.

    Raises:
        UserError: data, constraints or model are wrong, the folder holds another run, the loss is not a number, or
            the disk is full.
        BrokenCheckError: a check of the reward ended with an error.
    """
    require("trl", "peft", "datasets", "torch")
    with naming_extras():
        rules = rules_of(constraints)
        rows = _rows(method, Path(data), rules)
        size = batch or BATCH[method]
        passes = len(rows) * (generations if method == "grpo" else 1)
        plan = TuningPlan(
            method=method,
            model=_weights(model),
            steps=steps or max(1, passes // size),
            batch=size,
            learning_rate=learning_rate or RATES[method],
            seed=seed,
            lora=lora,
            beta=beta,
            generations=generations,
            max_tokens=max_tokens,
            problem_weight=problem_weight,
        )
        reward = Reward(rules, aggregation, without=tuple(without)) if method == "grpo" else None
        return tune(plan, rows, Path(out), reward=reward, notice=notice)


def rules_of(constraints: Constraints | str | os.PathLike[str] | None) -> tuple[Constraint, ...]:
    """The constraints that a policy, an instruction or constraints state; none for None.

    Raises:
        UserError: none can be read.
    """
    if constraints is None:
        return ()
    if isinstance(constraints, os.PathLike) or (
        isinstance(constraints, str) and constraints.endswith((".yaml", ".yml")) and "\n" not in constraints
    ):
        from adhere.gateway.policy.policy import load

        path = Path(constraints)
        rules = tuple(dict.fromkeys(one for route in load(path).routes for one in route.constraints))
        if not rules:
            raise UserError(f"{path}: no route of the policy has constraints")
        return rules
    return constraints_of(constraints)


def with_rules(rows: Sequence[PromptRow], rules: Sequence[Constraint]) -> list[PromptRow]:
    """The rows with `rules` in place of their own constraints."""
    return [PromptRow(row.id, row.messages, tuple(rules), row.problem) for row in rows]


def _weights(model: str) -> str:
    from adhere.models.engines.sources import locate
    from adhere.models.gguf_conversion import converted
    from adhere.models.load import check_within_reach

    origin = locate(model)
    if origin.gguf is not None:
        return str(converted(origin.gguf))
    if origin.folder is None:
        check_within_reach(model)
        return model
    return str(origin.folder)


def _rows(method: Method, data: Path, rules: Sequence[Constraint]) -> list[dict[str, Any]]:
    """The data as TRL's columns."""
    pooled = data.is_dir() or data.name == POOL
    if method == "grpo":
        rows = [one.row for one in read_pool(data) if of_use(one.share)] if pooled else _prompts(data, rules)
        if not rows:
            raise UserError(f"{data}: no prompt is of useful difficulty (0.1 to 0.9); sample other prompts")
        if not rules and (bare := next((row for row in rows if not row.constraints), None)):
            raise UserError(f"{data}: the prompt {bare.id} has no constraints; give --constraints")
        return [row.columns() for row in rows]
    if rules:
        raise UserError("--constraints are the reward of grpo; sft and dpo learn from answers that were checked before")
    if pooled and method == "sft":
        rows_of_pool = [sft_columns(row.messages, one.text) for row, one in kept(read_pool(data))]
    elif pooled:
        rows_of_pool = [dpo_columns(row.messages, good.text, bad.text) for row, good, bad in pairs(read_pool(data))]
    else:
        return _columns(data, ("prompt", "completion") if method == "sft" else ("prompt", "chosen", "rejected"))
    if not rows_of_pool:
        raise UserError(f"{data}: no answer of the pool can be trained on; sample other prompts, or more of each")
    return rows_of_pool


def _prompts(data: Path, rules: Sequence[Constraint]) -> list[PromptRow]:
    """Rows of prompts; with rules they need no constraints of their own."""
    if not rules:
        return read_rows(data)
    from adhere.train.rows import row_from_json

    rows = []
    for number, record in read_jsonl(data):
        try:
            rows.append(row_from_json({**record, "constraints": []}))
        except UserError as error:
            raise UserError(f"{data}, line {number}: {error}") from None
    return with_rules(rows, rules)


def _columns(data: Path, names: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for number, record in read_jsonl(data):
        if missing := [name for name in names if not record.get(name)]:
            raise UserError(f"{data}, line {number}: no {missing[0]!r}; a row has {', '.join(names)}")
        forms = {type(record[name]) for name in names}
        if not (forms == {str} or forms == {list}):
            raise UserError(f"{data}, line {number}: {', '.join(names)} are all texts, or all lists of messages")
        rows.append({name: record[name] for name in names})
    return rows
