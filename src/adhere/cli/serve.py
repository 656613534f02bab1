"""`adhere serve`: the gateway in front of a model, as a server."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adhere.core.errors import UserError

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from adhere.gateway.governance.governed_gateway import GovernedGateway
    from adhere.gateway.hooks import Handling
    from adhere.gateway.upstream.client import Upstream

COLLECTED = 50_000, 5, 2
"""Objects between two collections. What was loaded at the start stays for good, and exchanges leave next to no cycles
behind: collecting as often as Python does by itself took a quarter of the gateway's time, and stopped every stream."""
SPEAKS = ("chat", "messages")
HOLD = ("met", "doomed")
SPENT = ("flag", "refuse", "human")


def _new_key(wanted: bool) -> None:
    if wanted:
        from adhere.gateway.policy import policy

        key, kept = policy.new_key()
        typer.echo(f"{key}\nin the policy: key: {kept}")
        raise typer.Exit


def serve(
    upstream: Annotated[
        str,
        typer.Option(
            "--upstream", metavar="URL", help="The model's API up to /v1, or `pocket`: the one that ships inside."
        ),
    ],
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8100,
    charter: Annotated[
        Path | None, typer.Option("--charter", metavar="DIR", help="Folder of the charter.", show_default=False)
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="What applies to whom, YAML.", show_default=False)
    ] = None,
    speaks: Annotated[str, typer.Option("--speaks", help="The upstream's language: chat or messages.")] = "chat",
    key_env: Annotated[
        str | None,
        typer.Option(
            "--key-env", metavar="NAME", help="Environment variable with the upstream's key.", show_default=False
        ),
    ] = None,
    prefill: Annotated[
        bool, typer.Option("--prefill", help="The upstream goes on from the beginning of an answer.")
    ] = False,
    constrained: Annotated[
        bool, typer.Option("--constrained", help="The upstream takes `constraints` and masks tokens.")
    ] = False,
    attempts: Annotated[int, typer.Option("--attempts", min=0, max=20, help="Repairs of one answer at the most.")] = 2,
    tokens: Annotated[
        int | None,
        typer.Option("--tokens", min=1, help="Completion tokens of one answer, repairs too.", show_default=False),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Time for one answer, repairs too.")] = 120.0,
    spent: Annotated[str, typer.Option("--spent", help="When the budget is: flag, refuse or human.")] = "refuse",
    hold: Annotated[
        str, typer.Option("--hold", help="Hold text back until it is met, or only while not doomed.")
    ] = "met",
    decompose: Annotated[bool, typer.Option("--decompose", help="Mend constraints that failed one at a time.")] = False,
    read_prompt: Annotated[
        bool, typer.Option("--read-prompt", help="Read constraints out of the prompt's words too.")
    ] = False,
    new_key: Annotated[
        bool,
        typer.Option(
            "--new-key",
            is_eager=True,
            callback=_new_key,
            help="Make a key for a client or the console, print it and its hash for the policy, and leave.",
        ),
    ] = False,
) -> None:
    """Serve a gateway in front of a model that makes constraints hold.

    It speaks OpenAI's and Anthropic's APIs: point a client's base URL here and put `constraints` into the request's
    body. The field `adhere` of every answer says what was checked.
    """
    del new_key
    for name, value, known in (("speaks", speaks, SPEAKS), ("hold", hold, HOLD), ("spent", spent, SPENT)):
        if value not in known:
            raise UserError(f"--{name} {value}: it is one of {', '.join(known)}")
    try:
        import aiohttp  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise UserError("the gateway needs the extra `enforce`: pip install 'adhere[enforce]'") from None
    from adhere.gateway.hooks import Handling

    handling = Handling(
        attempts=attempts,
        tokens=tokens,
        seconds=seconds,
        spent=spent,  # type: ignore[arg-type]  # looked at above
        hold=hold,  # type: ignore[arg-type]
        decompose=decompose,
        read_prompt=read_prompt,
    )
    key = _key(key_env)
    house = _house(charter, policy)
    if upstream == "pocket":
        from adhere.gateway.upstream.pocket import Pocket

        pocket = Pocket()
        _run(pocket.upstream(), house, handling, host, port, beside=(pocket,))
        return
    if not upstream.startswith(("http://", "https://")):
        raise UserError(f"--upstream {upstream}: give a URL, as in http://localhost:8000/v1, or `pocket`")
    from adhere.gateway.upstream.client import Upstream, dialect

    there = Upstream(upstream, dialect(speaks), key, prefill=prefill, constrained=constrained)
    _run(there, house, handling, host, port)


def _key(name: str | None) -> str:
    if name is None:
        return ""
    value = os.environ.get(name, "")
    if not value:
        raise UserError(f"--key-env {name}: the environment has no such variable, or it is empty")
    return value


def _house(charter: Path | None, policy: Path | None) -> GovernedGateway | None:
    """The policy and the charter that take part; None where there are neither."""
    from adhere.gateway.governance.governed_gateway import GovernedGateway
    from adhere.gateway.policy import policy as policies

    if charter is None and policy is None:
        return None
    if policy is None:
        raise UserError("--charter needs --policy: it says what the charter's orders hold for")
    return GovernedGateway.open(policies.load(policy), charter)


def _run(
    upstream: Upstream,
    house: GovernedGateway | None,
    handling: Handling,
    host: str,
    port: int,
    beside: tuple[Any, ...] = (),
) -> None:
    import socket

    import uvicorn

    from adhere.gateway.app import Gateway, app
    from adhere.gateway.hooks import PassThrough
    from adhere.gateway.upstream.client import Client

    try:
        listening = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise UserError(f"--port {port}: {error.strerror}; take another") from None
    port = listening.getsockname()[1]
    for line in posture(upstream, house, handling):
        typer.echo(line)
    gateway = Gateway(Client(upstream), house or PassThrough(handling))
    ready = _ready(f"serving http://{host}:{port}/v1")
    pages: list[BaseRoute] = []
    if house is not None:
        from adhere.gateway.console.pages import routes

        pages = routes(house)
        if house.policy.console is not None:
            typer.echo(f"console     http://{host}:{port}/console")
    application = app(gateway, routes=pages, beside=(*(() if house is None else (house,)), *beside, ready))
    config = uvicorn.Config(application, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
    uvicorn.Server(config).run(sockets=[listening])


@contextlib.asynccontextmanager
async def _ready(line: str) -> AsyncIterator[None]:
    """Says that it serves once everything that it stands on does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED)
    typer.echo(line)
    yield


def posture(upstream: Upstream, house: GovernedGateway | None, handling: Handling) -> list[str]:
    """What is in force, in lines: what a gateway protects is said before it serves."""
    able = [word for word, can in (("prefill", upstream.prefill), ("token masks", upstream.constrained)) if can]
    lines = [f"upstream    {upstream.url} ({', '.join(able) or 'no prefill, no masks'})"]
    if house is not None:
        return lines + [f"{status:<11} {what}: {how}" for status, what, how in house.posture()]
    return [
        *lines,
        f"constraints of the request{', of the prompt' if handling.read_prompt else ''}; text held: {handling.hold}",
        f"repairs     {handling.attempts} within {handling.seconds:g} s; then {handling.spent}",
        "policy      none: anybody may ask, tool calls are passed on complete but undecided, nothing is recorded",
    ]
