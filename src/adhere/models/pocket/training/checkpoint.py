"""The folder of a training run: recipe, tokenizer, state, log.

`state.pt` holds all that the next step depends on, and is written whole or not at all: a run that was killed at any
moment and started again gives, under a budget in tokens, the weights that it would have given undisturbed.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from adhere.core.errors import UserError
from adhere.core.files import write_text
from adhere.models.pocket.training import parallel, tokenizer
from adhere.models.pocket.training.data import shard, source_of
from adhere.models.pocket.training.recipe import Line, Progress, Recipe, differences
from adhere.models.pocket.training.shape import fit_tokenizer
from adhere.models.pocket.world import kinds

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


def open_run(recipe: Recipe, out: Path, rank: int, processes: int) -> PreTrainedTokenizerFast:
    """The tokenizer of the run in `out`; the first process makes it and writes the recipe where there is none.

    Raises:
        UserError: the folder holds a run of another recipe, or of other data.
    """
    if rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        place = out / "recipe.json"
        if place.exists():
            saved = json.loads(place.read_text(encoding="utf-8"))
            if other := differences(recipe, saved):
                raise UserError(f"{out} holds a run with other {', '.join(other)}; take another --out")
        else:
            fit_tokenizer(recipe).save_pretrained(out / "tokenizer")
            write_text(place, json.dumps(asdict(recipe), indent=1) + "\n")
        _same_data(recipe, out)
    parallel.wait(processes)
    return tokenizer.load(out / "tokenizer")


def _same_data(recipe: Recipe, out: Path) -> None:
    """Compare the data that this source tree generates with those the run began with, by a digest of one shard.

    The shard is one of the full curriculum. A run without a digest is given one.

    Raises:
        UserError: the data are others.
    """
    source = source_of(recipe)
    late = -(-recipe.ramp // recipe.shard_tokens)
    digest = hashlib.sha256()
    for batch in shard(source, tokenizer.load(out / "tokenizer").backend_tokenizer, late):
        digest.update(batch.ids.tobytes() + batch.parts.tobytes())
    place = out / "data.sha256"
    if not place.exists():
        write_text(place, digest.hexdigest() + "\n")
    elif place.read_text(encoding="utf-8").strip() != digest.hexdigest():
        raise UserError(f"{out} was trained on other data than this version generates; resume it with its own version")


def save(
    out: Path,
    model: LlamaForCausalLM,
    optimisers: list[torch.optim.Optimizer],
    average: dict[str, Tensor],
    progress: Progress,
) -> None:
    """Write the state whole or not at all."""
    part = out / "state.pt.part"
    torch.save(
        {
            "model": model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in optimisers],
            "average": average,
            "progress": asdict(progress),
        },
        part,
    )
    os.replace(part, out / "state.pt")


def load(
    out: Path,
    model: LlamaForCausalLM,
    optimisers: list[torch.optim.Optimizer],
    average: dict[str, Tensor],
    processes: int,
) -> Progress | None:
    """Put the saved state into model, optimisers and average; None where nothing was saved yet.

    Raises:
        UserError: another number of processes trained it.
    """
    if not (out / "state.pt").exists():
        return None
    state = torch.load(out / "state.pt", map_location=model.device, weights_only=True)
    progress = Progress(**state["progress"])
    if len(progress.positions) != processes:
        raise UserError(f"{out} was trained by {len(progress.positions)} processes; take --processes so many")
    model.load_state_dict(state["model"])
    for optimiser, held in zip(optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(held)
    average.update(state["average"])
    progress.positions = [(index, at) for index, at in progress.positions]
    return progress


def append(out: Path, line: Line) -> None:
    """Add a line to the log."""
    with (out / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(asdict(line)) + "\n")


def forget_after(out: Path, step: int) -> None:
    """Take from the log what a killed run had written after its last checkpoint: it will be done again."""
    log = out / "log.jsonl"
    if log.exists():
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        write_text(log, "".join(line for line in lines if _before(line, step)))


def _before(line: str, step: int) -> bool:
    """Whether a log line is whole and not after `step`; a killed run may have left half a line."""
    try:
        return bool(json.loads(line)["step"] <= step)
    except ValueError:
        return False


def about(recipe: Recipe, progress: Progress, out: Path) -> dict[str, Any]:
    """What is written beside the weights: seed, recipe, kinds of constraint practised, tokens, curve."""
    log = out / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []
    split = kinds.drawn(recipe.split)
    every = max(1, len(lines) // 100)
    curve = [{key: line[key] for key in ("stage", "tokens", "loss", "families")} for line in lines[::every]]
    return {
        "seed": recipe.seed,
        "recipe": asdict(recipe),
        "tokens": progress.tokens,
        "steps": progress.step,
        "seconds": round(progress.seconds),
        "kinds": {"practised": split.practised, "held_out": split.apart},
        "curve": curve,
    }
