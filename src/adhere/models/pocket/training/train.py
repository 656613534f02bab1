"""The recipe that made the shipped weights: a small Llama, from nothing, read from top to bottom.

1. A run trains one of two kinds: "instruct" on dialogues, or "base" on plain text alone. Both start from fresh
   weights of one shape and have one tokenizer, so that they compare. Going on from a base was tried and given up:
   docs/results/pocket.md says why.
2. The budget is a number of tokens, of minutes, or a time of day. The learning rate warms up, stays, and falls
   linearly to nothing over the budget's last part (warm-up, stable, decay), so a run can be ended at any time:
   a file `decay` in its folder starts the decay at once.
3. What is exported is an exponential average of the weights, rounded to bfloat16.
4. A checkpoint holds all that the next step depends on. A run that was killed and started again gives, under a
   budget in tokens, the weights that it would have given undisturbed.
5. One process uses one thread. Several processes share a step: each reads its own shards, gradients are summed.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional

from adhere.core.errors import UserError
from adhere.models.pocket.training import export, tokenizer
from adhere.models.pocket.training.data import ANSWER, PROMPT, Batch, Source, Stream
from adhere.models.pocket.training.optimiser import Muon
from adhere.models.pocket.world import kinds, world

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run, apart from the code and the machine."""

    stage: str = "instruct"  # or "base"
    # the model
    width: int = 160
    layers: int = 6
    heads: int = 5
    hidden: int = 448
    vocab: int = 1664
    context: int = 512
    # the budget: whichever of the two is given and spent first
    tokens: int = 0
    minutes: float = 0.0
    decay_share: float = 0.5
    # the data
    seed: int = 0
    micro: int = 2048
    accumulate: int = 2  # micro batches a step
    ramp: int = 9_000_000  # tokens over which the curriculum rises
    shard_tokens: int = 200_000
    prompt_weight: float = 0.05
    tokenizer_texts: int = 20_000
    # the optimiser
    matrix_lr: float = 0.02
    vector_lr: float = 0.004
    weight_decay: float = 0.01
    clip: float = 1.0
    warmup: int = 300_000  # tokens
    average: int = 1_000_000  # tokens over which the exported weights are averaged
    # the machine
    precision: str = "float32"  # or "bfloat16": of the products in the layers
    compile: bool = True
    save_minutes: float = 3.0
    keep: int = 0  # tokens between the checkpoints that stay, in `checkpoints/<tokens>`; none if 0
    log_steps: int = 50


@dataclass
class Progress:
    """How far a run has come; saved with the weights."""

    step: int = 0
    tokens: int = 0  # read, without padding
    seconds: float = 0.0  # spent training, over all resumptions
    brought_forward: float = 1.0  # share of the budget that is left of it once a `decay` file was seen
    positions: list[tuple[int, int]] = field(default_factory=list)  # of each process in its stream of batches


@dataclass(frozen=True)
class Line:
    """One line of the log: averages since the line before. Losses are nats per answered token."""

    stage: str
    step: int
    tokens: int
    seconds: float
    spent: float
    rate: float
    scale: float
    waited: float
    loss: float
    families: dict[str, float]


def build(recipe: Recipe, tokens: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama of the recipe's size with fresh weights; the layers' outputs start at zero."""
    from transformers import LlamaConfig, LlamaForCausalLM

    if recipe.width % recipe.heads or (recipe.width // recipe.heads) % 2:
        raise UserError(f"--width {recipe.width} must be an even multiple of --heads {recipe.heads}")
    torch.manual_seed(recipe.seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=math.ceil(len(tokens) / 64) * 64,
            hidden_size=recipe.width,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            intermediate_size=recipe.hidden,
            max_position_embeddings=recipe.context,
            tie_word_embeddings=True,
            bos_token_id=tokens.bos_token_id,
            eos_token_id=tokens.eos_token_id,
            pad_token_id=tokens.pad_token_id,
        )
    )
    for layer in model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    return model


def fit_tokenizer(recipe: Recipe) -> PreTrainedTokenizerFast:
    """A tokenizer fitted to dialogues and plain texts of the training side."""
    half = recipe.tokenizer_texts // 2
    texts = list(islice(world.plain_text(recipe.seed, "train"), half))
    for dialogue in islice(world.dialogues(recipe.seed, "train"), half):
        texts += [message.content for message in dialogue.messages]
    return tokenizer.fit(texts, recipe.vocab, recipe.context)


def optimisers(recipe: Recipe, model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for the rest; each group remembers its full learning rate."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    made: list[torch.optim.Optimizer] = [
        Muon(matrices, lr=recipe.matrix_lr, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(others, lr=recipe.vector_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]
    for optimiser in made:
        for group in optimiser.param_groups:
            group["full_lr"] = group["lr"]
    return made


def train(
    recipe: Recipe,
    out: Path,
    *,
    device: str = "cpu",
    until: float | None = None,
    rank: int = 0,
    processes: int = 1,
    tell: Callable[[Line], None] = lambda _: None,
) -> Path:
    """Train by `recipe` in the folder `out`, going on where it stopped; returns the folder of the model.

    `until` is a time in seconds since the epoch: a budget that is spent at that moment.

    Raises:
        UserError: `out` holds a run of another recipe, there is no such stage, or no budget was given.
    """
    if recipe.stage not in ("base", "instruct"):
        raise UserError(f"there is no stage {recipe.stage!r}; take base or instruct")
    if not (recipe.tokens or recipe.minutes or until):
        raise UserError("give the run a budget: --tokens, --minutes or --until")
    torch.set_num_threads(1)
    where = torch.device(device)
    tokens = _open(recipe, out, rank, processes)
    model = build(recipe, tokens)
    model.to(where)  # type: ignore[arg-type]
    made = optimisers(recipe, model)
    average = {name: p.detach().clone() for name, p in model.named_parameters()}
    progress = Progress(positions=[(r, 0) for r in range(processes)])
    if (out / "state.pt").exists():
        progress = _load(out, model, made, average, processes)
        if rank == 0:
            _forget(out / "log.jsonl", progress.step)

    if recipe.compile:
        for layer in model.model.layers:  # one by one: a layer compiles in seconds, the whole in minutes
            layer.compile(dynamic=True)
    precision = torch.autocast(where.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")
    weight_of = torch.tensor([0.0, recipe.prompt_weight, 1.0], device=where)

    source = Source(
        recipe.stage,
        recipe.seed,
        ramp=recipe.ramp,
        micro=recipe.micro,
        context=recipe.context,
        shard_tokens=recipe.shard_tokens,
    )
    batches = Stream(source, tokens.backend_tokenizer, progress.positions[rank], processes)
    folder = out / recipe.stage
    kept = progress.tokens // recipe.keep if recipe.keep else 0
    began, already = time.monotonic(), progress.seconds
    saved = logged = began
    waited = 0.0
    seen: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    read = 0

    while True:
        # How much of the budget is spent; all processes follow the first one's clock.
        progress.seconds = already + time.monotonic() - began
        spent = 0.0
        if recipe.tokens:
            spent = progress.tokens / recipe.tokens
        if recipe.minutes:
            spent = max(spent, progress.seconds / (60 * recipe.minutes))
        if until:
            spent = max(spent, progress.seconds / (progress.seconds + max(0.0, until - time.time())))
        if (out / "decay").exists() and progress.brought_forward == 1.0:
            progress.brought_forward = min(1.0, spent / (1 - recipe.decay_share))
        spent = _agree(spent / progress.brought_forward, processes)
        finished = spent >= 1

        # Keep the model of every so many tokens, for those who study its course.
        if recipe.keep and progress.tokens // recipe.keep > kept:
            kept = progress.tokens // recipe.keep
            if rank == 0:
                place = out / "checkpoints" / f"{kept * recipe.keep:012d}"
                export.write(model, average, tokens, place, _about(recipe, progress, out))

        # Save now and then, and at the end.
        if finished or time.monotonic() - saved > 60 * recipe.save_minutes:
            progress.positions = _gather(batches.position, processes)
            if rank == 0:
                _save(out, model, made, average, progress)
                export.write(model, average, tokens, folder, _about(recipe, progress, out))
            saved = time.monotonic()
        if finished:
            batches.close()
            return folder

        # Read a step's batches; the loss is the weighted mean over all their tokens, in all processes.
        scale = min(1.0, (progress.tokens + 1) / recipe.warmup, (1 - spent) / recipe.decay_share)
        before = time.monotonic()
        step = [batches.next() for _ in range(recipe.accumulate)]
        waited += time.monotonic() - before
        sums = [float((b.parts == ANSWER).sum() + recipe.prompt_weight * (b.parts == PROMPT).sum()) for b in step]
        total = _sum(sum(sums), processes)
        for batch in step:
            with precision:
                losses, weights, parts = _losses(model, batch, weight_of)
            ((losses * weights).sum() / total).backward()  # type: ignore[no-untyped-call]
            _note(seen, batch, losses.detach(), parts)
        _share(model, processes)

        # Step.
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        for optimiser in made:
            for group in optimiser.param_groups:
                group["lr"] = scale * group["full_lr"]
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        size = int(_sum(sum(int((b.parts > 0).sum()) for b in step), processes))
        with torch.no_grad():
            keep = math.exp(-size / min(recipe.average, 1 + progress.tokens))
            for name, parameter in model.named_parameters():
                average[name].lerp_(parameter, 1 - keep)
        progress.step += 1
        progress.tokens += size
        read += size

        if progress.step % recipe.log_steps == 0:
            now = time.monotonic()
            means = {family: s / n for family, (s, n) in sorted(seen.items()) if n}
            overall = sum(s for s, _ in seen.values()) / max(1.0, sum(n for _, n in seen.values()))
            line = Line(
                recipe.stage,
                progress.step,
                progress.tokens,
                round(progress.seconds, 1),
                round(spent, 4),
                round(read / (now - logged)),
                round(scale, 4),
                round(waited, 2),
                round(overall, 4),
                {family: round(mean, 4) for family, mean in means.items()},
            )
            if rank == 0:
                with (out / "log.jsonl").open("a", encoding="utf-8") as log:
                    log.write(json.dumps(asdict(line)) + "\n")
                tell(line)
            seen.clear()
            read, waited, logged = 0, 0.0, now


def spread(
    recipe: Recipe,
    out: Path,
    *,
    device: str,
    until: float | None,
    processes: int,
    tell: Callable[[Line], None],
) -> Path:
    """`train` in this process and, where `processes` > 1, in so many more that share each step with it."""
    if processes == 1:
        return train(recipe, out, device=device, until=until, tell=tell)
    import multiprocessing
    import tempfile

    with tempfile.TemporaryDirectory() as meeting:
        others = [
            multiprocessing.get_context("spawn").Process(
                target=_follow, args=(recipe, out, device, until, rank, processes, f"file://{meeting}/meet")
            )
            for rank in range(1, processes)
        ]
        for other in others:
            other.start()
        dist.init_process_group("gloo", f"file://{meeting}/meet", rank=0, world_size=processes)
        try:
            return train(recipe, out, device=device, until=until, processes=processes, tell=tell)
        finally:
            dist.destroy_process_group()
            for other in others:
                other.join(10)
                other.terminate()


def _follow(
    recipe: Recipe, out: Path, device: str, until: float | None, rank: int, processes: int, meeting: str
) -> None:
    dist.init_process_group("gloo", meeting, rank=rank, world_size=processes)
    train(recipe, out, device=device, until=until, rank=rank, processes=processes)


def _losses(model: LlamaForCausalLM, batch: Batch, weight_of: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each scored token: its loss in nats, its weight, and [row, part]. Rows are padded on the right, so the
    causal mask is all the mask there is."""
    device = weight_of.device
    ids = torch.from_numpy(batch.ids).to(device)
    parts = torch.from_numpy(batch.parts).to(device)[:, 1:].long()
    states = model.model(input_ids=ids[:, :-1].contiguous(), use_cache=False).last_hidden_state
    rows, columns = (weight_of[parts] > 0).nonzero(as_tuple=True)
    logits = model.lm_head(states[rows, columns])
    losses = functional.cross_entropy(logits.float(), ids[:, 1:][rows, columns], reduction="none")
    part = parts[rows, columns]
    return losses, weight_of[part], torch.stack([rows, part])


def _note(seen: dict[str, list[float]], batch: Batch, losses: Tensor, rows_parts: Tensor) -> None:
    """Add the losses of answered tokens to their families' sums."""
    answered = rows_parts[1] == ANSWER
    n = len(batch.ids)
    rows = rows_parts[0][answered]
    sums = torch.zeros(n, device=losses.device).index_add_(0, rows, losses[answered]).tolist()
    counts = torch.bincount(rows, minlength=n).tolist()
    for family, loss, number in zip(batch.families, sums, counts, strict=True):
        seen[family][0] += loss
        seen[family][1] += number


def _sum(value: float, processes: int) -> float:
    if processes == 1:
        return value
    held = torch.tensor(value, dtype=torch.float64)
    dist.all_reduce(held)
    return float(held)


def _agree(value: float, processes: int) -> float:
    if processes == 1:
        return value
    held = torch.tensor(value, dtype=torch.float64)
    dist.broadcast(held, 0)
    return float(held)


def _gather(position: tuple[int, int], processes: int) -> list[tuple[int, int]]:
    if processes == 1:
        return [position]
    held: list[Any] = [None] * processes
    dist.all_gather_object(held, position)
    return held


def _share(model: LlamaForCausalLM, processes: int) -> None:
    """Sum the gradients over the processes, in one message."""
    if processes == 1:
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def _open(recipe: Recipe, out: Path, rank: int, processes: int) -> PreTrainedTokenizerFast:
    """The run's folder: its recipe and its tokenizer, made by the first process and read by all."""
    if rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        wanted = json.loads(json.dumps(asdict(recipe)))
        told = out / "recipe.json"
        if told.exists():
            found = json.loads(told.read_text(encoding="utf-8"))
            budget = ("tokens", "minutes", "compile", "save_minutes", "keep", "log_steps")
            other = [key for key in wanted if key not in budget and found.get(key) != wanted[key]]
            if other:
                raise UserError(f"{out} holds a run with other {', '.join(other)}; take another --out")
        else:
            fit_tokenizer(recipe).save_pretrained(out / "tokenizer")
            told.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
    if processes > 1:
        dist.barrier()
    return tokenizer.load(out / "tokenizer")


def _save(
    out: Path,
    model: LlamaForCausalLM,
    made: list[torch.optim.Optimizer],
    average: dict[str, Tensor],
    progress: Progress,
) -> None:
    """Write the state whole or not at all."""
    part = out / "state.pt.part"
    torch.save(
        {
            "model": model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in made],
            "average": average,
            "progress": asdict(progress),
        },
        part,
    )
    os.replace(part, out / "state.pt")


def _load(
    out: Path,
    model: LlamaForCausalLM,
    made: list[torch.optim.Optimizer],
    average: dict[str, Tensor],
    processes: int,
) -> Progress:
    state = torch.load(out / "state.pt", map_location=model.device, weights_only=True)
    model.load_state_dict(state["model"])
    for optimiser, held in zip(made, state["optimisers"], strict=True):
        optimiser.load_state_dict(held)
    average.update(state["average"])
    progress = Progress(**state["progress"])
    if len(progress.positions) != processes:
        raise UserError(f"{out} was trained by {len(progress.positions)} processes; take --processes so many")
    progress.positions = [(index, at) for index, at in progress.positions]
    return progress


def _forget(log: Path, step: int) -> None:
    """Take from the log what a killed run had written after its last checkpoint: it will be done again."""
    if log.exists():
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        log.write_text("".join(line for line in lines if json.loads(line)["step"] <= step), encoding="utf-8")


def _about(recipe: Recipe, progress: Progress, out: Path) -> dict[str, Any]:
    """What is written beside the weights."""
    log = out / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []
    every = max(1, len(lines) // 100)
    curve = [{key: line[key] for key in ("stage", "tokens", "loss", "families")} for line in lines[::every]]
    return {
        "seed": recipe.seed,
        "recipe": asdict(recipe),
        "tokens": progress.tokens,
        "steps": progress.step,
        "seconds": round(progress.seconds),
        "kinds": {"practised": kinds.PRACTISED_WITH_PROBLEMS, "held_out": kinds.NEVER_WITH_PROBLEMS},
        "curve": curve,
    }
