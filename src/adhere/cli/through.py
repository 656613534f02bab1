"""A gateway in a process of its own, for as long as a measurement needs one."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator

from adhere.errors import UserError

OWN = "own"
"""Asks for a gateway of our own, in front of the pocket model."""
SECONDS = 120.0
"""How long it may take to open the model and listen."""

URL, KEY = "ADHERE_GATEWAY_BASE_URL", "ADHERE_GATEWAY_API_KEY"
"""Where Inspect's provider `openai-api/adhere-gateway` looks; a key that is set already is left alone."""

_SERVING = re.compile(r"serving (http://\S+/v1)")


@contextlib.contextmanager
def gateway(where: str) -> Iterator[str]:
    """The base URL of a gateway: `where` itself, or that of one which lives as long as the context does.

    Inspect's provider of compatible services finds it in the environment (`URL`, `KEY`), which is put back afterwards.
    Our own passes an answer whose constraints cannot be met on with a flag, so that it can be counted.

    Raises:
        UserError: `where` is neither a URL nor `own`, or the gateway does not start.
    """
    if where.startswith(("http://", "https://")):
        with _told(where.rstrip("/")):
            yield where.rstrip("/")
        return
    if where != OWN:
        raise UserError(f"--through-gateway takes the URL of a running gateway up to /v1, or {OWN}; not {where!r}")
    command = [sys.executable, "-m", "adhere.cli", "serve", "--upstream", "pocket", "--port", "0", "--spent", "flag"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        url = _listening(process)
        with _told(url):
            yield url
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in (URL, KEY)}
    os.environ[URL] = url
    os.environ.setdefault(KEY, "none")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _listening(process: subprocess.Popen[str]) -> str:
    """The URL that the gateway says it serves."""
    assert process.stdout is not None
    deadline = time.monotonic() + SECONDS
    said: list[str] = []
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], min(left, 1.0))[0]:
            continue
        line = process.stdout.readline()
        if not line:
            break
        said.append(line.strip())
        if found := _SERVING.search(line):
            return found[1]
    raise UserError(f"the gateway did not start: {' '.join(said)[-300:] or 'it said nothing'}")
