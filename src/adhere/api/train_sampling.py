"""Sampling answers of any model, checking them, and keeping those that pass: rejection sampling that resumes.

Rules:

- `OUT/pool.jsonl` gets one line for a prompt when all its answers are checked. A second run asks only for prompts that
  have no line; a last line that was cut off by a kill is asked for again. Another number of samples is another pool.
- `OUT/kept.jsonl` are the passing answers of prompts of useful difficulty, as rows for SFT; `OUT/summary.json` counts
  what was left out and why.
- Prompts of evaluation sets are left out before anything is asked (`train.hygiene`), and counted.
- The model is asked through Inspect, which knows llama.cpp, torch and every hosted provider.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adhere.core.errors import UserError
from adhere.core.extras import naming_extras
from adhere.core.files import write_text
from adhere.train.hygiene import DIFFICULTY, apart, of_use, without_evaluation
from adhere.train.pool import SampledPrompt, check_answers, kept, pairs, sampled_from_json
from adhere.train.reward import Reward
from adhere.train.rows import PromptRow, read_jsonl, read_rows, to_jsonl

if TYPE_CHECKING:
    from inspect_ai.model import Model

POOL: Final = "pool.jsonl"
BLOCK: Final = 32
"""Prompts that are asked, checked and written together."""
MAX_TOKENS: Final = 512


@dataclass(frozen=True)
class PoolSummary:
    """What a pool holds, and what was left out of it.

    Attributes:
        prompts: prompts with checked answers.
        answers: their answers.
        passing: answers that earn in full.
        kept: passing answers of prompts of useful difficulty, each text once for a prompt.
        too_easy, too_hard: prompts outside the useful difficulty.
        same, overlapping: prompts left out because they stand in an evaluation set, by hash and by n-grams.
        duplicates: prompts left out because they stand twice.
        held_out: prompts left out because they have a constraint of a held-out kind.
    """

    prompts: int
    answers: int
    passing: int
    kept: int
    too_easy: int
    too_hard: int
    same: int = 0
    overlapping: int = 0
    duplicates: int = 0
    held_out: int = 0


def filter_answers(
    model: str,
    prompts: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    samples: int = 8,
    temperature: float = 1.0,
    max_tokens: int = MAX_TOKENS,
    reward: Reward | None = None,
    evaluation: Sequence[str | os.PathLike[str]] = (),
    held_out: Sequence[str] = (),
    difficulty: tuple[float, float] = DIFFICULTY,
    limit: int | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int | None], None] = lambda *_: None,
) -> PoolSummary:
    """Sample answers to prompts, check each, keep those that pass.

    Args:
        model: `pocket`, a GGUF file, a folder, a hub id, a server's URL, or a model of Inspect.
        prompts: JSON Lines of rows (`train.rows`).
        out: the pool's folder; the same one resumes the run.
        samples: answers to each prompt.
        temperature, max_tokens: of sampling.
        reward: how answers are judged; by default each must meet every constraint of its row.
        evaluation: files of prompts that must not stand in training.
        held_out: kinds of constraints that must not stand in training.
        difficulty: shares of passing answers between which a prompt is of use.
        limit: prompts at the most, the first.
        seed: of sampling.
        progress: called with what is done, how much of it, and how much there is.

    Raises:
        UserError: a file cannot be read, no such model, or the folder holds a pool made otherwise.
        BrokenCheckError: a check ended with an error.
    """
    with naming_extras():
        rows = read_rows(Path(prompts))
        folder = Path(out)
        fit = apart(rows, held_out)
        texts = [row.text for path in evaluation for row in _prompts_of(Path(path))]
        cleaned = without_evaluation(fit, texts)
        chosen = list(cleaned.rows[:limit])
        if not chosen:
            raise UserError(f"{prompts}: every prompt is left out, of {len(rows)}")
        _claim(folder, {"model": model, "samples": samples, "temperature": temperature, "seed": seed})
        pool = {one.row.id: one for one in _resumed(folder / POOL)}
        missing = [row for row in chosen if row.id not in pool]
        progress("prompts", len(chosen) - len(missing), len(chosen))
        if missing:
            _sample(model, missing, folder, samples, temperature, max_tokens, reward or Reward(), seed, progress)
        members = {row.id for row in chosen}
        sampled = [one for one in _resumed(folder / POOL) if one.row.id in members]
        return _written(folder, sampled, difficulty, len(rows) - len(fit), asdict(cleaned))


def make_pairs(pool: str | os.PathLike[str], out: str | os.PathLike[str]) -> int:
    """Write preference pairs from a pool's verdicts, as rows for DPO; gives how many.

    Raises:
        UserError: the pool cannot be read, or no prompt has both a passing and a failing answer.
    """
    rows = [
        {
            "prompt": list(row.messages),
            "chosen": [{"role": "assistant", "content": good.text}],
            "rejected": [{"role": "assistant", "content": bad.text}],
        }
        for row, good, bad in pairs(read_pool(Path(pool)))
    ]
    if not rows:
        raise UserError(f"{pool}: no prompt has both a passing and a failing answer; sample more (--n)")
    write_text(out, to_jsonl(rows))
    return len(rows)


def read_pool(path: Path) -> list[SampledPrompt]:
    """The prompts of a pool: its folder, or its file.

    Raises:
        UserError: it cannot be read.
    """
    file = path / POOL if path.is_dir() else path
    return [sampled_from_json(record) for _, record in read_jsonl(file)]


def _prompts_of(path: Path) -> Iterable[PromptRow]:
    """The prompts of an evaluation set, whatever else its rows hold."""
    for number, record in read_jsonl(path):
        prompt = record.get("prompt", record.get("question"))
        text = prompt if isinstance(prompt, str) else None
        if isinstance(prompt, list):
            text = next((one["content"] for one in reversed(prompt) if one.get("role") == "user"), None)
        if not text:
            raise UserError(f"{path}, line {number}: no prompt to keep apart")
        yield PromptRow(str(number), ({"role": "user", "content": text},), ())


def _claim(folder: Path, plan: dict[str, Any]) -> None:
    path = folder / "plan.json"
    if path.is_file():
        saved = json.loads(path.read_text(encoding="utf-8"))
        if changed := sorted(name for name in plan if saved.get(name) != plan[name]):
            raise UserError(f"{folder} holds a pool of another {', '.join(changed)}; give another --out")
        return
    write_text(path, json.dumps(plan) + "\n")


def _resumed(path: Path) -> list[SampledPrompt]:
    """The pool so far; a last line that was cut off is taken away."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        write_text(path, whole.decode("utf-8"))
    return [sampled_from_json(record) for _, record in read_jsonl(path)]


def _sample(
    name: str,
    rows: Sequence[PromptRow],
    folder: Path,
    samples: int,
    temperature: float,
    max_tokens: int,
    reward: Reward,
    seed: int,
    progress: Callable[[str, int, int | None], None],
) -> None:
    from adhere.measure.model_access import release, resolve

    model = resolve(name)
    try:
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            answers = asyncio.run(sample_answers(model, block, samples, temperature, max_tokens, seed))
            lines = to_jsonl(one.to_json() for one in check_answers(block, answers, reward))
            with (folder / POOL).open("a", encoding="utf-8") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
            progress("prompts", len(block), None)
    finally:
        release(model)


async def sample_answers(
    model: Model, rows: Sequence[PromptRow], samples: int, temperature: float, max_tokens: int, seed: int
) -> list[list[tuple[str, int]]]:
    """(text, tokens) of the answers to each row."""
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser, GenerateConfig

    from adhere.measure.model_access import one_line

    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}

    async def ask(row: PromptRow, at: int) -> tuple[str, int]:
        own = hashlib.blake2b(f"{seed} {row.id} {at}".encode("utf-8", "replace"), digest_size=4).digest()
        config = GenerateConfig(temperature=temperature, max_tokens=max_tokens, seed=int.from_bytes(own, "big") >> 1)
        messages: list[Any] = [kinds[one["role"]](content=one["content"]) for one in row.messages]
        output = await model.generate(messages, config=config)
        return output.completion, output.usage.output_tokens if output.usage else 0

    try:
        flat = await asyncio.gather(*(ask(row, at) for row in rows for at in range(samples)))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{model}: no answer ({one_line(error)}); what was answered is kept, run it again") from error
    return [list(flat[at * samples : (at + 1) * samples]) for at in range(len(rows))]


def _written(
    folder: Path,
    sampled: Sequence[SampledPrompt],
    difficulty: tuple[float, float],
    held_out: int,
    cleaned: dict[str, Any],
) -> PoolSummary:
    rows = [
        {"prompt": list(row.messages), "completion": [{"role": "assistant", "content": one.text}]}
        for row, one in kept(sampled, difficulty)
    ]
    write_text(folder / "kept.jsonl", to_jsonl(rows))
    shares = [one.share for one in sampled]
    summary = PoolSummary(
        prompts=len(sampled),
        answers=sum(len(one.answers) for one in sampled),
        passing=sum(answer.passes for one in sampled for answer in one.answers),
        kept=len(rows),
        too_easy=sum(not of_use(share, difficulty) and share > difficulty[1] for share in shares),
        too_hard=sum(not of_use(share, difficulty) and share < difficulty[0] for share in shares),
        same=cleaned["same"],
        overlapping=cleaned["overlapping"],
        duplicates=cleaned["duplicates"],
        held_out=held_out,
    )
    write_text(folder / "summary.json", json.dumps(asdict(summary), indent=1) + "\n")
    return summary
