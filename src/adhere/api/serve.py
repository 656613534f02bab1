"""Serve a gateway in front of a model that makes constraints hold.

serve("http://localhost:8000/v1", port=8100)   # returns when it is interrupted
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from adhere.api.gateway_server import Faults, Operation, line_writer, ready, reloading, serve_until_told
from adhere.api.results import Notice
from adhere.core.errors import UserError
from adhere.core.extras import naming_extras, require

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from adhere.gateway.governance.governed_gateway import GovernedGateway
    from adhere.gateway.hooks import Handling
    from adhere.gateway.upstream.client import Upstream
    from adhere.gateway.upstream.local_model import LocalModel

SPEAKS = ("chat", "messages")
RELEASE = ("met", "doomed")
EXHAUSTED = ("flag", "refuse", "human")


_WEIGHED = re.compile(r"=\d+(\.\d+)?$")
"""The weight behind a URL, which may itself hold an equals sign."""
_ADDRESS = re.compile(r"[\w.-]+:\d+(/.*)?")
"""A host and a port: a URL that lacks its scheme, and no model."""


def serve(
    upstream: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8100,
    charter: Path | None = None,
    policy: Path | None = None,
    speaks: Literal["chat", "messages"] = "chat",
    key_env: str | None = None,
    prefill: bool = False,
    constrained: bool = False,
    attempts: int = 2,
    tokens: int | None = None,
    seconds: float = 120.0,
    exhausted: Literal["flag", "refuse", "human"] = "refuse",
    release: Literal["met", "doomed"] = "met",
    decompose: bool = False,
    read_prompt: bool = False,
    also: Sequence[str] = (),
    operation: Operation | None = None,
    notice: Notice | None = None,
) -> None:
    """Serve OpenAI's and Anthropic's APIs in front of a model; returns when the server is stopped.

    Args:
        upstream: the model's API up to `/v1`, or a model on this machine: pocket, smollm2, a GGUF file, a folder.
        host, port: where to listen; port 0 takes a free one.
        charter: folder of the charter; needs a policy.
        policy: what applies to whom, YAML. It decides what `attempts` to `read_prompt` decide without one.
        speaks: the upstream's API: OpenAI's chat or Anthropic's messages.
        key_env: environment variable that holds the upstream's key.
        prefill: the upstream continues the beginning of an answer.
        constrained: the upstream takes `constraints` and masks tokens.
        attempts: repairs of one answer at the most.
        tokens, seconds: budget of one answer, its repairs included.
        exhausted: what to do when the repair budget runs out.
        release: `met` releases only prefixes that satisfy every constraint, `doomed` releases until a violation is
        certain.
        decompose: repair constraints that failed one at a time.
        read_prompt: read constraints from the prompt's words, too.
        also: further servers of the same model, `URL` or `URL=WEIGHT`; one of weight 0 is asked when the others fail.
        operation: how the process is run: draining, TLS, access log, reload of the policy.
        notice: called with each line that says what is in force, and with `serving URL` once it serves.

    Raises:
        MissingExtra: an optional package is missing.
        UserError: an option is wrong, the port is taken, or the policy or the charter cannot be read.
    """
    for name, value, known in (
        ("speaks", speaks, SPEAKS),
        ("release", release, RELEASE),
        ("exhausted", exhausted, EXHAUSTED),
    ):
        if value not in known:
            raise UserError(f"{name} is one of {', '.join(known)}, not {value!r}")
    require("aiohttp", "starlette", "uvicorn")
    with naming_extras():
        from adhere.gateway.hooks import Handling
        from adhere.gateway.upstream.local_model import START_SECONDS

        handling = Handling(
            attempts=attempts,
            tokens=tokens,
            seconds=seconds,
            spent=exhausted,
            hold=release,
            decompose=decompose,
            read_prompt=read_prompt,
        )
        if policy is not None and handling != Handling():
            raise UserError("a policy decides about repairs and release: state them in the policy, not beside it")
        key = _key(key_env)
        governed = _governed(charter, policy)
        tell = notice or (lambda _line: None)
        listening = _listening(host, port)
        run = functools.partial(
            _run, governed=governed, policy=policy, handling=handling, listening=listening, notice=tell
        )
        run = functools.partial(run, operation=operation or Operation())
        if not upstream.startswith(("http://", "https://")):
            if also:
                raise UserError("a model on this machine has no other upstreams beside it: give URLs for all")
            local = _local(upstream)
            tell(f"starting    {local.name}, which may take up to {START_SECONDS:g} s")
            run(local.upstream(), beside=(local,))
            return
        from adhere.gateway.upstream.client import Upstream, dialect

        there = Upstream(upstream, dialect(speaks), key, prefill=prefill, constrained=constrained)
        others = [(dataclasses.replace(there, url=url), weight) for url, weight in map(_weighed, also)]
        for other, weight in others:
            tell(f"upstream    {without_credentials(other.url)} too, weight {weight:g}")
        run(there, others=others)


def _weighed(text: str) -> tuple[str, float]:
    """The URL and the weight in `URL=WEIGHT`; the weight is 1 where there is none.

    Raises:
        UserError: it is no URL, or no weight.
    """
    url, _, weight = text.rpartition("=") if _WEIGHED.search(text) else (text, "", "1")
    if not url.startswith(("http://", "https://")):
        raise UserError(f"another upstream is given as URL or URL=WEIGHT, as http://second:8000/v1=2, not {text!r}")
    return url, float(weight)


def _local(name: str) -> LocalModel:
    """The model called `name` in a process of its own: torch, which masks tokens, unless llama.cpp is asked for.

    Raises:
        UserError: there is no such model.
    """
    from adhere.gateway.upstream.local_model import LocalModel
    from adhere.models.engines.options import current
    from adhere.models.engines.sources import is_local, locate

    if not is_local(name) or _ADDRESS.fullmatch(name):
        raise UserError(
            f"the upstream is a URL, as http://localhost:8000/v1, or a model on this machine: pocket, smollm2, a GGUF "
            f"file, a folder; not {name!r}"
        )
    source, options = locate(name), current()
    if options.engine == "llamacpp":
        from adhere.models.engines.llamacpp import LlamaServer

        if source.gguf is None:
            raise UserError(f"--engine llamacpp needs a GGUF file, and {name} is none")
        words = LlamaServer(source.gguf, options).command(port="{port}")
        return LocalModel(words, name, constrained=False)
    require("torch", "transformers")
    if source.hub:
        from adhere.models.load import check_within_reach

        check_within_reach(name)
    words = [sys.executable, "-m", "adhere", "pocket", "serve", name, "--port", "{port}"]
    for option in ("device", "dtype", "quant", "batch", "threads"):
        if value := getattr(options, option):
            words += [f"--{option}", str(value)]
    return LocalModel(words, name)


def _key(name: str | None) -> str:
    if name is None:
        return ""
    value = os.environ.get(name, "")
    if not value:
        raise UserError(f"the environment variable {name}, which is to hold the upstream's key, is not set or empty")
    return value


def _governed(charter: Path | None, policy: Path | None) -> GovernedGateway | None:
    """The policy and the charter that take part; None where there are neither."""
    from adhere.gateway.governance.governed_gateway import GovernedGateway
    from adhere.gateway.policy import policy as policies

    if charter is None and policy is None:
        return None
    if policy is None:
        raise UserError("a charter needs a policy, which says what the charter's orders apply to: --policy FILE")
    return GovernedGateway.open(policies.load(policy), charter)


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        UserError: the port is taken.
    """
    try:
        return socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise UserError(f"cannot listen on {host}:{port}: {error.strerror}; choose another port") from None


def _run(
    upstream: Upstream,
    *,
    governed: GovernedGateway | None,
    policy: Path | None,
    handling: Handling,
    listening: socket.socket,
    operation: Operation,
    notice: Notice,
    beside: tuple[Any, ...] = (),
    others: Sequence[tuple[Upstream, float]] = (),
) -> None:
    from adhere.gateway.app import Gateway, app
    from adhere.gateway.hooks import PassThrough
    from adhere.gateway.telemetry.access_log import AccessLog
    from adhere.gateway.upstream.client import Client
    from adhere.gateway.upstream.pool import Pool
    from adhere.gateway.wire.limits import DEFAULT

    scheme = "https" if operation.tls() else "http"
    host, port = listening.getsockname()[:2]
    for line in posture(upstream, governed, handling):
        notice(line)
    limits = governed.policy.limits.limits if governed is not None else DEFAULT
    client = Pool.of([(upstream, 1.0), *others]) if others else Client(upstream)
    gateway = Gateway(client, governed or PassThrough(handling), limits)
    pages: list[BaseRoute] = []
    contexts = list(beside)
    if governed is not None:
        from adhere.gateway.console.pages import routes

        pages = routes(governed)
        if governed.policy.console is not None:
            notice(f"console     {scheme}://{host}:{port}/console")
        contexts.insert(0, governed)
        if policy is not None:
            contexts.append(reloading(policy, governed, gateway, watch=operation.watch, notice=notice))
    contexts.append(ready(f"serving {scheme}://{host}:{port}/v1", notice))
    faults = Faults()
    application: ASGIApp = app(gateway, routes=pages, beside=[faults.noted(context) for context in contexts])
    if operation.access_log is not None:
        application = AccessLog(application, line_writer(operation.access_log))
    serve_until_told(application, gateway, listening, operation, faults)


def posture(upstream: Upstream, governed: GovernedGateway | None, handling: Handling) -> list[str]:
    """What is in force, in lines: what a gateway protects is said before it serves."""
    able = [word for word, can in (("prefill", upstream.prefill), ("token masks", upstream.constrained)) if can]
    lines = [f"upstream    {without_credentials(upstream.url)} ({', '.join(able) or 'no prefill, no masks'})"]
    if governed is not None:
        return lines + [f"{status:<11} {what}: {how}" for status, what, how in governed.posture()]
    return [
        *lines,
        f"constraints of the request{', of the prompt' if handling.read_prompt else ''}; release: {handling.hold}",
        f"repairs     {handling.attempts} within {handling.seconds:g} s; then {handling.spent}",
        "policy      none: anybody may ask, tool calls are passed on complete but undecided, nothing is recorded",
    ]


def without_credentials(url: str) -> str:
    """`url` without a user and a password: what may be printed."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
