"""Greedy answers of a pocket model to held-out prompts, scored.

1. Prompts come from the world's test side: no item of it was ever generated for training.
2. Each constraint counts under its kind, and in a description under its skill as well (beside a problem it is nearly
   always met, which would hide the skill). A problem counts under its family; a dialogue that has neither counts as
   right if its answer is one that the world accepts. `ended` is whether the answer ended by itself.
3. Every share carries a Wilson interval (Wilson 1927) and its n.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.core.findings import Finding, Scalar
from adhere.core.intervals import wilson
from adhere.models.pocket.training import tokenizer
from adhere.models.pocket.world import world

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Answer:
    """A generated text, its number of tokens, and whether it ended by itself."""

    text: str
    tokens: int
    ended: bool


@dataclass
class Share:
    """A count of successes out of `n`."""

    met: int = 0
    n: int = 0

    def add(self, met: bool) -> None:
        self.met += met
        self.n += 1

    @property
    def estimate(self) -> float:
        return self.met / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval."""
        return wilson(self.met, self.n)


@dataclass
class Scores:
    """Shares by what was checked: "family.math", "skill.topic", "kind.length.words", "ended", "prompt.describe"."""

    shares: dict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    examples: list[dict[str, Any]] = field(default_factory=list)

    def write_examples(self, path: Path) -> None:
        """Every prompt with its answer and marks, as JSON lines."""
        lines = (json.dumps(example, ensure_ascii=False) + "\n" for example in self.examples)
        path.write_text("".join(lines), encoding="utf-8")


def load(folder: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The checkpoint in `folder`, ready to generate."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    model: LlamaForCausalLM = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)  # type: ignore[assignment]
    model.train(False)
    return model, tokenizer.load(folder)


def answer(
    model: LlamaForCausalLM,
    tokens: PreTrainedTokenizerFast,
    prompts: Sequence[Sequence[world.Message]],
    most: int = 200,
    rows: int = 64,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[Answer]:
    """Answers to `prompts`, in their order, greedy at temperature 0; at most `most` tokens each, `rows` at a time."""
    import torch
    from transformers import GenerationConfig

    torch.manual_seed(seed)
    how = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=most,
        do_sample=temperature > 0,
        temperature=temperature or None,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )

    texts = [
        tokens.apply_chat_template(
            [{"role": m.role, "content": m.content} for m in prompt],
            tokenize=False,
            add_generation_prompt=True,
        )
        for prompt in prompts
    ]
    answers: dict[int, Answer] = {}
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), rows):
        chosen = order[start : start + rows]
        batch = tokens([texts[i] for i in chosen], return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.inference_mode():
            out = model.generate(  # type: ignore[misc]
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                generation_config=how,
            )
        for i, row in zip(chosen, out[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
            ended = tokens.eos_token_id in row
            generated = row[: row.index(tokens.eos_token_id)] if ended else row
            answers[i] = Answer(str(tokens.decode(generated)), len(generated), ended)
    return [answers[i] for i in range(len(texts))]


def label_of(dialogue: world.Dialogue) -> str:
    """The family under which a dialogue's answer counts: that of its longer prompt, if it has one."""
    if isinstance(how := dialogue.meta.get("lengthened"), str):
        return how
    return "constrained" if dialogue.problem is not None and dialogue.constraints else dialogue.family


def held_out(seed: int, each: int) -> list[world.Dialogue]:
    """`each` dialogues of the test side from each family."""
    return [d for family in world.FAMILY_WEIGHTS for d in islice(world.dialogues(seed, "test", {family: 1.0}), each)]


def score(dialogues: Sequence[world.Dialogue], answers: Sequence[Answer]) -> Scores:
    """Shares of what the answers meet and solve, and a record of each for reading."""
    from adhere.problems.grading import grade_all

    scores = Scores()
    problems = {i: d.problem for i, d in enumerate(dialogues) if d.problem is not None}
    graded = grade_all(list(problems.values()), [answers[i].text for i in problems])
    grades = dict(zip(problems, graded, strict=True))
    for i, (dialogue, given) in enumerate(zip(dialogues, answers, strict=True)):
        marks: dict[str, bool] = {}
        label = label_of(dialogue)
        scores.shares["ended"].add(given.ended)
        for constraint in dialogue.constraints:
            met = constraint.check(given.text).met
            marks[constraint.kind] = met
            scores.shares[f"kind.{constraint.kind}"].add(met)
            if constraint.skill and label == "describe":
                scores.shares[f"skill.{constraint.skill}"].add(met)
        if i in grades and grades[i].correct is not None:
            marks["correct"] = bool(grades[i].correct)
            scores.shares[f"family.{label}"].add(marks["correct"])
            if label == dialogue.family:
                scores.shares[f"steps.{label}.{dialogue.meta['size']}"].add(marks["correct"])
        elif isinstance(accept := dialogue.meta.get("accept"), tuple):
            marks["accepted"] = given.text in accept
            scores.shares[f"family.{label}"].add(marks["accepted"])
        if dialogue.constraints:
            scores.shares[f"prompt.{label}"].add(all(marks[constraint.kind] for constraint in dialogue.constraints))
        scores.examples.append(
            {
                "family": label,
                "prompt": [m.content for m in dialogue.messages[:-1]],
                "known_good": dialogue.messages[-1].content,
                "answer": given.text,
                "ended": given.ended,
                "marks": marks,
            }
        )
    return scores


def evaluate(folder: Path, seed: int, each: int) -> Scores:
    """Scores of the checkpoint in `folder` on `each` held-out prompts of each family."""
    model, tokens = load(folder)
    dialogues = held_out(seed, each)
    return score(dialogues, answer(model, tokens, [d.messages[:-1] for d in dialogues]))


def report(scores: Scores, model: str, recompute: str) -> list[Finding]:
    """The shares as findings: `adherence.skill.*`, `adherence.family.<kind>`, `adherence.prompt.strict`, `pocket.*`."""
    names = {"skill": "adherence.skill", "kind": "adherence.family", "family": "pocket", "steps": "pocket.steps"}
    found = []
    for key, share in sorted(scores.shares.items()):
        first, _, rest = key.partition(".")
        subject: dict[str, Scalar] = {"model": model, "set": "pocket"}
        if first == "prompt":
            what, subject["family"] = "adherence.prompt.strict", rest
        else:
            what = f"{names[first]}.{rest}" if rest else f"pocket.{first}"
        found.append(
            Finding(
                what=what,
                subject=subject,
                estimate=share.estimate,
                interval=share.interval,
                n=share.n,
                unit="share of constraints" if first in ("skill", "kind") else "share of prompts",
                recompute=recompute,
            )
        )
    return found
