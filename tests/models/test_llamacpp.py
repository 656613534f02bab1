"""llama.cpp as an engine: a real server on a tiny real file, started, watched and stopped by us."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import match
from inspect_ai.solver import generate as ask

sys.path.insert(0, str(Path(__file__).parent))
from tiny_gguf import write_tiny_gguf

from adhere.core.errors import UserError
from adhere.models.engines.llamacpp import LlamaServer
from adhere.models.engines.options import EngineOptions
from adhere.models.gguf_conversion import PROBES, converted
from adhere.models.load import open_model
from adhere.models.serving.provider import AdhereAPI

pytest.importorskip("xllamacpp")
ONE = EngineOptions(threads=1, batch=2)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def model(file: Path):
    made = get_model(f"adhere/{file}", memoize=False, threads=1, batch=2)
    yield made
    made.api.close()


def _gone(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_an_evaluation_is_answered_and_the_server_ends_with_the_model(file: Path, tmp_path: Path) -> None:
    model = get_model(f"adhere/{file}", memoize=False, threads=1, batch=2)
    samples = [Sample(input="Hi " * (k % 3 + 1), target="z") for k in range(6)]
    task = Task(samples, solver=ask(), scorer=match(), config=GenerateConfig(max_tokens=5))
    log = eval(task, model=model, log_dir=str(tmp_path), display="none")[0]
    assert log.status == "success"
    assert log.samples is not None
    assert {sample.output.usage.output_tokens for sample in log.samples if sample.output.usage} <= set(range(1, 6))
    assert {sample.output.metadata["engine"] for sample in log.samples if sample.output.metadata} == {"llamacpp"}
    assert isinstance(model.api, AdhereAPI)
    assert model.api._llama is not None
    process = model.api._llama.server._process
    assert process is not None
    model.api.close()
    assert process.poll() is not None


def test_both_engines_write_the_same_greedy_answer(file: Path, model, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("ADHERE_CACHE", str(tmp_path))
    torch = get_model(f"adhere/{file}", memoize=False, engine="torch")
    config = GenerateConfig(max_tokens=12, logprobs=True, top_logprobs=2)
    first, second = (asyncio.run(one.generate("What is the sea?", config=config)) for one in (model, torch))
    torch.api.close()
    assert first.completion == second.completion
    assert first.usage is not None
    assert second.usage is not None
    assert first.usage.input_tokens == second.usage.input_tokens
    # llama.cpp reports the tokens of half a character together: only whole ones are compared
    known = [
        {one.token: one.logprob for one in answer.choices[0].logprobs.content if one.token.isascii()}
        for answer in (first, second)
    ]
    common = known[0].keys() & known[1].keys()
    assert len(common) > 1
    assert [known[0][token] for token in common] == pytest.approx([known[1][token] for token in common], abs=0.2)


def test_a_converted_tokenizer_splits_numbers_as_the_file_says(file: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("ADHERE_CACHE", str(tmp_path))
    folder = converted(file)
    assert converted(file) == folder
    opened = open_model(str(file))
    assert opened.chats
    assert opened.tokenizer.decode(opened.encode(PROBES[2])) == PROBES[2]


def test_a_tokenizer_that_would_read_otherwise_is_refused(file: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("ADHERE_CACHE", str(tmp_path))
    monkeypatch.setattr("adhere.models.engines.llamacpp.tokenized", lambda _, texts: [[1]] * len(texts))
    with pytest.raises(UserError, match="differently from"):
        converted(file)
    assert not list((tmp_path / "converted").iterdir())


def test_a_server_that_was_killed_is_started_again_and_the_answer_still_comes(file: Path) -> None:
    import httpx

    server = LlamaServer(file, ONE)
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "temperature": 0.0}

    async def twice() -> list[str]:
        async with httpx.AsyncClient(trust_env=False) as client:
            first = await server.answer(client, body)
            assert server._process is not None
            os.kill(server._process.pid, signal.SIGKILL)
            return [first.text, (await server.answer(client, body)).text]

    try:
        first, second = asyncio.run(twice())
    finally:
        server.close()
    assert first == second


def test_a_loop_is_ended_where_that_is_wanted(file: Path) -> None:
    import httpx

    body = {
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 450,
        "temperature": 0.0,
        "grammar": 'root ::= ("never ends "){120}',
    }

    async def one(server: LlamaServer):
        async with httpx.AsyncClient(trust_env=False) as client:
            return await server.answer(client, body)

    for stop in (True, False):
        server = LlamaServer(file, EngineOptions(threads=1, batch=1, stop_loops=stop))
        try:
            reply = asyncio.run(one(server))
        finally:
            server.close()
        assert reply.ended == ("loop" if stop else "length")
        assert (len(reply.text) < 300) is stop


def test_a_damaged_file_is_one_line_and_leaves_no_process(file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(file.read_bytes()[:-20_000])
    server = LlamaServer(broken, ONE)
    with pytest.raises(UserError, match="cannot run"):
        server.start()
    server.close()


def test_the_server_ends_when_its_parent_is_killed(file: Path) -> None:
    import subprocess

    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from adhere.models.engines.llamacpp import LlamaServer\n"
        "from adhere.models.engines.options import EngineOptions\n"
        f"server = LlamaServer(Path({str(file)!r}), EngineOptions(threads=1, batch=1))\nserver.start()\n"
        "print(server._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert _gone(child)


@pytest.mark.parametrize("arguments", [{"engine": "llamacpp"}, {"colour": "red"}])
def test_what_cannot_be_run_is_one_line(arguments: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"GGUF|known are"):
        get_model("adhere/pocket", memoize=False, **arguments)


@pytest.mark.parametrize(("option", "line"), [("dtype", "--dtype is torch's"), ("quant", "--quant int8 is torch's")])
def test_an_option_that_llamacpp_cannot_follow_is_refused(file: Path, option: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        LlamaServer(file, EngineOptions(**{option: "int8"}))
