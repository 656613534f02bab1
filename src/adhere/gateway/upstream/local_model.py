"""A model on this machine as an upstream: a process of its own, so that the gateway never loads torch.

Rules
- The process listens on a free port of this machine that is chosen before it starts, and stays the same when it starts
  again, so that its address does not change.
- It ends with the gateway, however that ends: it is told to by signal on an orderly end, it is asked of the kernel
  (PR_SET_PDEATHSIG) for every other, and its standard input ends.
- When it dies, requests fail with 503 in their API's form, and it is started again, after pauses that double up to
  `LONGEST_PAUSE`, since what dies at once will die again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from adhere.core.errors import UserError
from adhere.gateway.upstream import chat
from adhere.gateway.upstream.client import Upstream

START_SECONDS = 300.0
"""A model of some gigabytes is read, and a GGUF file may be converted, before it listens."""
STOP_SECONDS = 5.0
STATUS_SECONDS = 30.0
LONGEST_PAUSE = 30.0

log = logging.getLogger("adhere.gateway")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


class LocalModel:
    """The process and whoever starts it again. Use as an asynchronous context manager.

    Args:
        command: the command line; "{port}" in it becomes the port. The pocket model's server if empty.
        name: of the model, for messages.
        constrained: whether the process takes `constraints` and masks tokens.
    """

    def __init__(self, command: Sequence[str] = (), name: str = "pocket", constrained: bool = True) -> None:
        self.port = free_port()
        self.name = name
        self.constrained = constrained
        given = command or (sys.executable, "-m", "adhere", "pocket", "serve", "--port", "{port}")
        self.command = [word.replace("{port}", str(self.port)) for word in given]
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self.starts = 0

    def upstream(self) -> Upstream:
        """Where it is and what it can do."""
        url = f"http://127.0.0.1:{self.port}/v1"
        return Upstream(url, chat, prefill=True, constrained=self.constrained)

    async def __aenter__(self) -> Self:
        await self._start()
        try:
            await self._listens()
        except BaseException:
            await self._end()
            raise
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
        await self._end()

    async def _start(self) -> None:
        self.starts += 1
        self._process = await asyncio.create_subprocess_exec(
            *self.command, stdin=asyncio.subprocess.PIPE, preexec_fn=_end_with_parent
        )

    async def _listens(self) -> None:
        """Wait until it answers.

        Raises:
            UserError: it ended, or takes too long.
        """
        assert self._process is not None
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self._process.returncode is not None:
                raise UserError(f"the server of {self.name} ended at once (exit code {self._process.returncode})")
            if await self._ready():
                return
            await asyncio.sleep(0.1)
        raise UserError(f"the server of {self.name} did not come up within {START_SECONDS:g} s")

    async def _ready(self) -> bool:
        """Whether it answers: a server that still reads its model says 503."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(b"GET /health HTTP/1.0\r\n\r\n")
                status = await asyncio.wait_for(reader.readline(), STATUS_SECONDS)
            finally:
                writer.close()
        except (OSError, TimeoutError):
            return False
        return status.startswith(b"HTTP/") and b" 503" not in status

    async def _keep(self) -> None:
        """Start it again whenever it ends."""
        pause = 0.5
        while True:
            assert self._process is not None
            began = time.monotonic()
            code = await self._process.wait()
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = 0.5
            log.warning("the server of %s ended (%s); it starts again in %g s", self.name, code, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            await self._start()

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _end_with_parent() -> None:
    """In the child, before it runs: be ended by the kernel when the parent is gone (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
