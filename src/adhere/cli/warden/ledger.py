"""`adhere warden ledger ...`: show the ledger, verify it, have witnesses sign it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from adhere.cli.options import Charter, Json
from adhere.cli.warden.common import HERE, Sign, opened, reported, signers, tell
from adhere.core.errors import UserError

if TYPE_CHECKING:
    from adhere.warden.ledger.store import Location

app = typer.Typer(help="Show and verify the ledger, and have witnesses sign it.", no_args_is_help=True)


@app.command("verify")
def verify(
    checkpoints: Annotated[list[Path] | None, typer.Argument(help="More checkpoints to compare with.")] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="Verifier key NAME+HASH+BASE64; default: those of the charter.")
    ] = None,
    json_file: Json = None,
    charter: Charter = HERE,
) -> None:
    """Recompute every hash and compare with every checkpoint that witnesses hold. Exit code 1: a fault was found."""
    from adhere.warden.engine import witness

    notes, silent = [], []
    with opened(charter) as warden:
        keys = key or [verifier.to_text() for verifier in witness.verifiers(warden)]
        for text in warden.charter.terms.witnesses:
            try:
                held = witness.witness(text).notes()
                notes += held
                if not held:
                    silent.append(f"{text} holds no checkpoint yet")
            except (UserError, OSError, ValueError) as error:
                silent.append(f"{text}: {error}")
        ledger = warden.ledger.again()
    for file in checkpoints or ():
        try:
            notes.append(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{file}: {error.strerror}") from error
    try:
        size, root, faults = ledger.verify(keys, notes)
    finally:
        ledger.close()
    reported(json_file, {"size": size, "root": root, "faults": faults, "checkpoints": len(notes), "silent": silent})
    for line in silent:
        tell(f"not compared: {line}")
    for fault in faults:
        tell(f"FAULT  {fault}")
    if faults:
        tell(f"{size} entries: {len(faults)} faults")
        raise typer.Exit(1)
    held_by = f", and with {len(notes)} checkpoints"
    if not notes:
        held_by = "; no checkpoint was kept elsewhere, so a rewrite would not show"
    tell(f"{size} entries, root {root[:16]}: consistent with itself{held_by}")


Url = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="PostgreSQL database, as postgresql://adhere@host/database; the password comes from PGPASSWORD or "
        "~/.pgpass.",
    ),
]
Schema = Annotated[str, typer.Option("--schema", help="Schema of the database; one ledger each.")]


@app.command("move")
def move(url: Url, schema: Schema = "adhere", charter: Charter = HERE) -> None:
    """Move the ledger into a PostgreSQL database that several gateways and wardens share."""
    import time

    from adhere.warden.engine import shared_ledger

    size = shared_ledger.move(charter, _place(url, schema), time.time)
    tell(f"{size} entries moved and verified; {charter / 'ledger.db.moved'} is closed")
    tell(f"now sign a heartbeat for it: adhere warden lease --sign KEY --charter {charter}")


@app.command("join")
def join(url: Url, schema: Schema = "adhere", charter: Charter = HERE) -> None:
    """Make a folder that holds `warden.key` a folder of the charter whose ledger is in the database."""
    from adhere.warden.engine import shared_ledger

    joined = shared_ledger.join(charter, _place(url, schema))
    tell(f"{charter} is a folder of the charter {joined.digest[:16]} for {joined.terms.agent}")


def _place(url: str, schema: str) -> Location:
    from adhere.warden.ledger.store import Location

    if not url.startswith(("postgresql://", "postgres://")):
        raise UserError(f"{url[:80]}: a database is given as postgresql://user@host/database")
    if urlsplit(url).password:
        raise UserError("leave the password out of the URL, it would be written down: PGPASSWORD, or ~/.pgpass")
    return Location(url, schema)


@app.command("show")
def show(
    last: Annotated[int, typer.Option(min=1, help="Number of entries from the end.")] = 20,
    first: Annotated[int | None, typer.Option(min=0, help="Start at this entry.")] = None,
    json_file: Json = None,
    charter: Charter = HERE,
) -> None:
    """Print entries."""
    with opened(charter) as warden:
        entries = warden.ledger.last(last) if first is None else warden.ledger.entries(first, last)
    reported(json_file, {"entries": [vars(entry) for entry in entries]})
    for entry in entries:
        when = datetime.fromtimestamp(entry.time, UTC).strftime("%Y-%m-%d %H:%M:%S")
        body = {name: value for name, value in entry.body.items() if name != "envelope"}
        text = json.dumps(body, ensure_ascii=False, default=str)
        tell(f"{entry.seq:>6} {when} {entry.kind:<10} {text if len(text) <= 300 else text[:297] + '...'}")


@app.command("checkpoint")
def checkpoint(
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the checkpoint to a file instead of printing it.")
    ] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Send the checkpoint to the charter's witnesses.")] = False,
    charter: Charter = HERE,
) -> None:
    """Sign a checkpoint of the ledger (C2SP). Keep it where whoever holds the ledger cannot change it."""
    from adhere.warden import canonical
    from adhere.warden.engine import witness

    with opened(charter) as warden:
        if publish:
            published = witness.publish(warden)
            if not published:
                raise UserError("the charter names no witness: adhere warden charter amend --witness file:PATH")
            for text, fault in published.items():
                tell(f"{text}: {fault or 'accepted'}")
            if any(published.values()):
                raise typer.Exit(1)
            return
        note = witness.note(warden)
    if out is None:
        typer.echo(note, nl=False)
    else:
        canonical.replace(out, note.encode(), mode=0o644)
        tell(f"checkpoint: {out}")


@app.command("cosign")
def cosign(
    file: Annotated[Path, typer.Argument(help="A signed checkpoint.")], sign: Sign = None, charter: Charter = HERE
) -> None:
    """Sign a checkpoint as a witness, after checking that the ledger contains it."""
    from adhere.warden import canonical
    from adhere.warden.engine import witness

    with opened(charter) as warden:
        loaded = signers(sign, warden.charter)
        if len(loaded) != 1:
            raise UserError("one witness signs at a time: --sign KEY")
        signed = witness.cosign(warden, canonical.read(file, "checkpoint").decode("utf-8", "replace"), loaded[0])
    canonical.replace(file, signed.encode(), mode=0o644)
    tell(f"{file} is cosigned")


@app.command("prove")
def prove(
    entry: Annotated[int, typer.Argument(min=0, help="The entry's number.")],
    json_file: Json = None,
    charter: Charter = HERE,
) -> None:
    """Print an inclusion proof for one entry, which the checkpoint alone verifies, without the ledger."""
    from adhere.warden.engine import witness
    from adhere.warden.ledger import merkle

    with opened(charter) as warden:
        leaves = warden.ledger.leaves()
        if entry >= len(leaves):
            raise UserError(f"the ledger has {len(leaves)} entries: 0 to {len(leaves) - 1}")
        proof = [base64.b64encode(hashed).decode() for hashed in merkle.inclusion(leaves, entry)]
        note = witness.note(warden)
        leaf = warden.ledger.query("SELECT leaf FROM entry WHERE seq = ?", (entry,))[0][0].decode()
    reported(json_file, {"entry": entry, "leaf": leaf, "proof": proof, "checkpoint": note})
    tell(leaf)
    tell("\n".join(proof))
    typer.echo(note, nl=False)
