"""`adhere warden ...`: say who may instruct, instruct, run an agent, stop it, and see what happened."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adhere.cli import warden_charter, warden_ledger
from adhere.cli.options import Charter, Json
from adhere.cli.warden_common import HERE, For, Kept, Sign, opened, reported, seconds, sentence, signers, spent, table
from adhere.errors import UserError

if TYPE_CHECKING:
    from adhere.warden.warden import Warden

app = typer.Typer(help="Who may instruct, what is in force, and a stop that has happened.", no_args_is_help=True)
keys = typer.Typer(help="Keys of principals.", no_args_is_help=True)
app.add_typer(keys, name="key")
app.add_typer(warden_charter.app, name="charter")
app.add_typer(warden_ledger.app, name="ledger")


@keys.command("new")
def key_new(
    name: Annotated[str, typer.Argument(help="Whose key: writes NAME.key and NAME.pub.")],
    kind: Annotated[str, typer.Option(help="ed25519, ecdsa, rsa or ml-dsa.")] = "ed25519",
    charter: Charter = HERE,
) -> None:
    """Make a key pair. NAME.key stays with its owner; NAME.pub goes into a charter."""
    del charter
    from adhere.warden import keys as library

    secret, public = library.write_pair(library.generate(kind), Path(name))
    typer.echo(f"{secret} (keep it to yourself)  {public} (give it to whoever founds the charter)")


@app.command(rich_help_panel="instruct")
def instruct(
    text: Annotated[str, typer.Argument(help="What the agent shall do.")],
    sign: Sign = None,
    scope: Annotated[str, typer.Option(help="A scope of the charter; * is everything.")] = "*",
    effect: Annotated[str, typer.Option(help="allow, ask or deny what the scope covers.")] = "allow",
    lasts: For = "24h",
    out: Kept = None,
    charter: Charter = HERE,
) -> None:
    """Instruct the agent. When --for is over it stops: every instruction carries its own shutdown timer."""
    with opened(charter) as warden:
        held = [chain for chain in warden.state().chains if chain.scope == scope and chain.held]
        for chain in held:
            typer.echo("this settles a conflict between: " + " | ".join(link.text for link in chain.in_force))
        _say(warden, "instruct", sign, out, seconds=seconds(lasts), text=text, scope=scope, effect=effect)


@app.command(rich_help_panel="instruct")
def submit(
    file: Annotated[Path, typer.Argument(help="A statement that others have signed already.")],
    sign: Sign = None,
    charter: Charter = HERE,
) -> None:
    """Add signatures to a statement that was passed on, and put it in force if they are enough."""
    from adhere.warden import canonical, instructions

    with opened(charter) as warden:
        envelope = instructions.from_bytes(canonical.read(file, "statement"), str(file))
        _deliver(warden, envelope, sign, file)


def _say(warden: Warden, kind: Any, sign: list[str] | None, out: Path | None, **fields: Any) -> bool:
    """Compose, sign and submit; whether it is in force. One that lacks signatures is kept in a file."""
    from adhere.warden import instructions

    statement = warden.draft(kind, **fields)
    return _deliver(warden, instructions.seal(statement), sign, out or Path(f"{kind}-{statement.nonce[:8]}.json"))


def _deliver(warden: Warden, envelope: Any, sign: list[str] | None, file: Path) -> bool:
    from adhere.warden import canonical, instructions

    names = instructions.sign(envelope, warden.charter, signers(sign, warden.charter))
    statement = instructions.body(envelope)
    proof = warden.charter.verify(statement.role, envelope.pae(), envelope.signatures)
    partial = statement.kind in ("approve", "refuse")
    if not proof.holds and not (partial and proof.count):
        canonical.replace(file, instructions.to_bytes(envelope) + b"\n", mode=0o644)
        who = ", ".join(names) or "nobody"
        typer.echo(
            f"signed by {who}: {proof.count} of {proof.threshold} that {proof.role} needs, so it is NOT in force.\n"
            f"Pass {file} on: adhere warden submit {file} --sign KEY"
        )
        raise typer.Exit(1)
    accepted = warden.submit(instructions.to_bytes(envelope))
    if file.exists():
        file.unlink()
    typer.echo(sentence(accepted, proof))
    return True


@app.command(rich_help_panel="stop")
def stop(
    text: Annotated[str, typer.Argument(help="Why, for the ledger.")] = "",
    sign: Sign = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the signed attestation.")] = None,
    json_file: Json = None,
    charter: Charter = HERE,
) -> None:
    """Stop the agent and attest it: what was killed, how its end is known, what was in flight.

    Exit code 0: stopped, and nothing supervised is left. 1: in force, but its end is not verified.
    """
    from adhere.warden import attest, running
    from adhere.warden.orders import Mode

    with opened(charter) as warden:
        mode = warden.state().mode
        if mode not in (Mode.STOPPING, Mode.STOPPED) or sign:
            accepted = _stop_statement(warden, text, sign)
            if accepted.seq < 0:
                typer.echo(f"the stop is on the disk (latch), but the ledger could not be written: {accepted.detail}")
                raise typer.Exit(1)
        attestation = running.finish_stop(warden)
        for line in attest.lines(attestation.body):
            typer.echo(line)
        if out is not None:
            attest.save(out, attestation)
            typer.echo(f"signed attestation: {out}")
        reported(json_file, attestation.body)
        for where, fault in running.publish(warden).items():
            if fault:
                typer.echo(f"not witnessed by {where}: {fault}")
        if attestation.body["methods"] and not attestation.verified_empty:
            raise typer.Exit(1)


def _stop_statement(warden: Warden, text: str, sign: list[str] | None) -> Any:
    from adhere.warden import instructions

    if not sign:
        raise UserError("a stop is signed by one of the stop role: --sign KEY")
    envelope = instructions.seal(warden.draft("stop", seconds=600, text=text))
    instructions.sign(envelope, warden.charter, signers(sign, warden.charter))
    return warden.submit(instructions.to_bytes(envelope), "the stop")


@app.command(rich_help_panel="stop")
def pause(
    text: Annotated[str, typer.Argument(help="Why, for the ledger.")] = "",
    sign: Sign = None,
    charter: Charter = HERE,
) -> None:
    """Let no act through until an amend quorum resumes. The agent's processes stay."""
    with opened(charter) as warden:
        _say(warden, "pause", sign, None, seconds=600, text=text)


@app.command(rich_help_panel="stop")
def resume(
    text: Annotated[str, typer.Argument(help="Why, for the ledger.")] = "",
    sign: Sign = None,
    keep: Annotated[bool, typer.Option("--keep", help="The instructions from before stay in force.")] = False,
    out: Kept = None,
    charter: Charter = HERE,
) -> None:
    """Take up again after a stop or pause, in a new epoch: needs the amend quorum."""
    with opened(charter) as warden:
        _say(warden, "resume", sign, out, seconds=3600, text=text, keep=keep)


@app.command(rich_help_panel="instruct")
def lease(
    sign: Sign = None,
    lasts: Annotated[str, typer.Option("--for", help="How long: 90s, 30m, 8h, 7d. Default: the charter's.")] = "",
    instances: Annotated[
        int | None, typer.Option(min=1, help="How many may run at once. Default: the charter's.")
    ] = None,
    charter: Charter = HERE,
) -> None:
    """Send a heartbeat: the agent may go on here. Any one principal may."""
    from adhere.warden import founding

    with opened(charter) as warden:
        found = signers(sign, warden.charter)
        if len(found) != 1:
            raise UserError("a heartbeat is signed by one principal: --sign KEY")
        terms, last = warden.charter.terms.lease, warden.heartbeat()
        beat = warden.beat(
            founding.sign_heartbeat(
                charter,
                warden.charter,
                found[0],
                version=last.version + 1 if last else 1,
                now=warden.clock(),
                seconds=seconds(lasts) if lasts else terms.seconds,
                instances=instances or (last.instances if last else terms.instances),
            )
        )
        typer.echo(
            f"lease renewed by {', '.join(beat.by)}: {beat.instances} at once, for {spent(beat.expires - time.time())}"
        )


@app.command(rich_help_panel="confirm")
def approvals(
    everything: Annotated[bool, typer.Option("--all", help="Also what was used, refused, lapsed or voided.")] = False,
    json_file: Json = None,
    charter: Charter = HERE,
) -> None:
    """List what waits for confirmation, and approvals that may still be used."""
    from adhere.warden import confirm

    with opened(charter) as warden:
        found = confirm.requests(warden.ledger, warden.clock(), warden.state().epoch, everything=everything)
        reported(json_file, {"requests": [vars(request) for request in found]})
        if not found:
            typer.echo("nothing waits")
        for request in found:
            left = spent(request.expires - warden.clock())
            uses = f", {request.uses} uses left" if request.status == "approved" else ""
            typer.echo(f"--- {request.id}  {request.status}{uses}, {left} left")
            typer.echo(request.text)


def _answer(kind: str, request: str, sign: list[str] | None, lasts: str, uses: int, charter: Path) -> None:
    from adhere.warden import confirm

    with opened(charter) as warden:
        wanted = confirm.find(warden.ledger, request)
        typer.echo(wanted.text)
        fields = {"role": wanted.role, "action": wanted.act, "shown": wanted.digest, "uses": uses}
        _say(warden, kind, sign, None, seconds=seconds(lasts), **fields)


@app.command(rich_help_panel="confirm")
def approve(
    request: Annotated[str, typer.Argument(help="The request's name, from `approvals`.")],
    sign: Sign = None,
    lasts: For = "1h",
    uses: Annotated[int, typer.Option(min=1, max=1000, help="How often the act may be performed.")] = 1,
    charter: Charter = HERE,
) -> None:
    """Approve an act as it is shown: you sign what you see."""
    _answer("approve", request, sign, lasts, uses, charter)


@app.command(rich_help_panel="confirm")
def refuse(
    request: Annotated[str, typer.Argument(help="The request's name, from `approvals`.")],
    sign: Sign = None,
    charter: Charter = HERE,
) -> None:
    """Refuse an act, or withdraw an approval."""
    _answer("refuse", request, sign, "1h", 1, charter)


@app.command(rich_help_panel="run")
def decide(
    tool: Annotated[str, typer.Argument(help="The tool's name.")],
    arguments: Annotated[str, typer.Argument(help="Its arguments, a JSON object.")] = "{}",
    because: Annotated[str, typer.Option(help="The agent's reason.")] = "",
    source: Annotated[list[str] | None, typer.Option(help="Where its content comes from; may be repeated.")] = None,
    json_file: Json = None,
    charter: Charter = HERE,
) -> None:
    """Propose an act and print the decision. Exit code 0: allowed; 1: not."""
    from adhere.warden.acts import Act
    from adhere.warden.control import spoken

    try:
        given = json.loads(arguments)
    except ValueError as error:
        raise UserError(f"the arguments are not a JSON object: {error}") from error
    if not isinstance(given, dict):
        raise UserError("the arguments are not a JSON object")
    with opened(charter) as warden:
        decision = warden.decide(Act(tool, given, because, tuple(source or ())))
        reported(json_file, spoken(decision))
        note = f"  (request {decision.approval}: adhere warden approve {decision.approval} --sign KEY)"
        typer.echo(
            f"{decision.verdict.name.lower()}: {decision.reason}"
            + (f", {decision.text}" if decision.text else "")
            + (" [a check broke]" if decision.failed else "")
            + (note if decision.approval and not decision.allowed else "")
        )
        if decision.allowed:
            typer.echo(f"act {decision.act.id if decision.act else ''} is in flight: say how it went with `finish`")
            return
    raise typer.Exit(1)


@app.command(rich_help_panel="run")
def finish(
    act: Annotated[str, typer.Argument(help="The act's name, as `decide` gave it.")],
    outcome: Annotated[str, typer.Argument(help="done, failed or unknown.")] = "done",
    charter: Charter = HERE,
) -> None:
    """Say how an allowed act went."""
    from adhere.warden.acts import Act, Decision, Verdict

    with opened(charter) as warden:
        warden.finished(Decision(Verdict.ALLOW, "", act=Act("finished", id=act)), outcome)
        typer.echo(f"{act}: {outcome}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, rich_help_panel="run")
def run(
    context: typer.Context,
    user: Annotated[
        str, typer.Option(help="Run the agent as this user: the surest way to keep it from the charter.")
    ] = "",
    method: Annotated[
        list[str] | None,
        typer.Option(help="Containment: cgroup, 'pid namespace', subreaper, 'process group'. Default: all there is."),
    ] = None,
    show: Annotated[bool, typer.Option("--show-charter", help="Do not hide the charter's folder.")] = False,
    charter: Charter = HERE,
) -> None:
    """Run an agent inside the supervisor: `adhere warden run -- python my_agent.py`.

    Exit code: the agent's own; 3 where it was stopped; 130 where it was interrupted.
    """
    from adhere.warden import attest, running

    command = context.args[1:] if context.args[:1] == ["--"] else list(context.args)
    if not command:
        raise UserError("no command to run: adhere warden run -- COMMAND")
    with opened(charter, instance="run") as warden:
        ended = running.run(
            warden,
            command,
            methods=method or None,
            user=_user(user),
            hide=not show,
            on_start=lambda s: print(
                f"adhere: agent {s.pid} runs, contained by {', '.join(s.contained)}; "
                + ("the charter is hidden from it" if s.hides else "the charter is NOT hidden from it"),
                file=sys.stderr,
            ),
        )
        if ended.attestation is not None:
            for line in attest.lines(ended.attestation.body):
                print(f"adhere: {line}", file=sys.stderr)
            raise typer.Exit(3)
        left = len(ended.killed.processes)
        if left:
            print(f"adhere: the agent ended and left {left} processes, which were ended too", file=sys.stderr)
    status = ended.status or 0
    raise typer.Exit(status if status >= 0 else 128 - status)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, rich_help_panel="run")
def mcp(
    context: typer.Context,
    env_file: Annotated[
        Path | None, typer.Option(help="NAME=VALUE lines: credentials for the server, which the agent never sees.")
    ] = None,
    charter: Charter = HERE,
) -> None:
    """Serve another MCP server's tools through the warden, on standard input and output."""
    import asyncio

    from adhere.warden import mcp_proxy

    command = context.args[1:] if context.args[:1] == ["--"] else list(context.args)
    if not command:
        raise UserError("no server to put behind the warden: adhere warden mcp -- COMMAND")
    secrets = {}
    if env_file is not None:
        try:
            lines = env_file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UserError(f"{env_file}: {error.strerror}") from error
        secrets = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    with opened(charter, instance="mcp") as warden:
        asyncio.run(mcp_proxy.serve_stdio(warden, command, secrets))


def _user(name: str) -> tuple[int, int] | None:
    import pwd

    if not name:
        return None
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise UserError(f"no user is called {name!r}") from None
    return found.pw_uid, found.pw_gid


@app.command(rich_help_panel="see")
def status(json_file: Json = None, charter: Charter = HERE) -> None:
    """What is in force: mode, epoch, instructions, lease, acts in flight, what waits."""
    from adhere.warden import confirm, orders
    from adhere.warden.supervisor import marked

    with opened(charter) as warden:
        state = warden.tick()
        beat, now = warden.heartbeat(), warden.clock()
        waiting = confirm.requests(warden.ledger, now, state.epoch)
        record = json.loads(warden.ledger.get("supervised") or "{}")
        alive = marked(record["run"]) if record else []
        peaks = warden.ledger.peaks()
        reported(
            json_file,
            {
                **orders.to_dict(state),
                "agent": warden.charter.terms.agent,
                "lease": beat.to_dict() if beat else None,
                "lease_level": state.lease.name.lower(),
                "waiting": [request.id for request in waiting],
                "processes": alive,
                "ledger": {"size": peaks.size, "root": peaks.root.hex()},
            },
        )
        cause = f" (cause: {state.cause})" if state.cause else ""
        rows = [("agent", warden.charter.terms.agent), ("mode", state.mode.value + cause), ("epoch", str(state.epoch))]
        stopped = state.mode in (orders.Mode.STOPPING, orders.Mode.STOPPED)
        for chain in () if stopped else state.chains:
            for link in chain.in_force:
                kind = "CONFLICT" if chain.held else link.effect.value
                left = spent(link.expires - now)
                about = "" if chain.scope == "*" else f" [{chain.scope}]"
                rows.append(("in force", f"{kind}{about}: {link.text}  (by {', '.join(link.by)}, {left} left)"))
        if stopped:
            rows.append(("in force", "the stop, and nothing else"))
        elif not any(chain.in_force for chain in state.chains):
            rows.append(("in force", "nothing: every act is denied until somebody instructs"))
        lasts = spent(beat.expires - now) + " left" if beat and beat.expires > now else "lapsed"
        rows.append(
            (
                "lease",
                f"{state.lease.name.lower()}, {beat.instances} at once, {lasts}"
                if beat
                else "none yet, so nothing runs",
            )
        )
        rows.append(("processes", f"{len(alive)} supervised" if record else "no agent runs under this charter"))
        rows.append(("in flight", ", ".join(sorted(state.flight)) or "no act"))
        if state.unknown:
            rows.append(("unknown", f"{', '.join(sorted(state.unknown))}: begun, and nobody said how they went"))
        rows.append(("waiting", ", ".join(r.id for r in waiting) or "nothing"))
        rows.append(("ledger", f"{peaks.size} entries, root {peaks.root.hex()[:16]}"))
        table(rows)


@app.command(rich_help_panel="see")
def posture(json_file: Json = None, charter: Charter = HERE) -> None:
    """What is protected here, what is not, and why."""
    from adhere.warden.posture import posture as look

    with opened(charter) as warden:
        lines = look(warden)
        reported(json_file, {"posture": [vars(line) for line in lines]})
        for line in lines:
            typer.echo(f"{line.status:<7} {line.what}: {line.how}")


@app.command("orders", rich_help_panel="see")
def orders_command(charter: Charter = HERE) -> None:
    """The standing orders and what is in force, as text for a model's system prompt."""
    with opened(charter) as warden:
        typer.echo(warden.orders_text())
