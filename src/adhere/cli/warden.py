"""`adhere warden ...`: say who may instruct, instruct, run an agent, stop it, and see what happened."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adhere.cli import warden_charter, warden_ledger, warden_run, warden_see
from adhere.cli.options import Charter, Json
from adhere.cli.warden_common import HERE, For, Kept, Sign, opened, reported, seconds, sentence, signers, spent
from adhere.core.errors import UserError

if TYPE_CHECKING:
    from adhere.warden.engine.warden import Warden

app = typer.Typer(help="Manage principals, standing orders, and verified stops for agents.", no_args_is_help=True)
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
    from adhere.warden.charter import keys as library

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
    from adhere.warden import canonical
    from adhere.warden.orders import instructions

    with opened(charter) as warden:
        envelope = instructions.from_bytes(canonical.read(file, "statement"), str(file))
        _deliver(warden, envelope, sign, file)


def _say(warden: Warden, kind: Any, sign: list[str] | None, out: Path | None, **fields: Any) -> bool:
    """Compose, sign and submit; whether it is in force. One that lacks signatures is kept in a file."""
    from adhere.warden.orders import instructions

    statement = warden.draft(kind, **fields)
    return _deliver(warden, instructions.seal(statement), sign, out or Path(f"{kind}-{statement.nonce[:8]}.json"))


def _deliver(warden: Warden, envelope: Any, sign: list[str] | None, file: Path) -> bool:
    from adhere.warden import canonical
    from adhere.warden.orders import instructions

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
    from adhere.warden.orders.orders import Mode
    from adhere.warden.supervision import attest, running

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
    from adhere.warden.orders import instructions

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
    from adhere.warden.engine import charter_setup

    with opened(charter) as warden:
        found = signers(sign, warden.charter)
        if len(found) != 1:
            raise UserError("a heartbeat is signed by one principal: --sign KEY")
        terms, last = warden.charter.terms.lease, warden.heartbeat()
        beat = warden.beat(
            charter_setup.sign_heartbeat(
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
    from adhere.warden.orders import approvals

    with opened(charter) as warden:
        found = approvals.requests(warden.ledger, warden.clock(), warden.state().epoch, everything=everything)
        reported(json_file, {"requests": [vars(request) for request in found]})
        if not found:
            typer.echo("nothing waits")
        for request in found:
            left = spent(request.expires - warden.clock())
            uses = f", {request.uses} uses left" if request.status == "approved" else ""
            typer.echo(f"--- {request.id}  {request.status}{uses}, {left} left")
            typer.echo(request.text)


def _answer(kind: str, request: str, sign: list[str] | None, lasts: str, uses: int, charter: Path) -> None:
    from adhere.warden.orders import approvals

    with opened(charter) as warden:
        wanted = approvals.find(warden.ledger, request)
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


BEHIND_DASHES = {"allow_extra_args": True, "ignore_unknown_options": True}
"""What follows `--` is a command of somebody else's."""

app.command(rich_help_panel="run")(warden_run.decide)
app.command(rich_help_panel="run")(warden_run.finish)
app.command(context_settings=BEHIND_DASHES, rich_help_panel="run")(warden_run.run)
app.command(context_settings=BEHIND_DASHES, rich_help_panel="run")(warden_run.mcp)
app.command(rich_help_panel="see")(warden_see.status)
app.command(rich_help_panel="see")(warden_see.posture)
app.command(rich_help_panel="see")(warden_see.orders)
