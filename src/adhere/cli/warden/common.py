"""What the warden's commands share: opening, signing, durations, output."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adhere.cli import console as output
from adhere.core.errors import UserError
from adhere.core.files import write_text
from adhere.core.terminal import visible

if TYPE_CHECKING:
    from securesystemslib.signer import Signer

    from adhere.warden.charter.charter import Charter
    from adhere.warden.charter.quorum import Proof
    from adhere.warden.engine.warden import Accepted, Warden

HERE = Path("charter")
"""The charter's folder, unless `--charter` names another."""

Sign = Annotated[
    list[str] | None,
    typer.Option(
        "--sign",
        metavar="KEY",
        help="Sign with this private key: a file, or NAME=URI for an HSM or KMS. May be repeated.",
        show_default=False,
    ),
]
Kept = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Where to keep the statement until it has all signatures.")
]
For = Annotated[str, typer.Option("--for", metavar="TIME", help="Duration: 90s, 30m, 8h, 7d.")]

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")


def opened(folder: Path, **options: Any) -> Warden:
    """The warden of `folder`."""
    from adhere.warden.engine.warden import Warden

    return Warden.open(folder, **options)


def seconds(text: str) -> float:
    """A duration as people write it, in seconds.

    Raises:
        UserError: it is no duration.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None or float(match[1]) <= 0:
        raise UserError(f"{text!r} is not a duration: write 90s, 30m, 8h, 7d or 2w")
    return float(match[1]) * UNITS[match[2]]


def spent(left: float) -> str:
    """Seconds as people read them."""
    if left <= 0:
        return "no time"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if left >= 2 * size:
            return f"{left / size:.0f} {unit}"
    return f"{left:.0f} s"


def signers(sources: Sequence[str] | None, charter: Charter) -> list[Signer]:
    """The signers that --sign names."""
    from adhere.warden.charter import keys

    held = {principal.name: principal.key for principal in charter.principals()}
    loaded = []
    for text in sources or ():
        name, _, uri = text.partition("=")
        if uri and ":" in uri and name in held:
            loaded.append(keys.load_signer(uri, held[name]))
        else:
            loaded.append(keys.load_signer(text))
    return loaded


def sentence(accepted: Accepted, proof: Proof) -> str:
    """What an accepted statement changed, in a line."""
    who = ", ".join(proof.persons)
    state = accepted.state
    if accepted.kind == "instruct":
        words = {
            "in-force": "in force",
            "conflict-held": "accepted, but it CONFLICTS with another one: every act asks until a new one settles it",
            "conflict-safer": "accepted; it conflicts with another one, and the safer of both is in force",
        }
        return f"{words[accepted.reason]} (by {who}; entry {accepted.seq})"
    if accepted.kind == "resume":
        kept = "its instructions kept" if any(c.in_force for c in state.chains) else "no instruction in force"
        return f"running, epoch {state.epoch}, {kept} (by {who})"
    if accepted.kind == "pause":
        return f"{state.mode.value}: no act is let through (by {who})"
    if accepted.kind in ("approve", "refuse"):
        return f"request {accepted.detail}: {accepted.reason} (by {who})"
    return f"{accepted.kind}: {accepted.reason} (by {who})"


def table(rows: Iterable[tuple[str, str]]) -> None:
    """Two columns."""
    for name, value in rows:
        tell(f"{name:<10} {value}")


def reported(path: Path | None, fields: Mapping[str, Any]) -> None:
    """Write `fields` as JSON where --json was given."""
    if path is None:
        return
    write_text(path, json.dumps(fields, indent=1, ensure_ascii=False, default=str) + "\n")


def tell(text: object) -> None:
    """Print lines of which any part may be foreign."""
    for line in str(text).split("\n"):
        output.say(visible(line))
