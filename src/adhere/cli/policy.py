"""`adhere policy`: look at a gateway's policy before it is in force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from adhere.core.errors import UserError
from adhere.core.reading import parse_json
from adhere.core.terminal import visible

app = typer.Typer(no_args_is_help=True, help="Check a gateway's policy, and try it on a request.")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="YAML policy.")]


@app.command()
def check(
    file: FileArgument,
    charter: Annotated[bool, typer.Option("--charter", help="The gateway will have a charter.")] = False,
) -> None:
    """Read a policy and say what it enforces; exit with 2 where it would not start."""
    from adhere.gateway.policy import policy as policies

    policy = policies.load(file)
    policy.check(charter=charter)
    for place, route in enumerate(policy.routes):
        name = f" ({route.name})" if route.name else ""
        _say(f"routes.{place}{name}: {', '.join(route.clients)} ask for {', '.join(route.models)}")
        for constraint in route.asked:
            _say(f"  {constraint.described}")
        for monitor in route.monitors:
            _say(f"  monitor {monitor}: {policy.monitors[monitor].kind}")
    _say(f"{file}: it can be put in force")


@app.command("try")
def try_it(
    file: FileArgument,
    request: Annotated[Path, typer.Argument(metavar="REQUEST", help="Body of a request, JSON.")],
    client: Annotated[str, typer.Option("--client", help="Name of the client that asks.")] = "anybody",
    api: Annotated[str, typer.Option("--api", help="API of the request: chat, responses, or messages.")] = "chat",
) -> None:
    """Say which route a request takes, and which constraints its answer would be held to, and why."""
    from adhere.gateway.answering.admission import in_force
    from adhere.gateway.exchange import Unreadable
    from adhere.gateway.hooks import ALLOW, Admission
    from adhere.gateway.policy import policy as policies
    from adhere.gateway.wire import chat, messages, responses
    from adhere.gateway.wire.form import Failure

    wires: dict[str, Any] = {"chat": chat, "responses": responses, "messages": messages}
    if api not in wires:
        raise UserError(f"--api {api}: it is one of {', '.join(wires)}")
    policy = policies.load(file)
    try:
        parsed = wires[api].read(_object(request), policy.limits.limits)
    except Unreadable as error:
        raise UserError(f"{request}: refused: {error}") from None
    matched = policy.route(parsed.model, client)
    if matched is None:
        raise UserError(f"no route is about the model {parsed.model!r} for {client}: the request is refused")
    place, route = matched
    _say(f"routes.{place}{f' ({route.name})' if route.name else ''}: the first for {client} and {parsed.model}")
    try:
        stated = in_force(Admission(ALLOW, parsed, route.asked, route.handling.handling))
    except Failure as failure:
        raise UserError(f"{request}: refused: {failure.text}") from None
    for one in stated:
        _say(f"  {one.origin:<8} {one.described}")
    if not stated:
        _say("  no constraint is in force")
    for name in parsed.dropped:
        _say(f"  dropped  {name}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of policies, for editors."""
    from adhere.gateway.policy.schema import policy_schema

    typer.echo(json.dumps(policy_schema(), indent=2))


def _say(line: str) -> None:
    typer.echo(visible(line))


def _object(path: Path) -> dict[str, Any]:
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no JSON can be read there ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: the body of a request is a JSON object")
    return value
