"""One training run with TRL's trainers: SFT, DPO or GRPO, whole or with LoRA, resumable.

Rules:

- `plan.json` in the run's folder holds what decides the run. A second run with the same plan goes on from the last
  whole checkpoint, with another plan it is refused.
- Out of memory halves the rows of a forward pass and doubles the passes of a step: a step still reads as many rows.
  The run then goes on from its last checkpoint. One row alone that does not fit is an error.
- The final model lies in `model/`, LoRA merged into it, and appears there at once; the adapter is in `adapter/`.
- Data are columns of TRL: `prompt` and `completion` (SFT), `prompt`, `chosen` and `rejected` (DPO), `prompt`,
  `constraints` and `problem` (GRPO, as `rows.PromptRow.columns` gives them).
- `trl`, `peft` and `datasets` are imported here and nowhere else, when a run starts: TRL alone costs seconds.
"""

from __future__ import annotations

import json
import math
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from adhere.core.errors import UserError
from adhere.core.files import write_text
from adhere.train.reward import ProblemReward, Reward

Method = Literal["sft", "dpo", "grpo"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)

RATES: Final[dict[str, float]] = {"sft": 1e-4, "dpo": 1e-5, "grpo": 1e-4}
"""Learning rates where none is given; `adhere train study` tunes them."""


@dataclass(frozen=True)
class TuningPlan:
    """What decides a run, apart from its data and the machine.

    Attributes:
        method: sft, dpo or grpo.
        model: a folder of a model in Hugging Face's format, or a hub id.
        steps: optimiser steps.
        batch: rows of a step: answers (SFT), pairs (DPO), sampled answers (GRPO).
        learning_rate: peak; warmed up over a tenth of the steps, then linear to 0.
        seed: of the order of rows and of sampling.
        lora: rank of LoRA's matrices on all linear layers; 0 trains all weights.
        beta: strength of the tie to the model at the start (DPO; GRPO's KL term).
        generations: GRPO: sampled answers of one prompt.
        max_tokens: GRPO: tokens of an answer, at the most.
        temperature: GRPO: of sampling.
        iterations: GRPO: optimiser steps taken on each sampled answer (the paper's mu).
        generation_steps: GRPO: steps whose answers are sampled together, which is cheaper.
        problem_weight: GRPO: weight of the problem's own grade beside the constraints' reward, which has 1.
        save_steps: steps between checkpoints.
    """

    method: Method
    model: str
    steps: int
    batch: int
    learning_rate: float
    seed: int = 0
    lora: int = 0
    beta: float = 0.0
    generations: int = 8
    max_tokens: int = 128
    temperature: float = 1.0
    iterations: int = 1
    generation_steps: int = 1
    problem_weight: float = 0.0
    save_steps: int = 50

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UserError(f"there is no method {self.method!r}; take {', '.join(METHODS)}")
        if self.method == "grpo" and self.batch % self.generations:
            raise UserError(f"--batch {self.batch} must be a multiple of --generations {self.generations}")
        if self.steps < 1 or self.batch < 1 or not self.learning_rate > 0:
            raise UserError("steps, batch and learning rate are more than 0")


def tune(
    plan: TuningPlan,
    rows: Sequence[dict[str, Any]],
    out: Path,
    *,
    reward: Reward | None = None,
    notice: Callable[[str], None] = lambda _: None,
) -> Path:
    """Run `plan` on `rows`, or go on with it, and give the folder of the final model.

    Args:
        plan: what to do.
        rows: the columns of the data; see the module's rules.
        out: the run's folder; the same one resumes the run.
        reward: GRPO: what is paid.
        notice: told of what a person should know, in one line.

    Raises:
        UserError: the folder holds another run, the data are empty, the loss is not a number, or the disk is full.
        BrokenCheckError: a check of the reward ended with an error.
        MissingExtra: trl, peft or datasets is not installed.
    """
    from adhere.train import faults

    final = out / "model"
    _claim(out, plan, rows, reward)
    if (final / "config.json").is_file():
        return final
    import torch

    micro = plan.batch
    while True:
        try:
            trainer = _trainer(plan, rows, out, micro, reward, notice)
            checkpoint = faults.last_whole(out)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # deprecations between the trainer's libraries
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            break
        except (torch.OutOfMemoryError, MemoryError):
            least = plan.generations if plan.method == "grpo" else 1
            if micro <= least or micro % 2:
                raise UserError(
                    f"out of memory with {micro} rows of {plan.batch}; take shorter rows or --lora"
                ) from None
            micro //= 2
            notice(f"out of memory: going on with {micro} rows at once, {plan.batch // micro} times a step")
        except Exception as error:
            if faults.is_disk_full(error):
                last = faults.last_whole(out)
                where = f"; the last whole checkpoint is {last.name}" if last else ""
                raise faults.DiskFull(
                    f"no room left on the disk of {out}{where}; make room and run it again"
                ) from error
            raise
    try:
        _save(trainer, final, out / "adapter" if plan.lora else None)
    except Exception as error:
        if faults.is_disk_full(error):
            raise faults.DiskFull(f"no room left for {final}; make room and run it again") from error
        raise
    return final


def _claim(out: Path, plan: TuningPlan, rows: Sequence[dict[str, Any]], reward: Reward | None) -> None:
    """Write the plan into `out`, or refuse a folder that holds another."""
    import hashlib

    if not rows:
        raise UserError("there is no data to train on")
    digest = hashlib.sha256(json.dumps(list(rows), sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()
    paid = None
    if reward is not None:
        paid = {
            "constraints": [one.to_json() for one in reward.constraints],
            "aggregation": reward.aggregation,
            "weights": list(reward.weights),
            "loose": reward.loose,
            "words": list(reward.words),
            "without": list(reward.without),
        }
    record = {**asdict(plan), "data": digest, "rows": len(rows), "reward": paid}
    path = out / "plan.json"
    if path.is_file():
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise UserError(f"{path} is damaged; give another --out") from None
        changed = sorted(name for name in record if saved.get(name) != record[name])
        if changed:
            raise UserError(f"{out} holds another run (another {', '.join(changed)}); give another --out")
        return
    out.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(record, indent=1) + "\n")


def _trainer(
    plan: TuningPlan,
    rows: Sequence[dict[str, Any]],
    out: Path,
    micro: int,
    reward: Reward | None,
    notice: Callable[[str], None],
) -> Any:
    """TRL's trainer of the method."""
    import torch
    from datasets import Dataset
    from datasets.utils.logging import disable_progress_bar
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from transformers.utils import logging
    from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

    from adhere.train.faults import Watch

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    disable_progress_bar()
    set_seed(plan.seed)
    cuda = torch.cuda.is_available()
    model = AutoModelForCausalLM.from_pretrained(plan.model, dtype=torch.bfloat16 if cuda else torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(plan.model)
    common: dict[str, Any] = {
        "output_dir": str(out),
        "max_steps": plan.steps,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": plan.batch // micro,
        "learning_rate": plan.learning_rate,
        "warmup_steps": max(1, plan.steps // 10),
        "lr_scheduler_type": "linear",
        "seed": plan.seed,
        "save_steps": plan.save_steps,
        "save_total_limit": None,  # `faults.Watch` removes old ones once a newer one is whole
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": not cuda,
        "bf16": cuda,
        "dataloader_pin_memory": cuda,
        "gradient_checkpointing": cuda,
    }
    shared: dict[str, Any] = {
        "model": model,
        "processing_class": tokenizer,
        "train_dataset": Dataset.from_list([*rows]),
        "peft_config": _lora(plan),
        "callbacks": [Watch(out, notice)],
    }
    length = min(2048, int(getattr(model.config, "max_position_embeddings", 2048)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if plan.method == "sft":
            trainer: Any = SFTTrainer(args=SFTConfig(max_length=length, **common), **shared)
        elif plan.method == "dpo":
            trainer = DPOTrainer(args=DPOConfig(max_length=length, beta=plan.beta or 0.1, **common), **shared)
        else:
            if reward is None:
                raise UserError("GRPO needs a reward: constraints, or a data column of them")
            rewards: list[Any] = [reward, *([ProblemReward()] if plan.problem_weight else [])]
            settings = GRPOConfig(
                num_generations=plan.generations,
                max_completion_length=plan.max_tokens,
                temperature=plan.temperature,
                num_iterations=plan.iterations,
                steps_per_generation=plan.generation_steps * (plan.batch // micro),
                beta=plan.beta,
                reward_weights=[1.0, plan.problem_weight][: len(rewards)],
                **common,
            )
            trainer = GRPOTrainer(args=settings, reward_funcs=rewards, **shared)
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ == "PrinterCallback":
            trainer.remove_callback(callback)
    return trainer


def _lora(plan: TuningPlan) -> Any:
    if not plan.lora:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=plan.lora, lora_alpha=2 * plan.lora, target_modules="all-linear", task_type="CAUSAL_LM", lora_dropout=0.0
    )


def _save(trainer: Any, final: Path, adapter: Path | None) -> None:
    """The model into `final`, which appears at once, and the adapter beside it."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    scratch = final.with_name(f".{final.name}-unfinished")
    shutil.rmtree(scratch, ignore_errors=True)
    if adapter is not None:
        model.save_pretrained(str(adapter))
        model = model.merge_and_unload()
    model.save_pretrained(str(scratch))
    trainer.processing_class.save_pretrained(str(scratch))
    shutil.rmtree(final, ignore_errors=True)
    scratch.replace(final)


def sft_columns(messages: Sequence[dict[str, str]], text: str) -> dict[str, Any]:
    """A row for SFT: the answer `text` to `messages`."""
    return {"prompt": list(messages), "completion": [{"role": "assistant", "content": text}]}


def dpo_columns(messages: Sequence[dict[str, str]], preferred: str, rejected: str) -> dict[str, Any]:
    """A row for DPO."""
    return {
        "prompt": list(messages),
        "chosen": [{"role": "assistant", "content": preferred}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


def matched(rows: Sequence[dict[str, Any]], number: int, seed: int) -> list[dict[str, Any]]:
    """`number` rows, all of `rows` as often as each other but for the last round, shuffled."""
    import random

    rng = random.Random(f"matched {seed}")
    result: list[dict[str, Any]] = []
    for _ in range(math.ceil(number / len(rows))):
        again = list(rows)
        rng.shuffle(again)
        result += again
    return result[:number]
