"""A gateway in front of a model for the length of a measurement, in a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from adhere.core.environment import environment
from adhere.core.errors import UserError

SERVICE = "adhere-gateway"
"""Under which Inspect knows the gateway: `openai-api/adhere-gateway/<model>`."""

_ONE_AT_A_TIME = threading.Lock()
"""Inspect finds the gateway's address in the environment, which all threads share."""

_HOSTED = {
    "openai": ("https://api.openai.com/v1", "OPENAI_BASE_URL", "OPENAI_API_KEY", "chat"),
    "anthropic": ("https://api.anthropic.com/v1", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "messages"),
    "vllm": ("http://localhost:8000/v1", "VLLM_BASE_URL", None, "chat"),
}
"""Providers whose API the gateway can be put in front of: where it is, the variables for another place and for the
key, and its language."""


def upstream_of(model: str) -> tuple[list[str], str]:
    """How `adhere serve` is told to reach `model`, a name of Inspect, and its name there.

    Raises:
        UserError: the gateway cannot be put in front of this provider.
    """
    from adhere.models.engines.sources import is_local, locate

    if model.startswith(("http://", "https://")):
        return _at_url(model)
    if is_local(bare := model.removeprefix("adhere/")) or bare != model:
        locate(bare)
        return ["--upstream", bare, *_engine(bare)], bare
    provider, _, name = model.partition("/")
    if provider in _HOSTED and name:
        url, place, key, speaks = _HOSTED[provider]
        options = ["--upstream", os.environ.get(place, url), "--speaks", speaks]
        return [*options, *(["--key-env", key] if key else [])], name
    known = ", ".join(f"{one}/..." for one in _HOSTED)
    raise UserError(
        f"the gateway cannot be put in front of {model}: it knows models on this machine (pocket, smollm2, a GGUF "
        f"file, a folder), the URL of a server, and {known}"
    )


def _at_url(name: str) -> tuple[list[str], str]:
    """A server that is given by its URL."""
    from adhere.measure.model_access import KEY, served

    url, model, key = served(name)
    return ["--upstream", url, *(["--key-env", KEY] if key else [])], model


SECONDS = 1_800
"""For one answer of a real model on this machine, its wait for those before it included."""


def _engine(name: str) -> list[str]:
    """The options in force, as `adhere serve` takes them. A measurement waits longer than a person would."""
    from adhere.models.engines.options import current
    from adhere.models.engines.sources import POCKET

    options = current()
    chosen = [(one, getattr(options, one)) for one in ("device", "dtype", "quant", "batch", "threads")]
    if options.engine != "auto":
        chosen.append(("engine", options.engine))
    if name not in POCKET:
        chosen.append(("seconds", SECONDS))
    return [word for option, value in chosen if value for word in (f"--{option}", str(value))]


@contextlib.contextmanager
def gateway(model: str, options: Sequence[str] = ()) -> Iterator[str]:
    """Run `adhere serve` in front of `model`; gives the name under which Inspect reaches it.

    Raises:
        UserError: it did not come up; the line is its own.
    """
    upstream, name = upstream_of(model)
    if "--policy" in options and "--seconds" in upstream:  # the policy states its own
        at = upstream.index("--seconds")
        del upstream[at : at + 2]
    command = [sys.executable, "-m", "adhere", "serve", *upstream, "--port", "0", *options]
    with _ONE_AT_A_TIME, tempfile.TemporaryDirectory(prefix="adhere-gateway-") as folder:
        errors = Path(folder) / "errors"
        with errors.open("wb") as sink:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sink, text=True)
        try:
            url = _url(process)
            if url is None:
                lines = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise UserError(f"the gateway did not come up: {lines[-1] if lines else 'it said nothing'}")
            variable = SERVICE.upper().replace("-", "_")
            with environment({f"{variable}_BASE_URL": url, f"{variable}_API_KEY": "none"}):
                yield f"openai-api/{SERVICE}/{name}"
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _url(process: subprocess.Popen[str]) -> str | None:
    """Where it serves, from what it prints; None if it ended before."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("serving "):
            return line.split()[1]
    return None
