"""The Inspect provider and the batches behind it."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import pytest
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessageUser, GenerateConfig, get_model
from inspect_ai.scorer import match
from inspect_ai.solver import generate as ask
from inspect_ai.tool import ToolInfo, ToolParams

sys.path.insert(0, str(Path(__file__).parent))
from tiny import tiny

from adhere.models.generation import tool_calls
from adhere.models.generation.batching import Batcher
from adhere.models.generation.generate import Request, Sampling, generate


def _requests(n: int) -> list[Request]:
    model = tiny()
    return [Request(tuple(model.encode("x" * (1 + k % 7))), Sampling(max_tokens=5)) for k in range(n)]


def test_requests_that_wait_together_are_answered_in_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counting(opened, requests, **options):
        sizes.append(len(requests))
        return generate(opened, requests, **options)

    monkeypatch.setattr("adhere.models.generation.batching.generate", counting)
    batcher = Batcher(tiny(), batch=32)

    async def ask_all() -> list:
        return await asyncio.gather(*(batcher.answer(request) for request in _requests(96)))

    answers = asyncio.run(ask_all())
    batcher.close()
    assert max(sizes) == 32
    assert len(sizes) <= 5
    alone = generate(tiny(), _requests(96))
    assert [a.tokens for a in answers] == [a.tokens for a in alone]


def test_one_bad_request_does_not_take_its_neighbours_down() -> None:
    batcher = Batcher(tiny(), batch=8)
    good = _requests(3)
    bad = Request(tuple([5] * 400))
    futures = [batcher.submit(request) for request in (good[0], bad, good[1], good[2])]
    assert [f.exception(20) is None for f in futures] == [True, False, True, True]
    batcher.close()


def test_a_caller_that_gives_up_is_not_answered() -> None:
    batcher = Batcher(tiny(), batch=1)
    first, second = batcher.submit(_requests(1)[0]), batcher.submit(_requests(1)[0])
    gave_up = second.cancel()
    assert first.result(20).tokens
    assert gave_up
    batcher.close()
    assert not any(t.name.startswith("adhere-") and t.is_alive() for t in threading.enumerate() if t is batcher._thread)


def test_inspect_runs_an_evaluation_on_the_provider(tmp_path: Path) -> None:
    model = get_model("adhere/tiny", opened=tiny(), memoize=False, config=GenerateConfig(max_tokens=6))
    samples = [Sample(input="Hi " * (k % 3 + 1), target="z") for k in range(12)]
    log = eval(Task(samples, solver=ask(), scorer=match()), model=model, log_dir=str(tmp_path), display="none")[0]
    assert log.status == "success"
    assert log.samples is not None
    for sample in log.samples:
        usage = sample.output.usage
        assert usage is not None
        assert 1 <= usage.output_tokens <= 6
    assert len({s.output.completion for s in log.samples}) == 3


def test_temperature_without_a_seed_differs_and_with_one_repeats() -> None:
    model = get_model("adhere/tiny", opened=tiny(), memoize=False)

    async def draw(seed: int | None) -> str:
        config = GenerateConfig(max_tokens=8, temperature=1.0, seed=seed)
        return (await model.generate("Hi", config=config)).completion

    async def several(seed: int | None) -> set[str]:
        return {await draw(seed) for _ in range(12)}

    assert len(asyncio.run(several(None))) > 1  # one answer may end at once, twelve do not
    assert len(asyncio.run(several(3))) == 1


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('<tool_call>{"name": "ls", "arguments": {"path": "."}}</tool_call>', "ls"),
        ('{"name": "ls", "parameters": {"path": "."}}', "ls"),
        ('{"answer": 3}', None),
        ("<tool_call>{not json}</tool_call>", None),
        ('{"name": "ls", "arguments": 3}', None),
    ],
)
def test_only_a_well_formed_call_is_a_call(text: str, name: str | None) -> None:
    rest, calls = tool_calls.split(text)
    assert [call.name for call in calls] == ([name] if name else [])
    assert (rest == text) == (name is None)


def test_tools_do_not_break_a_model_that_knows_none() -> None:
    model = get_model("adhere/tiny", opened=tiny(), memoize=False)
    tool = ToolInfo(name="ls", description="List.", parameters=ToolParams())
    output = asyncio.run(
        model.generate([ChatMessageUser(content="Hi")], tools=[tool], config=GenerateConfig(max_tokens=4))
    )
    assert output.stop_reason == "max_tokens"
