"""Training the arms of the study: the pool, the learning rates, the runs. Each is a file that is made once.

- `pool-SEED.jsonl`: the useful prompts of that seed with the base model's answers, and what was excluded.
- `rates/ARM.json`: adherence on the tuning prompts at each learning rate, and the one that is taken: the highest
  adherence of runs of half the length with seed 0.
- `runs/ARM-SEED/model`: the trained model.

Several processes may work in one folder: a step is done under a lock on its name, which the system releases when a
process dies, and is passed over where its file is there.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adhere.core.errors import UserError
from adhere.core.files import write_text
from adhere.train.hygiene import DIFFICULTY, of_use, without_evaluation
from adhere.train.pool import SampledPrompt, check_answers, kept, pairs, sampled_from_json
from adhere.train.reward import Reward
from adhere.train.rows import PromptRow, read_jsonl, to_jsonl
from adhere.train.study.design import (
    GRPO_GENERATION_STEPS,
    GRPO_ITERATIONS,
    METHOD_OF,
    TRAINED,
    Arm,
    StudySize,
    candidates,
    evaluation_rows,
)
from adhere.train.study.sampling import MAX_TOKENS, sample, sampling_seed
from adhere.train.tuning import TuningPlan, dpo_columns, matched, sft_columns, tune

if TYPE_CHECKING:
    from adhere.models.load import OpenModel

BLOCK: Final = 128
"""Candidates sampled at a time."""
MOST_CANDIDATES: Final = 40
"""Blocks after which a search for useful prompts ends, as multiples of the prompts that are needed."""
RATE_SHARE: Final = 0.5
"""Length of a run that compares learning rates, as a share of a full one."""


@dataclass(frozen=True)
class Study:
    """A study in a folder.

    Attributes:
        model: the base model: a folder.
        size: how much.
        out: where everything lies.
        notice: told of progress, in one line.
    """

    model: Path
    size: StudySize
    out: Path
    notice: Callable[[str], None]

    def open_base(self) -> OpenModel:
        """The base model, ready to answer."""
        return opened(self.model)


def opened(folder: Path) -> OpenModel:
    """The model in `folder`, ready to answer."""
    from adhere.models.load import open_model

    return open_model(str(folder))


@contextmanager
def claimed(target: Path) -> Iterator[bool]:
    """Whether `target` is this process's to make: it is not there, and no other process is making it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield not target.exists()


@contextmanager
def waiting(target: Path) -> Iterator[bool]:
    """The same, but another process that is making it is waited for."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not target.exists()


def pool(study: Study, seed: int) -> list[SampledPrompt]:
    """The useful prompts of that seed with their checked answers; made where they are not there."""
    path = study.out / f"pool-{seed}.jsonl"
    with waiting(path) as mine:
        if mine:
            prompts, counts = _draw_pool(study, seed)
            write_text(path.with_suffix(".json"), json.dumps(counts, indent=1) + "\n")
            write_text(path, to_jsonl(one.to_json() for one in prompts))
    return [sampled_from_json(record) for _, record in read_jsonl(path)]


def _draw_pool(study: Study, seed: int) -> tuple[list[SampledPrompt], dict[str, Any]]:
    model = study.open_base()
    evaluation = [row.text for rows in evaluation_rows(study.size).values() for row in rows]
    evaluation += [row.text for row in tuning_rows(study)]
    stream = candidates("train", seed, TRAINED)
    useful: list[SampledPrompt] = []
    counts = {"candidates": 0, "same": 0, "overlapping": 0, "duplicates": 0, "too_easy": 0, "too_hard": 0}
    texts: set[str] = set()
    while len(useful) < study.size.prompts:
        drawn = list(islice(stream, BLOCK))
        counts["candidates"] += len(drawn)
        if counts["candidates"] > MOST_CANDIDATES * max(BLOCK, study.size.prompts):
            raise UserError(f"of {counts['candidates']} prompts only {len(useful)} are of useful difficulty")
        cleaned = without_evaluation(drawn, evaluation)
        fresh = [row for row in cleaned.rows if row.text not in texts]
        texts.update(row.text for row in fresh)
        counts["same"] += cleaned.same
        counts["overlapping"] += cleaned.overlapping
        counts["duplicates"] += cleaned.duplicates + len(cleaned.rows) - len(fresh)
        for prompt in sample_pool(model, fresh, study.size.samples, seed):
            if of_use(prompt.share):
                useful.append(prompt)
            else:
                counts["too_easy" if prompt.share > DIFFICULTY[1] else "too_hard"] += 1
    study.notice(f"seed {seed}: {study.size.prompts} useful prompts of {counts['candidates']} candidates")
    return useful[: study.size.prompts], counts


def sample_pool(model: OpenModel, rows: list[PromptRow], samples: int, seed: int) -> list[SampledPrompt]:
    """`samples` checked answers of each row at temperature 1."""
    prompts = [row.messages for row in rows for _ in range(samples)]
    seeds = [sampling_seed("pool", seed, row.id, at) for row in rows for at in range(samples)]
    answers = sample(model, prompts, seeds)
    texts = [(one.text, len(one.tokens)) for one in answers]
    grouped = [texts[at * samples : (at + 1) * samples] for at in range(len(rows))]
    return check_answers(rows, grouped, Reward())


def tuning_rows(study: Study) -> list[PromptRow]:
    """The prompts on which learning rates are compared."""
    return list(islice(candidates("tune", 0, TRAINED), study.size.tuning_prompts))


def train_arm(study: Study, arm: Arm, seed: int) -> Path | None:
    """The folder of the trained model; None where another process is training it."""
    folder = study.out / "runs" / f"{arm}-{seed}"
    with claimed(folder / "model") as mine:
        if mine:
            prompts = pool(study, seed)
            rate = learning_rate(study, arm)
            study.notice(f"{arm}, seed {seed}: training at learning rate {rate:g}")
            _run(study, arm, seed, rate, prompts, folder)
            return folder / "model"
    return folder / "model" if (folder / "model" / "config.json").is_file() else None


def learning_rate(study: Study, arm: Arm) -> float:
    """The learning rate of an arm, chosen on the tuning prompts."""
    path = study.out / "rates" / f"{arm}.json"
    with waiting(path) as mine:
        if mine:
            rates = study.size.rates_of(METHOD_OF[arm])
            adherence = {rate: _tried(study, arm, rate) for rate in rates} if len(rates) > 1 else {rates[0]: None}
            best = max(adherence, key=lambda rate: adherence[rate] or 0.0)
            record = {"rate": best, "adherence": {f"{rate:g}": value for rate, value in adherence.items()}}
            write_text(path, json.dumps(record, indent=1) + "\n")
            study.notice(f"{arm}: learning rate {best:g} of {record['adherence']}")
    return float(json.loads(path.read_text(encoding="utf-8"))["rate"])


def _tried(study: Study, arm: Arm, rate: float) -> float:
    """Adherence on the tuning prompts after a shorter run at that rate."""
    path = study.out / "rates" / f"{arm}-{rate:g}.json"
    with waiting(path) as mine:
        if mine:
            folder = study.out / "rates" / f"{arm}-{rate:g}"
            prompts = pool(study, 0)
            part = prompts[: max(1, int(len(prompts) * RATE_SHARE))]
            shorter = replace(study, size=replace(study.size, prompts=len(part)))
            model = opened(_run(shorter, arm, 0, rate, part, folder))
            rows = tuning_rows(study)
            answers = sample(model, [row.messages for row in rows], [sampling_seed("tune", row.id) for row in rows])
            checked = check_answers(rows, [[(one.text, len(one.tokens))] for one in answers], Reward())
            adherence = sum(one.answers[0].reward == 1.0 for one in checked) / len(checked)
            write_text(path, json.dumps({"adherence": adherence, "n": len(checked)}) + "\n")
            shutil.rmtree(folder, ignore_errors=True)
    return float(json.loads(path.read_text(encoding="utf-8"))["adherence"])


def _run(study: Study, arm: Arm, seed: int, rate: float, prompts: list[SampledPrompt], folder: Path) -> Path:
    method = METHOD_OF[arm]
    size = study.size
    plan = TuningPlan(
        method=method,
        model=str(study.model),
        steps=size.steps_of(method),
        batch=size.batch_of(method),
        learning_rate=rate,
        seed=seed,
        generations=size.samples,
        iterations=GRPO_ITERATIONS if method == "grpo" else 1,
        generation_steps=GRPO_GENERATION_STEPS if method == "grpo" else 1,
        max_tokens=MAX_TOKENS,
        problem_weight=1.0 if arm == "grpo_problem" else 0.0,
        save_steps=max(8, size.steps_of(method) // 3),
    )
    rows = columns(arm, prompts, plan.steps * plan.batch, seed)
    final = tune(plan, rows, folder, reward=Reward() if method == "grpo" else None, notice=study.notice)
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint, ignore_errors=True)
    return final


def columns(arm: Arm, prompts: list[SampledPrompt], number: int, seed: int) -> list[dict[str, Any]]:
    """The data of an arm: `number` rows for SFT and DPO, the prompts themselves for GRPO.

    Raises:
        UserError: no answer passes, or no prompt has both a passing and a failing answer.
    """
    if METHOD_OF[arm] == "grpo":
        return [one.row.columns() for one in prompts]
    if arm == "sft_unfiltered":
        rows = [sft_columns(one.row.messages, answer.text) for one in prompts for answer in one.answers]
    elif arm == "sft_filtered":
        rows = [sft_columns(row.messages, answer.text) for row, answer in kept(prompts)]
    else:
        rows = [dpo_columns(row.messages, good.text, bad.text) for row, good, bad in pairs(prompts)]
    if not rows:
        raise UserError(f"{arm}: no answer of the pool can be trained on")
    return matched(rows, number, seed)
