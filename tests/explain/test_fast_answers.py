"""llama.cpp answers and torch replays the same tokens: on a tiny real file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from tiny_gguf import write_tiny_gguf

from adhere.constraints.families.terms import Exclude
from adhere.explain.cases.labels import Prompt
from adhere.explain.collection.fast_answers import FastAnswers
from adhere.models.engines.llamacpp import LlamaServer
from adhere.models.engines.options import EngineOptions
from adhere.models.forward.tokenmap import replay
from adhere.models.load import open_model

pytest.importorskip("xllamacpp")
PROMPTS = [
    Prompt(number, (("user", f"Write about the {word}."),), (Exclude(terms=("zebra",)),))
    for number, word in enumerate(("sea", "sun", "tea", "moon", "rain"))
]
SEEDS = [11, 12, 13, 14, 15]


def test_answers_are_kept_as_they_end_and_are_replayed_token_by_token(tmp_path: Path) -> None:
    file = write_tiny_gguf(tmp_path / "tiny.gguf")
    opened = open_model(str(file))
    server = LlamaServer(file, EngineOptions(threads=1, batch=2))
    journal = tmp_path / "run" / "answers.jsonl"
    try:
        answers = FastAnswers(server, opened, journal, max_tokens=12)(PROMPTS, SEEDS)
        journal.write_text(journal.read_text()[:-20])  # killed while it wrote the last line
        asked: list[int] = []
        again = FastAnswers(server, opened, journal, max_tokens=12)(PROMPTS, SEEDS, progress=asked.append)
    finally:
        server.close()
    assert len({one.tokens for one in answers}) == len(PROMPTS), "each has its own seed"
    assert asked == [4, 1], "what was answered is not asked again"
    assert sum(a == b for a, b in zip(answers, again, strict=True)) >= 4
    records = [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]
    assert {record["seed"] for record in records} == set(SEEDS)
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        where = replay(opened, [{"role": role, "content": text} for role, text in prompt.messages], answer.tokens)
        assert where.tokens[where.prompt :] == answer.tokens
        assert where.ended is answer.ended
        assert where.generated <= 12
