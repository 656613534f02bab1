"""The design of the training study: arms, sizes, kinds, prompts.

Arms, all from one base model, each trained on the same number of sampled answers:

    base            not trained
    sft_unfiltered  SFT on every answer that the base model gave: the control for training at all
    sft_filtered    SFT on the answers that pass, repeated to the same number
    dpo             DPO on pairs of a passing and a failing answer to one prompt, repeated to the same number
    grpo            GRPO on the same prompts, as many answers sampled anew; reward: all constraints met
    grpo_problem    the same, with the problem's own grade as a second reward

SFT and DPO read every answer once, GRPO takes `GRPO_ITERATIONS` steps on each: arms are matched by samples, which is
what costs, and the tokens that each arm was trained on are reported.

Rules:

- Kinds: of each pair of like kinds one is trained and the other held out (`TRAINED`, `HELD_OUT`). Training prompts
  have trained kinds alone; evaluation prompts have either trained kinds alone or held-out kinds alone.
- Splits: training and tuning prompts are drawn from the world's train side, evaluation prompts from its test side:
  no content of it stands in training. Learning rates are chosen on tuning prompts, never on evaluation prompts.
- All arms of one seed read the same prompts: those of useful difficulty (`hygiene`) among the candidates.
- An evaluation answer has one sampling seed for a prompt and a study seed, whatever the arm: arms are paired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, get_args

from adhere.core.errors import UserError
from adhere.models.pocket.world import world
from adhere.train.rows import PromptRow
from adhere.train.tuning import Method

Arm = Literal["base", "sft_unfiltered", "sft_filtered", "dpo", "grpo", "grpo_problem"]
ARMS: Final[tuple[Arm, ...]] = get_args(Arm)
TRAINED_ARMS: Final = ARMS[1:]

METHOD_OF: Final[Mapping[Arm, Method]] = {
    "sft_unfiltered": "sft",
    "sft_filtered": "sft",
    "dpo": "dpo",
    "grpo": "grpo",
    "grpo_problem": "grpo",
}

TRAINED: Final = frozenset(
    (
        "contains.terms",
        "length.words",
        "semantic.sentiment",
        "style.register",
        "format.json",
        "length.lines",
        "numbers.count",
    )
)
HELD_OUT: Final = frozenset(
    (
        "excludes.terms",
        "length.characters",
        "style.toxicity",
        "length.sentences",
        "case.letters",
        "vocabulary.different",
    )
)
"""The twins of trained kinds, as far as there are any: excluded words of required ones, characters of words, insults of
register, letter case and variety of what is counted in a solution. A topic is met by every answer and is in neither."""

DESCRIPTIONS: Final[Mapping[str, float]] = {"describe": 0.7, "constrained": 0.3}
"""Families of prompts by weight: descriptions, and problems with constraints."""
DOMAINS: Final = ("math", "multihop", "code")

GRPO_ITERATIONS: Final = 2
"""Optimiser steps on each sampled answer. With one, a run of this size hardly leaves the base model."""
GRPO_GENERATION_STEPS: Final = 2

Split = Literal["train", "tune", "evaluate"]


@dataclass(frozen=True)
class StudySize:
    """How much is trained and measured.

    Attributes:
        seeds: independent runs of every arm.
        prompts: training prompts of a run.
        samples: answers sampled of each; GRPO's group size.
        answers: answers of one GRPO step; rows of one step of SFT are half as many, pairs of DPO a quarter.
        tuning_prompts: prompts on which learning rates are compared.
        evaluation: prompts of trained kinds, and as many of held-out kinds.
        problems: plain problems of each domain.
        ks: constraints added to a solved problem, for SustainScore.
        rates: learning rates that are tried, by method.
    """

    seeds: int = 3
    prompts: int = 320
    samples: int = 8
    answers: int = 64
    tuning_prompts: int = 600
    evaluation: int = 400
    problems: int = 100
    ks: tuple[int, ...] = (1, 2, 4)
    rates: Mapping[Method, tuple[float, ...]] | None = None

    @property
    def sequences(self) -> int:
        """Answers that every arm is trained on."""
        return self.prompts * self.samples

    def rates_of(self, method: Method) -> tuple[float, ...]:
        """The learning rates to try."""
        return (self.rates or RATES)[method]

    def steps_of(self, method: Method) -> int:
        """Optimiser steps in which `method` reads as many answers as every other, GRPO each several times."""
        passes = GRPO_ITERATIONS if method == "grpo" else 1
        return max(1, passes * self.sequences // self.answers_of(method))

    def batch_of(self, method: Method) -> int:
        """Rows of a step: answers, and pairs for DPO."""
        return {"sft": self.answers // 2, "dpo": self.answers // 4, "grpo": self.answers}[method]

    def answers_of(self, method: Method) -> int:
        """Answers read in a step: a pair is two."""
        return self.batch_of(method) * (2 if method == "dpo" else 1)


RATES: Final[Mapping[Method, tuple[float, ...]]] = {
    "sft": (1e-4, 3e-4, 1e-3),
    "dpo": (3e-5, 1e-4, 3e-4),
    "grpo": (1e-4, 3e-4, 1e-3),
}

SIZES: Final[Mapping[str, StudySize]] = {
    "full": StudySize(),
    "short": StudySize(prompts=96, answers=32, tuning_prompts=150, evaluation=400, problems=60),
    "tiny": StudySize(
        seeds=1,
        prompts=8,
        samples=4,
        answers=16,
        tuning_prompts=4,
        evaluation=6,
        problems=2,
        ks=(1,),
        rates={"sft": (3e-4,), "dpo": (1e-4,), "grpo": (3e-4,)},
    ),
}
"""`short` is a third of `full`; `tiny` proves that a machine can run it and shows nothing."""


def size_of(name: str) -> StudySize:
    """The size of that name.

    Raises:
        UserError: there is none.
    """
    if name not in SIZES:
        raise UserError(f"there is no size {name!r}; take one of: {', '.join(SIZES)}")
    return SIZES[name]


def candidates(split: Split, seed: int, kinds: frozenset[str]) -> Iterator[PromptRow]:
    """An endless stream of prompts of that split whose constraints are all of `kinds`."""
    side: world.Side = "test" if split == "evaluate" else "train"
    number = int.from_bytes(hashlib.blake2b(f"study {split} {seed}".encode(), digest_size=4).digest(), "big")
    for at, dialogue in enumerate(world.dialogues(number, side, DESCRIPTIONS)):
        row = row_of(dialogue, f"{split}-{seed}-{at}")
        if row.constraints and row.kinds <= kinds:
            yield row


def problem_rows(seed: int, each: int) -> list[PromptRow]:
    """`each` plain problems of every domain, from the test side."""
    rows = []
    for domain in DOMAINS:
        drawn = islice(world.dialogues(seed, "test", {domain: 1.0}), each)
        rows += [row_of(dialogue, f"problem-{seed}-{domain}-{at}") for at, dialogue in enumerate(drawn)]
    return rows


def row_of(dialogue: world.Dialogue, identity: str) -> PromptRow:
    """The prompt of a dialogue of the pocket world."""
    messages = tuple({"role": one.role, "content": one.content} for one in dialogue.messages[:-1])
    return PromptRow(identity, messages, dialogue.constraints, dialogue.problem)


def evaluation_rows(size: StudySize) -> dict[str, list[PromptRow]]:
    """The evaluation prompts: of trained kinds, and of held-out kinds."""
    return {
        "trained": _first(candidates("evaluate", 0, TRAINED), size.evaluation),
        "held_out": _first(candidates("evaluate", 1, HELD_OUT), size.evaluation),
    }


def _first(rows: Iterable[PromptRow], number: int) -> list[PromptRow]:
    """The first `number` rows with different prompts."""
    result: dict[str, PromptRow] = {}
    for row in rows:
        result.setdefault("\n".join(message["content"] for message in row.messages), row)
        if len(result) == number:
            break
    return list(result.values())
