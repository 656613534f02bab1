"""The pocket model as an upstream: a process of its own, so that the gateway never loads torch.

Rules
- The process listens on a free port of this machine that is chosen before it starts, and stays the same when it starts
  again, so that nobody has to be told.
- It ends with the gateway, however that ends: it is told to by signal on an orderly end, and it is asked of the kernel
  (PR_SET_PDEATHSIG) for every other.
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

START_SECONDS = 60.0
STOP_SECONDS = 5.0
LONGEST_PAUSE = 30.0

log = logging.getLogger("adhere.gateway")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


class Pocket:
    """The process and whoever starts it again. Use as an asynchronous context manager.

    `command` is the command line; "{port}" in it becomes the port.
    """

    def __init__(self, command: Sequence[str] = ()) -> None:
        self.port = free_port()
        given = command or (sys.executable, "-m", "adhere", "pocket", "serve", "--port", "{port}")
        self.command = [word.replace("{port}", str(self.port)) for word in given]
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self.starts = 0

    def upstream(self) -> Upstream:
        """Where it is and what it can do."""
        url = f"http://127.0.0.1:{self.port}/v1"
        return Upstream(url, chat, prefill=True, constrained=True)

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
            *self.command, stdin=asyncio.subprocess.DEVNULL, preexec_fn=_end_with_parent
        )

    async def _listens(self) -> None:
        """Wait until it takes connections.

        Raises:
            UserError: it ended, or takes too long.
        """
        assert self._process is not None
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self._process.returncode is not None:
                raise UserError(f"the pocket model's server ended at once (exit code {self._process.returncode})")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            except OSError:
                await asyncio.sleep(0.1)
        raise UserError(f"the pocket model's server did not come up within {START_SECONDS:g} s")

    async def _keep(self) -> None:
        """Start it again whenever it ends."""
        pause = 0.5
        while True:
            assert self._process is not None
            began = time.monotonic()
            code = await self._process.wait()
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = 0.5
            log.warning("the pocket model's server ended (%s); it starts again in %g s", code, pause)
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
