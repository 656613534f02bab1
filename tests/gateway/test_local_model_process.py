"""The model's process behind the gateway: started with it, started again when it dies, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.gateway.fake import serving
from tests.gateway.ways import Got, ask

from adhere.core.errors import UserError
from adhere.gateway.app import Gateway, app
from adhere.gateway.hooks import PassThrough
from adhere.gateway.upstream.client import Client
from adhere.gateway.upstream.local_model import LocalModel

CHILD = (sys.executable, str(Path(__file__).with_name("child.py")), "{port}")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def until(what: object, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.05)
    assert what()  # type: ignore[operator]


def test_it_comes_up_comes_back_and_goes_with_the_gateway() -> None:
    pocket = LocalModel(CHILD)
    with serving(app(Gateway(Client(pocket.upstream()), PassThrough()), beside=(pocket,))) as url:
        first = ask(url, "chat-whole", "m").text
        pid = int(first.removeprefix("pid "))
        died = ask(url, "messages-whole", "die")
        assert died.status in (502, 503)
        assert died.error.startswith("upstream_")

        def again() -> bool:
            got: Got = ask(url, "chat-whole", "m")
            assert got.status in (200, 502, 503)
            return got.status == 200 and got.text != first

        until(again)
        assert not alive(pid)
        pid = int(ask(url, "chat-whole", "m").text.removeprefix("pid "))
        assert alive(pid)
    until(lambda: not alive(pid))
    assert pocket.starts == 2


def test_it_does_not_outlive_a_gateway_that_is_killed() -> None:
    program = (
        "import asyncio\n"
        "from adhere.gateway.upstream.local_model import LocalModel\n"
        "async def main():\n"
        f"    async with LocalModel({CHILD!r}) as pocket:\n"
        "        print(pocket._process.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        pid = int(gateway.stdout.readline())
        assert alive(pid)
        os.kill(gateway.pid, signal.SIGKILL)
        gateway.wait()
    until(lambda: not alive(pid))


def test_a_process_that_does_not_come_up_is_one_line() -> None:
    import asyncio

    async def start() -> None:
        async with LocalModel((sys.executable, "-c", "raise SystemExit(3)")):
            pass

    with pytest.raises(UserError, match="exit code 3"):
        asyncio.run(start())
