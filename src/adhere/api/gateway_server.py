"""The gateway's process: TLS, reload of the policy, and an end that lets running answers finish."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.api.results import Notice
from adhere.core.errors import UserError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from adhere.gateway.app import Gateway
    from adhere.gateway.governance.governed_gateway import GovernedGateway

COLLECTED = 50_000, 5, 2
"""Objects between two collections. What was loaded at the start stays for good, and exchanges leave next to no cycles
behind: collecting as often as Python does by itself took a quarter of the gateway's time, and stopped every stream."""
GRACE = 5.0
"""Seconds that exchanges have to tell their clients that the gateway ends, after the time to drain is over."""
WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class Operation:
    """How a gateway is run.

    Attributes:
        drain: seconds for which running answers may go on after SIGTERM.
        certificate, key, client_ca: PEM files: serve TLS, and ask clients for certificates of this authority.
        access_log: file for one line of JSON a request; `-` is standard output.
        watch: read the policy again when its file changes; on SIGHUP it is read again in any case.
    """

    drain: float = 30.0
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    access_log: Path | None = None
    watch: bool = False

    def tls(self) -> dict[str, Any]:
        """Uvicorn's options.

        Raises:
            UserError: a file is missing or does not fit.
        """
        if self.certificate is None:
            if self.key is not None or self.client_ca is not None:
                raise UserError("TLS needs a certificate: --tls-cert FILE")
            return {}
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key)
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise UserError(f"{self.certificate}: TLS cannot be served with it ({error})") from None
        options: dict[str, Any] = {
            "ssl_certfile": str(self.certificate),
            "ssl_keyfile": str(self.key) if self.key else None,
        }
        if self.client_ca is not None:
            options |= {"ssl_ca_certs": str(self.client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
        return options


class Faults:
    """Remembers why starting failed, so that it is told in one line and not in uvicorn's log."""

    def __init__(self) -> None:
        self.fault: UserError | None = None

    @contextlib.asynccontextmanager
    async def noted(self, context: Any) -> AsyncIterator[None]:
        """`context`, and the `UserError` that it raises when it is entered."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(context)
            except UserError as error:
                self.fault = error
                raise
            yield


def serve_until_told(
    application: ASGIApp, gateway: Gateway, listening: socket.socket, operation: Operation, faults: Faults
) -> None:
    """Serve on `listening` until SIGTERM or SIGINT; returns when every answer has ended.

    Raises:
        UserError: something that is served beside did not come up.
    """
    import uvicorn

    config = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=int(operation.drain + GRACE) + 1,
        **operation.tls(),
    )
    logging.getLogger("uvicorn.error").addFilter(lambda _: faults.fault is None)
    try:
        _draining(uvicorn.Server(config), gateway, operation.drain).run(sockets=[listening])
    except SystemExit:
        if faults.fault is None:
            raise
    if faults.fault is not None:
        raise faults.fault


def _draining(server: uvicorn.Server, gateway: Gateway, seconds: float) -> uvicorn.Server:
    """`server`, which after a signal lets answers end by themselves for `seconds`, then ends them."""
    shut_down, handle_exit = server.shutdown, server.handle_exit

    def told(number: int, frame: Any) -> None:
        gateway.draining = True
        handle_exit(number, frame)

    async def drain(sockets: list[socket.socket] | None = None) -> None:
        gateway.draining = True
        timer = asyncio.get_running_loop().call_later(seconds, gateway.shut_down)
        try:
            await shut_down(sockets)
        finally:
            timer.cancel()

    server.handle_exit = told  # type: ignore[method-assign,assignment]
    server.shutdown = drain  # type: ignore[method-assign]
    return server


@contextlib.asynccontextmanager
async def ready(line: str, notice: Notice) -> AsyncIterator[None]:
    """Gives the notice that it serves once everything that it depends on does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED)
    notice(line)
    yield


@contextlib.asynccontextmanager
async def reloading(
    path: Path, governed: GovernedGateway, gateway: Gateway, *, watch: bool, notice: Notice
) -> AsyncIterator[None]:
    """Read the policy at `path` again on SIGHUP, and with `watch` when the file changes. One that cannot be put in
    force is told in a line, and the old one stays."""
    from adhere.gateway.policy import policy as policies

    wanted = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def reload() -> None:
        while True:
            await wanted.wait()
            wanted.clear()
            try:
                policy = await asyncio.to_thread(policies.load, path)
                governed.replace(policy)
            except UserError as error:
                notice(f"policy      not replaced: {error}")
                continue
            gateway.limits = policy.limits.limits
            notice(f"policy      replaced: {len(policy.routes)} routes; running answers keep the old one")

    async def look() -> None:
        seen = await asyncio.to_thread(_changed, path)
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if (now := await asyncio.to_thread(_changed, path)) != seen:
                seen = now
                wanted.set()

    with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):  # no SIGHUP here, or not the main thread
        loop.add_signal_handler(signal.SIGHUP, wanted.set)
    tasks = [asyncio.create_task(reload()), *([asyncio.create_task(look())] if watch else [])]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _changed(path: Path) -> tuple[int, int, int] | None:
    """What differs when the file was written or replaced."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def line_writer(path: Path) -> Callable[[str], None]:
    """Appends lines to `path`; `-` is standard output.

    Raises:
        UserError: it cannot be opened.
    """
    if str(path) == "-":
        stream = sys.stdout
    else:
        try:
            stream = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from None

    def write(line: str) -> None:
        stream.write(line + "\n")
        stream.flush()

    return write
