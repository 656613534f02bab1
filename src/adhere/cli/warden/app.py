"""`adhere warden ...`: instruct, stop, confirm; the other commands are in the files beside this one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adhere.cli.options import Charter, Json
from adhere.cli.warden import agents, charter, ledger, status
from adhere.cli.warden.common import (
    HERE,
    For,
    Kept,
    Sign,
    opened,
    reported,
    seconds,
    sentence,
    signers,
    spent,
    tell,
)
from adhere.core.errors import UserError

if TYPE_CHECKING:
    from adhere.warden.engine.warden import Warden

app = typer.Typer(help="Manage principals, standing orders, and verified stops for agents.", no_args_is_help=True)
keys = typer.Typer(help="Make keys for principals.", no_args_is_help=True)
attestations = typer.Typer(help="Verify attestations of stops.", no_args_is_help=True)
app.add_typer(keys, name="key")
app.add_typer(attestations, name="attest")
app.add_typer(charter.app, name="charter")
app.add_typer(ledger.app, name="ledger")


@keys.command("new")
def key_new(
    name: Annotated[str, typer.Argument(help="Principal; a path, such as keys/owner, keeps both parts together.")],
    kind: Annotated[str, typer.Option(help="ed25519, ecdsa, rsa or ml-dsa.")] = "ed25519",
    keys_folder: Annotated[
        Path | None,
        typer.Option("--keys", metavar="DIR", help="Folder of the private key. Default: $XDG_DATA_HOME/adhere/keys."),
    ] = None,
    charter: Charter = HERE,
) -> None:
    """Make a key pair: the private NAME.key goes to the keys' home, NAME.pub is written here, for a charter.

    A private key in the folder in which an agent works is within the agent's reach.
    """
    del charter
    from adhere.warden.charter import keys as library

    path = Path(name)
    folder = keys_folder or (library.home_of_keys() if path.name == name else None)
    secret, public = library.write_pair(library.generate(kind), path, folder)
    tell(f"{secret} (secret)  {public} (public, for the charter)")


@attestations.command("verify")
def attest_verify(
    file: Annotated[Path, typer.Argument(help="An attestation, as `stop --out` writes it.")],
    key: Annotated[
        str, typer.Option(metavar="HEX", help="The warden's public key; default: the one in the charter.")
    ] = "",
    json_file: Json = None,
    charter: Charter = HERE,
) -> None:
    """Verify the signature of a stop's attestation and print it. Exit code 1: the stop's end is not verified in it.

    With --key, neither the charter nor its ledger is needed.
    """
    from adhere.warden import canonical
    from adhere.warden.charter import charter as library
    from adhere.warden.supervision import attest

    public = key or library.load(charter).terms.warden
    attestation = attest.verify(canonical.read(file, "attestation"), public)
    reported(json_file, attestation.body)
    for line in attest.lines(attestation.body):
        tell(line)
    if attestation.body["methods"] and not attestation.verified_empty:
        raise typer.Exit(1)


@app.command(rich_help_panel="instruct")
def instruct(
    text: Annotated[str, typer.Argument(help="The instruction.")],
    sign: Sign = None,
    scope: Annotated[str, typer.Option(help="Scope of the charter; * is everything.")] = "*",
    effect: Annotated[str, typer.Option(help="Effect on acts in the scope: allow, ask or deny.")] = "allow",
    lasts: For = "24h",
    out: Kept = None,
    charter: Charter = HERE,
) -> None:
    """Instruct the agent. The instruction ends when --for is over."""
    with opened(charter) as warden:
        held = [chain for chain in warden.state().chains if chain.scope == scope and chain.held]
        for chain in held:
            tell("this instruction settles a conflict between: " + " | ".join(link.text for link in chain.in_force))
        _issue(warden, "instruct", sign, out, seconds=seconds(lasts), text=text, scope=scope, effect=effect)


@app.command(rich_help_panel="instruct")
def submit(
    file: Annotated[Path, typer.Argument(help="A statement that others have signed.")],
    sign: Sign = None,
    charter: Charter = HERE,
) -> None:
    """Add signatures to a statement, and put it in force once it has enough."""
    from adhere.warden import canonical
    from adhere.warden.orders import instructions

    with opened(charter) as warden:
        envelope = instructions.from_bytes(canonical.read(file, "statement"), str(file))
        _deliver(warden, envelope, sign, file)


def _issue(warden: Warden, kind: Any, sign: list[str] | None, out: Path | None, **fields: Any) -> bool:
    """Compose, sign and submit a statement; one that lacks signatures is kept in a file. Whether it is in force."""
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
        tell(
            f"signed by {who}: {proof.count} of {proof.threshold} that {proof.role} requires, so it is NOT in force.\n"
            f"Pass {file} on: adhere warden submit {file} --sign KEY"
        )
        raise typer.Exit(1)
    accepted = warden.submit(instructions.to_bytes(envelope))
    if file.exists():
        file.unlink()
    tell(sentence(accepted, proof))
    return True


@app.command(rich_help_panel="stop")
def stop(
    text: Annotated[str, typer.Argument(help="The reason, for the ledger.")] = "",
    sign: Sign = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the signed attestation.")] = None,
    json_file: Json = None,
    charter: Charter = HERE,
) -> None:
    """Stop the agent and attest the stop: what was killed, how its end is verified, which acts were in flight.

    Exit code 0: stopped, and nothing supervised is left. 1: in force, but its end is not verified.
    """
    from adhere.warden.orders.orders import Mode
    from adhere.warden.supervision import attest, running

    with opened(charter) as warden:
        mode = warden.state().mode
        if mode not in (Mode.STOPPING, Mode.STOPPED) or sign:
            accepted = _stop_statement(warden, text, sign)
            if accepted.seq < 0:
                tell(f"the stop is on disk (latch), but the ledger could not be written: {accepted.detail}")
                raise typer.Exit(1)
        attestation = running.finish_stop(warden)
        for line in attest.lines(attestation.body):
            tell(line)
        if out is not None:
            attest.save(out, attestation)
            tell(f"signed attestation: {out}")
        reported(json_file, attestation.body)
        for where, fault in running.publish(warden).items():
            if fault:
                tell(f"not witnessed by {where}: {fault}")
        if attestation.body["methods"] and not attestation.verified_empty:
            raise typer.Exit(1)


def _stop_statement(warden: Warden, text: str, sign: list[str] | None) -> Any:
    from adhere.warden.orders import instructions

    if not sign:
        raise UserError("a stop needs the signature of a principal with the stop role: --sign KEY")
    envelope = instructions.seal(warden.draft("stop", seconds=600, text=text))
    instructions.sign(envelope, warden.charter, signers(sign, warden.charter))
    return warden.submit(instructions.to_bytes(envelope), "the stop")


@app.command(rich_help_panel="stop")
def pause(
    text: Annotated[str, typer.Argument(help="The reason, for the ledger.")] = "",
    sign: Sign = None,
    charter: Charter = HERE,
) -> None:
    """Deny every act until an amend quorum resumes. The agent's processes keep running."""
    with opened(charter) as warden:
        _issue(warden, "pause", sign, None, seconds=600, text=text)


@app.command(rich_help_panel="stop")
def resume(
    text: Annotated[str, typer.Argument(help="The reason, for the ledger.")] = "",
    sign: Sign = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the instructions from before in force.")] = False,
    out: Kept = None,
    charter: Charter = HERE,
) -> None:
    """Resume after a stop or pause, in a new epoch. Needs the amend quorum."""
    with opened(charter) as warden:
        _issue(warden, "resume", sign, out, seconds=3600, text=text, keep=keep)


@app.command(rich_help_panel="instruct")
def lease(
    sign: Sign = None,
    lasts: Annotated[str, typer.Option("--for", help="Duration: 90s, 30m, 8h, 7d. Default: the charter's.")] = "",
    instances: Annotated[
        int | None, typer.Option(min=1, help="Agents that may run at once. Default: the charter's.")
    ] = None,
    charter: Charter = HERE,
) -> None:
    """Renew the lease: the agent may continue on this machine. Any principal may sign it."""
    from adhere.warden.engine import charter_setup

    with opened(charter) as warden:
        loaded = signers(sign, warden.charter)
        if len(loaded) != 1:
            raise UserError("a lease is signed by exactly one principal: --sign KEY")
        terms, last = warden.charter.terms.lease, warden.heartbeat()
        beat = warden.beat(
            charter_setup.sign_heartbeat(
                charter,
                warden.charter,
                loaded[0],
                version=last.version + 1 if last else 1,
                now=warden.clock(),
                seconds=seconds(lasts) if lasts else terms.seconds,
                instances=instances or (last.instances if last else terms.instances),
            )
        )
        tell(
            f"lease renewed by {', '.join(beat.by)}: {beat.instances} at once, for {spent(beat.expires - time.time())}"
        )


@app.command(rich_help_panel="confirm")
def approvals(
    everything: Annotated[
        bool, typer.Option("--all", help="Include requests that were used, refused, expired or voided.")
    ] = False,
    json_file: Json = None,
    charter: Charter = HERE,
) -> None:
    """List pending requests, and approvals that may still be used."""
    from adhere.warden.orders import approvals

    with opened(charter) as warden:
        requests = approvals.requests(warden.ledger, warden.clock(), warden.state().epoch, everything=everything)
        reported(json_file, {"requests": [vars(request) for request in requests]})
        if not requests:
            tell("no request is pending")
        for request in requests:
            left = spent(request.expires - warden.clock())
            uses = f", {request.uses} uses left" if request.status == "approved" else ""
            tell(f"--- {request.id}  {request.status}{uses}, {left} left")
            tell(request.text)


def _answer(
    kind: str, request: str, sign: list[str] | None, lasts: str, uses: int, charter: Path, digest: str = ""
) -> None:
    from adhere.warden.canonical import Refused
    from adhere.warden.orders import approvals

    with opened(charter) as warden:
        wanted = approvals.find(warden.ledger, request)
        tell(wanted.text)
        fields = {"role": wanted.role, "action": wanted.act, "shown": wanted.digest, "uses": uses}
        if digest and digest != wanted.act:
            raise Refused("request", f"the digest of the act is {wanted.act}, not the one given")
        if digest:
            fields["text"] = approvals.by_digest(digest)
        _issue(warden, kind, sign, None, seconds=seconds(lasts), **fields)


@app.command(rich_help_panel="confirm")
def approve(
    request: Annotated[str, typer.Argument(help="The request's identifier, from `approvals`.")],
    sign: Sign = None,
    lasts: For = "1h",
    uses: Annotated[int, typer.Option(min=1, max=1000, help="Number of times that the act may be performed.")] = 1,
    digest: Annotated[str, typer.Option(help="The act's digest, for an act too long to be shown in full.")] = "",
    charter: Charter = HERE,
) -> None:
    """Approve an act. The signature covers exactly the text shown."""
    _answer("approve", request, sign, lasts, uses, charter, digest)


@app.command(rich_help_panel="confirm")
def refuse(
    request: Annotated[str, typer.Argument(help="The request's identifier, from `approvals`.")],
    sign: Sign = None,
    charter: Charter = HERE,
) -> None:
    """Refuse an act, or withdraw an approval."""
    _answer("refuse", request, sign, "1h", 1, charter)


BEHIND_DASHES = {"allow_extra_args": True, "ignore_unknown_options": True}
"""What follows `--` is another program's command line."""

app.command(rich_help_panel="run")(agents.decide)
app.command(rich_help_panel="run")(agents.finish)
app.command(context_settings=BEHIND_DASHES, rich_help_panel="run")(agents.run)
app.command(context_settings=BEHIND_DASHES, rich_help_panel="run")(agents.mcp)
app.command(rich_help_panel="see")(status.status)
app.command(rich_help_panel="see")(status.posture)
app.command(rich_help_panel="see")(status.orders)
