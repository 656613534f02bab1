"""What decides a training run: the recipe, its sizes, and how far a run has come."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from adhere.core.errors import UserError

STAGES: Final = ("base", "instruct")
PRECISIONS: Final = ("float32", "bfloat16")


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
    split: int = 0  # which kinds of constraint are held out from problems: see `world/kinds.py`
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


SIZES: Final[dict[str, dict[str, Any]]] = {
    "small": {"width": 96, "layers": 4, "heads": 3, "hidden": 256},
    "standard": {},
    "large": {
        "width": 512,
        "layers": 10,
        "heads": 8,
        "hidden": 1408,
        "micro": 32_768,
        "accumulate": 1,
        "matrix_lr": 0.01,
        "vector_lr": 0.002,
        "precision": "bfloat16",
    },
}
"""Changes to the recipe by size: 0.6, 2.2 and 33 million parameters. The large one is meant for a GPU."""

RESUMABLE: Final = frozenset(("tokens", "minutes", "compile", "save_minutes", "keep", "log_steps"))
"""Fields in which a resumed run may differ from the one that it continues."""


def of_size(size: str, **changes: Any) -> Recipe:
    """The recipe of that size with `changes`.

    Raises:
        UserError: there is no such size.
    """
    if size not in SIZES:
        raise UserError(f"there is no size {size!r}; take one of: {', '.join(SIZES)}")
    return replace(Recipe(), **{**SIZES[size], **changes})


def checked(recipe: Recipe) -> Recipe:
    """The recipe, if a model can be trained by it.

    Raises:
        UserError: an unknown stage or precision, or a width that the heads cannot share.
    """
    if recipe.stage not in STAGES:
        raise UserError(f"there is no stage {recipe.stage!r}; take base or instruct")
    if recipe.precision not in PRECISIONS:
        raise UserError(f"there is no precision {recipe.precision!r}; take float32 or bfloat16")
    if recipe.width % recipe.heads or (recipe.width // recipe.heads) % 2:
        raise UserError(f"--width {recipe.width} must be an even multiple of --heads {recipe.heads}")
    return recipe


def differences(recipe: Recipe, saved: dict[str, Any]) -> list[str]:
    """Fields that differ from those of a saved run. A field that it does not name had its default value."""
    return [
        one.name
        for one in fields(Recipe)
        if one.name not in RESUMABLE and saved.get(one.name, one.default) != getattr(recipe, one.name)
    ]


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
