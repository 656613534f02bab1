"""The gateway beside no gateway, a plain pass-through, the LiteLLM proxy and NeMo Guardrails' IORails, in the same run.

Targets: added latency at 32 concurrent clients over a 100 ms upstream p50 <= 2.5 ms, p99 <= 20 ms with signatures,
ten constraints and the ledger on; <= 0.6 ms of CPU a request; at least 15 times less CPU than the LiteLLM proxy with
one guardrail, and below IORails; streaming with ten monitors, time to first byte within 1.2 times of a plain
pass-through; no memory growth over 10,000 streams.

The peers run from environments of their own, which are no part of this project:

    python -m venv .bench/litellm && .bench/litellm/bin/pip install "litellm[proxy]"
    python -m venv .bench/nemo && .bench/nemo/bin/pip install nemoguardrails fastapi uvicorn

CPU is that of the server's process, user and system, read from the kernel; a busy machine stretches latencies and not
CPU. The rounds of all servers are interleaved, and each figure is a median over rounds.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

CLIENTS = 32
RATE = 310.0
"""Requests a second: what 32 clients make of an upstream of 100 ms."""
REQUESTS = int(os.environ.get("ADHERE_BENCH_REQUESTS", "640"))
ROUNDS = int(os.environ.get("ADHERE_BENCH_ROUNDS", "3"))
STREAMS = int(os.environ.get("ADHERE_BENCH_STREAMS", "10000"))
TICK = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).resolve().parents[1]

TEN: list[dict[str, Any]] = [
    {"kind": "length.words", "at_most": 200},
    {"kind": "length.characters", "at_most": 4000},
    {"kind": "length.lines", "at_most": 40},
    {"kind": "excludes.terms", "terms": ["swordfish", "password", "internal only"]},
    {"kind": "excludes.terms", "terms": ["confidential"]},
    {"kind": "contains.frequency", "term": "boat", "at_most": 9},
    {"kind": "case.letters", "case": "lower"},
    {"kind": "excludes.mark", "mark": "comma"},
    {"kind": "style.toxicity"},
    {"kind": "length.sentences", "at_most": 60},
]
ASKED = {"model": "m", "messages": [{"role": "user", "content": "Write about the harbour. " * 20}]}


@dataclass
class Server:
    """A server under test. `pids` are of all its processes."""

    name: str
    url: str
    process: subprocess.Popen[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def cpu(self) -> float:
        """Seconds of CPU so far, with its children's."""
        return sum(_cpu(pid) for pid in self._pids())

    def memory(self) -> float:
        """Resident MiB."""
        return sum(_resident(pid) for pid in self._pids())

    def _pids(self) -> list[int]:
        if self.process is None:
            return []
        found, left = [], [self.process.pid]
        while left:
            pid = left.pop()
            found.append(pid)
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                left += [int(child) for child in children]
        return found


def _cpu(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK
    return 0.0


def _resident(pid: int) -> float:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str], port: int, seconds: float = 30, cwd: Path = ROOT, **environment: str
) -> Iterator[Server]:
    """A server as a process of its own, once it takes connections."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", **environment}
    process = subprocess.Popen(command, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                break
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{name} did not come up")
            time.sleep(0.1)
        yield Server(name, f"http://127.0.0.1:{port}/v1", process)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


async def load(
    server: Server,
    requests: int,
    clients: int = CLIENTS,
    stream: bool = False,
    apart: float = 0.0,
    rate: float | None = None,
) -> list[float]:
    """Milliseconds of each request: to the end, or for a stream to its first text.

    The clients begin spread over `apart` seconds. Clients that begin at once over an upstream that always takes as long
    stay in step, and then it is the burst that is measured. Even so they drift into bursts, for each waits for its
    answer before it asks again; with `rate` nobody waits for anybody: so many requests a second arrive at random.
    """
    body = json.dumps({**ASKED, **({"stream": True} if stream else {})}).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer sk-bench", **server.headers}
    times: list[float] = []
    left = iter(range(requests))

    async def ask(session: aiohttp.ClientSession) -> None:
        began = time.perf_counter()
        async with session.post(f"{server.url}/chat/completions", data=body, headers=headers) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{server.name}: {answer.status} {(await answer.text())[:300]}")
            if stream:
                seen = b""
                async for piece in answer.content.iter_any():
                    seen += piece
                    if b'"content":"c' in seen or b'"content": "c' in seen:
                        break
                times.append(1000 * (time.perf_counter() - began))
                await answer.read()
            else:
                await answer.read()
                times.append(1000 * (time.perf_counter() - began))

    async def client(session: aiohttp.ClientSession, number: int) -> None:
        await asyncio.sleep(apart * number / clients)
        for _ in left:
            await ask(session)

    async def arrive(session: aiohttp.ClientSession, rate: float) -> None:
        chance, due = random.Random(1), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in left:
                due += chance.expovariate(rate)
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(ask(session))

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        if rate is not None:
            await arrive(session, rate)
        else:
            await asyncio.gather(*(client(session, number) for number in range(clients)))
    return times


def percentile(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def measured(servers: Sequence[Server], requests: int, **how: Any) -> dict[str, tuple[float, float, float]]:
    """By server: p50 and p99 in ms, and ms of CPU a request; medians over interleaved rounds."""
    rows: dict[str, list[tuple[float, float, float]]] = {server.name: [] for server in servers}
    for server in servers:
        asyncio.run(load(server, min(64, requests), **how))
    for _ in range(ROUNDS):
        for server in servers:
            cpu = server.cpu()
            times = asyncio.run(load(server, requests, **how))
            spent = 1000 * (server.cpu() - cpu) / requests
            rows[server.name].append((percentile(times, 0.5), percentile(times, 0.99), spent))
    return {name: tuple(statistics.median(column) for column in zip(*row, strict=True)) for name, row in rows.items()}  # type: ignore[misc]


def line(what: str, value: float, unit: str, target: float | None = None, more_is_better: bool = False) -> None:
    verdict = ""
    if target is not None:
        met = value >= target if more_is_better else value <= target
        verdict = f"  target {'>=' if more_is_better else '<='} {target:g}: {'met' if met else 'MISSED'}"
    print(f"{what:<64} {value:>9.2f} {unit}{verdict}", flush=True)


@contextlib.contextmanager
def gateway(upstream: str, folder: Path, *, charter: bool) -> Iterator[Server]:
    """`adhere serve` with ten constraints by policy; with a charter also its ledger, and an instruction signed by
    two."""
    port = free_port()
    routes = [{"constraints": TEN, "tools": "open"}]
    (folder / "policy.yaml").write_text(yaml.safe_dump({"routes": routes}))
    command = [sys.executable, "-m", "adhere", "serve", "--upstream", upstream, "--port", str(port)]
    command += ["--policy", str(folder / "policy.yaml")]
    headers = {}
    if charter:
        from tests.gateway import charters

        made = charters.found(folder / "charter")
        headers["x-adhere-envelope"] = base64.b64encode(made.instruct("Write about the harbour.")).decode()
        command += ["--charter", str(folder / "charter")]
    name = "adhere, ten constraints, signature, ledger" if charter else "adhere, ten constraints"
    with running(name, command, port, cwd=folder) as server:
        server.headers = headers
        yield server


@contextlib.contextmanager
def upstream(delay: int) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.gateway.upstream", str(port)]
    with running("no gateway", command, port, ADHERE_DELAY=str(delay)) as server:
        yield server


@contextlib.contextmanager
def passthrough(there: str) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.gateway.passthrough", str(port), there]
    with running("pass-through (Starlette, aiohttp)", command, port) as server:
        yield server


def peers(stack: contextlib.ExitStack, there: str, folder: Path) -> list[Server]:
    """The peers that are installed; one line for each that is not."""
    found = []
    if (python := ROOT / ".bench/litellm/bin/python").exists():
        port = free_port()
        config = {
            "model_list": [
                {"model_name": "m", "litellm_params": {"model": "openai/m", "api_base": there, "api_key": "k"}}
            ],
            "guardrails": [
                {
                    "guardrail_name": "forbids",
                    "litellm_params": {
                        "guardrail": "litellm_guardrail.Forbids",
                        "mode": "post_call",
                        "default_on": True,
                    },
                }
            ],
            "general_settings": {"master_key": "sk-bench"},
        }
        (folder / "litellm.yaml").write_text(yaml.safe_dump(config))
        (folder / "litellm_guardrail.py").write_text((ROOT / "benchmarks/gateway/litellm_guardrail.py").read_text())
        litellm = str(python.with_name("litellm"))
        command = [litellm, "--config", str(folder / "litellm.yaml"), "--port", str(port), "--host", "127.0.0.1"]
        quiet = {"LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False"}
        try:
            found.append(
                stack.enter_context(running("LiteLLM proxy, one guardrail", command, port, 120, folder, **quiet))
            )
        except RuntimeError as error:
            print(f"skipped: {error}")
    else:
        print("skipped: the LiteLLM proxy is not installed in .bench/litellm")
    if (python := ROOT / ".bench/nemo/bin/python").exists():
        port = free_port()
        command = [str(python), str(ROOT / "benchmarks/gateway/nemo_server.py"), str(port), there]
        try:
            found.append(stack.enter_context(running("NeMo IORails, two regex rails", command, port, 120, folder)))
        except RuntimeError as error:
            print(f"skipped: {error}")
    else:
        print("skipped: NeMo Guardrails is not installed in .bench/nemo")
    return found


def latency(folder: Path) -> None:
    print(
        f"added latency with signature, ten constraints and ledger: an upstream of 100 ms, {ROUNDS} rounds of "
        f"{REQUESTS} requests; {CLIENTS} clients, or {RATE:g} requests a second"
    )
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(upstream(100))
        servers = [
            bare,
            stack.enter_context(passthrough(bare.url)),
            stack.enter_context(gateway(bare.url, folder, charter=True)),
        ]
        for what, how in (("in a closed loop", {"apart": 0.1}), ("arriving at random", {"rate": RATE})):
            rows = measured(servers, REQUESTS, **how)
            base = rows[bare.name]
            for server in servers:
                p50, p99, _ = rows[server.name]
                print(f"  {server.name:<46} p50 {p50:8.2f} ms   p99 {p99:8.2f} ms")
            p50, p99, _ = rows[servers[-1].name]
            line(f"added at p50, {what}", p50 - base[0], "ms", 2.5)
            line(f"added at p99, {what}", p99 - base[1], "ms", 20)


def cpu(folder: Path) -> None:
    print(f"\nCPU of the server a request: {CLIENTS} clients, an upstream without delay")
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(upstream(0))
        inner = folder / "bare"
        inner.mkdir()
        ours = stack.enter_context(gateway(bare.url, folder, charter=True))
        servers = [
            stack.enter_context(passthrough(bare.url)),
            stack.enter_context(gateway(bare.url, inner, charter=False)),
            ours,
            *peers(stack, bare.url, folder),
        ]
        rows = measured(servers, REQUESTS)
        for server in servers:
            p50, p99, spent = rows[server.name]
            print(f"  {server.name:<46} {spent:8.2f} ms CPU   p50 {p50:8.2f} ms   p99 {p99:8.2f} ms")
        own = rows[ours.name][2]
        line("CPU a request, with signature, ten constraints, ledger", own, "ms", 0.6)
        for server in servers[3:]:
            target = 15.0 if "LiteLLM" in server.name else 1.0
            line(f"{server.name}: times our CPU", rows[server.name][2] / own, "x", target, more_is_better=True)


def streaming(folder: Path) -> None:
    print(f"\nstreaming, ten monitors, 50 pieces, {ROUNDS} rounds")
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(upstream(20))
        plain = stack.enter_context(passthrough(bare.url))
        ours = stack.enter_context(gateway(bare.url, folder, charter=False))
        for clients, requests in ((1, 60), (CLIENTS, 320)):
            rows = measured([plain, ours], requests, clients=clients, stream=True)
            for server in (plain, ours):
                p50, p99, spent = rows[server.name]
                first = f"first text p50 {p50:7.2f}  p99 {p99:7.2f} ms"
                print(f"  {clients:>2} clients {server.name:<36} {first}  {spent:.2f} ms CPU")
            ratio = rows[ours.name][0] / rows[plain.name][0]
            line(f"time to first text, {clients} clients, against the pass-through", ratio, "x", 1.2)


def memory(folder: Path) -> None:
    print(f"\nmemory over {STREAMS:,} streams")
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(upstream(0))
        ours = stack.enter_context(gateway(bare.url, folder, charter=False))
        asyncio.run(load(ours, STREAMS // 5, stream=True))
        early = ours.memory()
        asyncio.run(load(ours, STREAMS - STREAMS // 5, stream=True))
        late = ours.memory()
        print(f"  after {STREAMS // 5:,}: {early:.1f} MiB; after {STREAMS:,}: {late:.1f} MiB")
        line("growth", late - early, "MiB", 2.0)


PARTS = {"latency": latency, "cpu": cpu, "streaming": streaming, "memory": memory}


def main() -> None:
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
    for name in os.environ.get("ADHERE_BENCH_PARTS", " ".join(PARTS)).split():
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](Path(folder))
