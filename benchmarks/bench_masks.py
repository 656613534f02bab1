"""What masks cost of a token's time, at a vocabulary of 49 thousand and of 150 thousand tokens.

SmolLM2 writes greedily under constraints of several kinds, on one thread, one answer at a time: the fastest token there
is, so the share is the largest. The larger vocabulary is SmolLM2's with tokens added that join two of its own, and rows
of the embedding that give them no chance. Processor time within the guide is held against the processor time of all
else: reading the model, choosing, decoding. Without SmolLM2 (`adhere models get smollm2`) nothing is measured.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adhere.constraints.constraint import Constraint
    from adhere.models.load import OpenModel

LARGER = 151_936
"""Qwen2's vocabulary."""
TOKENS = int(os.environ.get("ADHERE_BENCH_TOKENS", "40"))
METHODS = ("allowed", "judge", "struck", "done")


def cases() -> list[tuple[str, str, tuple[Constraint, ...]]]:
    """Name, prompt and constraints."""
    from adhere.constraints.families.case import LetterCase
    from adhere.constraints.families.json_format import Json
    from adhere.constraints.families.length import Words
    from adhere.constraints.families.terms import Exclude, Include

    return [
        ("lower case", "Describe the sea in lower case.", (LetterCase(case="lower"),)),
        ("JSON", 'Describe a spoon in JSON with the keys "name" and "use".', (Json(keys=("name", "use")),)),
        ("at most 25 words", "Describe the sea in at most 25 words.", (Words(at_most=25),)),
        (
            "terms",
            'Describe the sea. Use "tide", never "water".',
            (Include(terms=("tide",)), Exclude(terms=("water",))),
        ),
    ]


def enlarged(opened: OpenModel, size: int) -> None:
    """Give the model `size` tokens; those added are never the likeliest."""
    import torch

    tokenizer: Any = opened.tokenizer
    own = [name for name in tokenizer.get_vocab() if name.isascii() and 2 < len(name) < 7]
    pairs = ("".join(pair) for pair in itertools.product(own, own))
    tokenizer.add_tokens(list(itertools.islice(pairs, size - len(tokenizer))))
    opened.model.resize_token_embeddings(size, mean_resizing=False)
    with torch.no_grad():
        opened.model.get_input_embeddings().weight[49_152:] = 0


class Clock:
    """Processor time spent within some methods of a class."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, timed."""

        def timed(*arguments: Any) -> Any:
            start = time.process_time()
            try:
                return method(*arguments)
            finally:
                self.seconds += time.process_time() - start

        return timed


def measure(opened: OpenModel, prompt: str, constraints: Sequence[Constraint]) -> tuple[int, float, float]:
    """Tokens written, milliseconds of a token without the guide, and those within it."""
    from adhere.models.generation.constrained import Budget, ConstraintGuide, Draft, write
    from adhere.models.generation.requests import Sampling

    tokens = tuple(opened.encode(opened.render([{"role": "user", "content": prompt}])))
    kept = {name: getattr(ConstraintGuide, name) for name in METHODS}
    for warm in (True, False):  # masks of a vocabulary are made once
        clock = Clock()
        try:
            for name, method in kept.items():
                setattr(ConstraintGuide, name, clock.around(method))
            start = time.process_time()
            limit = 4 if warm else TOKENS
            draft = Draft(opened, tokens, tuple(constraints), Sampling(limit), Budget(1, limit))
            [written] = write(opened, [draft])
            total = time.process_time() - start
        finally:
            for name, method in kept.items():
                setattr(ConstraintGuide, name, method)
    count = max(1, written.tokens)
    return count, 1e3 * (total - clock.seconds) / count, 1e3 * clock.seconds / count


def main() -> None:
    """Print the table."""
    import torch

    from adhere.models import registry
    from adhere.models.load import open_model

    if not registry.listed()["smollm2"].here:
        print("SmolLM2 is not here: adhere models get smollm2")
        return
    torch.set_num_threads(1)
    opened = open_model("smollm2")
    for size in (49_152, LARGER):
        if size > 49_152:
            enlarged(opened, size)
        for name, prompt, constraints in cases():
            count, model, guide = measure(opened, prompt, constraints)
            print(
                f"{size:>7} tokens, {name:<17} {count:>3} written: model {model:6.1f} ms, masks {guide:5.2f} ms, "
                f"{guide / model:.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
