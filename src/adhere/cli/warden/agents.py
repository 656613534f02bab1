"""`adhere warden decide`, `finish`, `run` and `mcp`: proposed acts, and agents that run under the warden."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adhere.cli.options import Charter, Json
from adhere.cli.warden.common import HERE, opened, reported, tell
from adhere.core.errors import UserError
from adhere.core.reading import parse_json

if TYPE_CHECKING:
    from adhere.warden.supervision.supervisor import Supervisor


def decide(
    tool: Annotated[str, typer.Argument(help="The tool's name.")],
    arguments: Annotated[str, typer.Argument(help="The tool's arguments, a JSON object.")] = "{}",
    because: Annotated[str, typer.Option(help="The agent's reason.")] = "",
    source: Annotated[list[str] | None, typer.Option(help="Source of the act's content; may be repeated.")] = None,
    json_file: Json = None,
    charter: Charter = HERE,
) -> None:
    """Propose an act and print the decision. Exit code 1: it is not allowed."""
    from adhere.warden.acts.acts import Act
    from adhere.warden.engine import high_water
    from adhere.warden.supervision.control import spoken

    try:
        given = parse_json(arguments)
    except ValueError as error:
        raise UserError(f"the arguments are not a JSON object: {error}") from error
    if not isinstance(given, dict):
        raise UserError("the arguments are not a JSON object")
    with opened(charter) as warden:
        high_water.refuse_rollback(warden)
        decision = warden.decide(Act(tool, given, because, tuple(source or ())))
        reported(json_file, spoken(decision))
        note = f"  (request {decision.approval}: adhere warden approve {decision.approval} --sign KEY)"
        tell(
            f"{decision.verdict.name.lower()}: {decision.reason}"
            + (f", {decision.text}" if decision.text else "")
            + (" [a check broke]" if decision.failed else "")
            + (note if decision.approval and not decision.allowed else "")
        )
        if decision.allowed:
            tell(f"act {decision.act.id if decision.act else ''} is in flight: report its outcome with `finish`")
            return
    raise typer.Exit(1)


def finish(
    act: Annotated[str, typer.Argument(help="The act's identifier, from `decide`.")],
    outcome: Annotated[str, typer.Argument(help="done, failed or unknown.")] = "done",
    charter: Charter = HERE,
) -> None:
    """Report the outcome of an allowed act."""
    from adhere.warden.acts.acts import Act, Decision, Verdict

    with opened(charter) as warden:
        warden.finished(Decision(Verdict.ALLOW, "", act=Act("finished", id=act)), outcome)
        tell(f"{act}: {outcome}")


def run(
    context: typer.Context,
    user: Annotated[
        str, typer.Option(help="Run the agent as this user; nothing keeps it from the charter more surely.")
    ] = "",
    method: Annotated[
        list[str] | None,
        typer.Option(help="Containment: cgroup, 'pid namespace', subreaper, 'process group'. Default: all available."),
    ] = None,
    show: Annotated[bool, typer.Option("--show-charter", help="Do not hide the charter's folder.")] = False,
    pass_env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Environment variable that the agent gets as well; may be repeated."),
    ] = None,
    network: Annotated[str, typer.Option(help="all; loopback: nothing but itself; none: no network at all.")] = "all",
    leave_open: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="SOCKET", help="Daemon's socket that the agent may reach, e.g. docker's; may be repeated."
        ),
    ] = None,
    charter: Charter = HERE,
) -> None:
    """Run an agent inside the supervisor: `adhere warden run -- python my_agent.py`.

    The agent gets the usual variables (PATH, HOME, LANG, ...) and those named with --pass-env, no others. Principals'
    private keys and sockets of daemons that start processes (tmux, docker, systemd) are hidden from it. Its place is
    tried from inside before it starts, and what is open is printed.

    Exit code: the agent's own; 3 where it was stopped; 4 where nobody can verify that nothing of it is left; 130 where
    it was interrupted.
    """
    from adhere.warden.supervision import attest, running

    command = _command(context, "no command was given: adhere warden run -- COMMAND")
    with opened(charter, instance="run") as warden:
        ended = running.run(
            warden,
            command,
            methods=method or None,
            user=_user(user),
            hide=not show,
            pass_env=pass_env or (),
            network=network,
            left_open=leave_open or (),
            on_start=_started,
        )
        if ended.attestation is not None:
            for line in attest.lines(ended.attestation.body):
                print(f"adhere: {line}", file=sys.stderr)
            raise typer.Exit(3)
        if not ended.killed.verified:
            print(
                "adhere: ALARM: the process reaper was killed, and nothing verifies that no process of the agent is "
                "left; look for one, then: adhere warden stop",
                file=sys.stderr,
            )
            raise typer.Exit(4)
        left = len(ended.killed.processes)
        if left:
            print(f"adhere: the agent ended and left {left} processes behind, which were ended", file=sys.stderr)
    status = ended.status or 0
    raise typer.Exit(status if status >= 0 else 128 - status)


def _started(supervisor: Supervisor) -> None:
    hidden = "the charter is hidden from it" if supervisor.hides else "the charter is NOT hidden from it"
    contained = ", ".join(supervisor.contained)
    print(f"adhere: agent {supervisor.pid} runs, contained by {contained}; {hidden}", file=sys.stderr)
    for what in supervisor.open:
        print(f"adhere: open: {what}", file=sys.stderr)


def mcp(
    context: typer.Context,
    env_file: Annotated[
        Path | None, typer.Option(help="Credentials for the server, NAME=VALUE lines, which the agent never sees.")
    ] = None,
    charter: Charter = HERE,
) -> None:
    """Serve another MCP server's tools through the warden, on standard input and output."""
    import asyncio

    from adhere.warden.integrations import mcp_proxy

    command = _command(context, "no server was named: adhere warden mcp -- COMMAND")
    secrets = {}
    if env_file is not None:
        try:
            lines = env_file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UserError(f"{env_file}: {error.strerror}") from error
        secrets = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    with opened(charter, instance="mcp") as warden:
        asyncio.run(mcp_proxy.serve_stdio(warden, command, secrets))


def _command(context: typer.Context, missing: str) -> list[str]:
    """The command after `--`."""
    command = context.args[1:] if context.args[:1] == ["--"] else list(context.args)
    if not command:
        raise UserError(missing)
    return command


def _user(name: str) -> tuple[int, int] | None:
    import pwd

    if not name:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise UserError(f"no user is called {name!r}") from None
    return entry.pw_uid, entry.pw_gid
