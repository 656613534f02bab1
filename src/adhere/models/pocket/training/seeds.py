"""One recipe trained with several seeds, one run after another, to see whether a finding replicates."""

from __future__ import annotations

from pathlib import Path

from adhere.models.pocket.training.recipe import of_size
from adhere.models.pocket.training.train import Tell, train


def run_seeds(
    out: Path,
    number: int,
    *,
    size: str,
    tokens: int,
    checkpoints: int,
    device: str = "cpu",
    compile_layers: bool = True,
    tell: Tell = lambda _: None,
) -> list[Path]:
    """Train with the seeds 0 to `number` - 1 in `out`/seed-0, seed-1, ...; returns the folders of the models.

    Each run also draws its own split of the kinds of constraint, so that a contrast between practised and held-out
    kinds does not rest on one draw.

    A run that is finished is left as it is, one that was stopped goes on.

    Args:
        out: folder of the runs.
        number: how many seeds.
        size: see `recipe.SIZES`.
        tokens: budget of each run; the curriculum takes half of it.
        checkpoints: models that stay of each run, at equal distances.
        device: cpu or cuda.
        compile_layers: whether layers are compiled.
        tell: told of every line of the log.
    """
    folders = []
    for seed in range(number):
        recipe = of_size(
            size,
            seed=seed,
            split=seed,
            tokens=tokens,
            ramp=tokens // 2,
            keep=tokens // checkpoints if checkpoints else 0,
            compile=compile_layers,
        )
        folder = out / f"seed-{seed}"
        done = folder / recipe.stage
        folders.append(done if _finished(folder, tokens) else train(recipe, folder, device=device, tell=tell))
    return folders


def _finished(folder: Path, tokens: int) -> bool:
    """Whether the run's model has read its whole budget."""
    import json

    about = folder / "instruct" / "training.json"
    return about.exists() and json.loads(about.read_text(encoding="utf-8"))["tokens"] >= tokens
