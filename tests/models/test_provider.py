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
from adhere.models.generation.flight import Flight
from adhere.models.generation.generate import Request, Sampling, generate


def _requests(n: int) -> list[Request]:
    model = tiny()
    return [Request(tuple(model.encode("x" * (1 + k % 7))), Sampling(max_tokens=5)) for k in range(n)]


def test_requests_that_wait_together_are_read_together_and_answered_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    admit = Flight.admit

    def counting(flight: Flight, requests) -> None:
        sizes.append(len(requests))
        admit(flight, requests)

    batcher = Batcher(tiny(), batch=32)

    async def ask_all() -> list:
        return await asyncio.gather(*(batcher.answer(request) for request in _requests(96)))

    monkeypatch.setattr(Flight, "admit", counting)
    answers = asyncio.run(ask_all())
    batcher.close()
    assert sizes[0] == 32
    assert sum(sizes) == 96
    alone = generate(tiny(), _requests(96))
    assert [a.tokens for a in answers] == [a.tokens for a in alone]


def test_a_short_answer_is_handed_over_while_a_long_one_is_under_way_and_another_joins_it() -> None:
    tokens = tuple(tiny().encode("Hi"))
    end = threading.Event()
    batcher = Batcher(tiny(), batch=2)
    slow = batcher.submit(Request(tokens, Sampling(max_tokens=250), listener=_Slow(end)))
    first = batcher.submit(Request(tokens, Sampling(max_tokens=2)))
    assert len(first.result(20).tokens) <= 2
    second = batcher.submit(Request(tokens, Sampling(max_tokens=3)))
    assert len(second.result(20).tokens) <= 3
    assert not slow.done()
    end.set()
    assert slow.result(20).reason == "cancelled"
    batcher.close()


class _Slow:
    """Lets its answer go on until it is told that it may end."""

    def __init__(self, end: threading.Event) -> None:
        self.end = end

    def __call__(self, place: int, token: int) -> bool:
        del place, token
        return not self.end.wait(0.002)


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


@pytest.mark.slow
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
