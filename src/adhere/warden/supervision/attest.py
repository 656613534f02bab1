"""The attestation of a stop: what was killed, how its end is known, what was in flight; signed, never a bare "ok".

Rules
- It is written by whoever verified the emptiness, signed with the warden's key (DSSE), and in the ledger before anybody
  is told.
- `verified_empty` is true only where every method of containment says that nothing is left. Where the containment
  cannot see everything, or the agent could reach a daemon that starts processes for it, `weaker` says so, and `reach`
  says what was within the agent's reach.
- Acts are listed as done, unknown (begun, and a stop or crash overtook them) and never started (asked for or approved,
  not begun). What was already sent to a third party cannot be recalled: unknown means look there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.signer import CryptoSigner, SSlibKey

from adhere.warden import canonical
from adhere.warden.canonical import Refused
from adhere.warden.engine import charter_setup
from adhere.warden.engine.warden import Warden
from adhere.warden.supervision.supervisor import Killed

TYPE = "application/vnd.adhere.stop-attestation+json"
LISTED = 200
"""Acts of each kind that are named; beyond that they are counted."""


@dataclass(frozen=True)
class Attestation:
    """What is attested, and the signed envelope it stands in."""

    body: Mapping[str, Any]
    envelope: bytes

    @property
    def verified_empty(self) -> bool:
        """Whether nothing is left, and that is known."""
        return bool(self.body["verified_empty"])


def acts_of_epoch(warden: Warden, began: int) -> dict[str, Any]:
    """The acts since entry `began`: done, unknown, never started."""
    rows = warden.ledger.query("SELECT id, status FROM act WHERE seq >= ? ORDER BY seq", (began,))
    waiting = warden.ledger.query(
        "SELECT id, tool FROM request WHERE status IN ('open', 'approved', 'void') AND epoch = ("
        "SELECT max(epoch) FROM request)"
    )
    groups = {
        "done": [name for name, status in rows if status == "done"],
        "failed": [name for name, status in rows if status == "failed"],
        "unknown": [name for name, status in rows if status in ("unknown", "flight")],
        "never_started": [f"{tool} (request {name})" for name, tool in waiting],
    }
    return {name: {"count": len(found), "acts": found[:LISTED]} for name, found in groups.items()}


def attest(
    warden: Warden,
    killed: Killed,
    request: Mapping[str, Any],
    began: int,
    now: float,
    *,
    reach: Mapping[str, Any] | None = None,
) -> Attestation:
    """The signed attestation. `request` is the entry that began the stop, `began` the first entry of its epoch.

    `reach`: what the agent could reach outside its place (`running.Reach`).
    """
    within = dict(reach or {})
    weaker = killed.weaker or bool(within.get("doors") or within.get("open"))
    state = warden.state()
    peaks = warden.ledger.peaks()
    body = {
        "v": 1,
        "agent": warden.charter.terms.agent,
        "charter": warden.charter.digest,
        "epoch": state.epoch,
        "cause": request.get("cause", state.cause),
        "by": request.get("by", []),
        "text": request.get("text", ""),
        "requested": request.get("time"),
        "attested": round(now, 3),
        **killed.to_dict(),
        "weaker": weaker,
        "reach": within,
        "acts": acts_of_epoch(warden, began),
        "ledger": {"size": peaks.size, "root": peaks.root.hex()},
    }
    key = charter_setup.warden_key(warden.folder)
    envelope = Envelope(canonical.dumps(body), TYPE, {})
    envelope.sign(CryptoSigner(key))
    return Attestation(body, canonical.dumps(envelope.to_dict()))


def verify(data: bytes, public: str) -> Attestation:
    """The attestation in `data`, if the warden's key (`Terms.warden`) signed it.

    Raises:
        Refused: it did not, or the data are something else.
    """
    document = canonical.loads(data, "the attestation")
    try:
        envelope = Envelope.from_dict(document)
        if envelope.payload_type != TYPE:
            raise ValueError(f"of type {envelope.payload_type!r:.60}")
        key = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)))
        envelope.verify([key], 1)
    except (ValueError, KeyError, TypeError, InvalidSignature, SecureSystemsError) as error:
        raise Refused("attestation", f"not an attestation by this charter's warden ({error})") from error
    return Attestation(canonical.loads(envelope.payload, "the attestation"), data)


def load_last(warden: Warden) -> Attestation | None:
    """The last attestation in the ledger."""
    text = warden.ledger.get("attestation")
    return (
        None if not text else Attestation(json.loads(json.loads(text)["body"]), json.loads(text)["envelope"].encode())
    )


def save(path: Path, attestation: Attestation) -> None:
    """Write the signed envelope to `path`.

    Raises:
        Refused: it cannot be written.
    """
    canonical.replace(path, attestation.envelope + b"\n", mode=0o644)


def lines(body: Mapping[str, Any]) -> list[str]:
    """The attestation in words, a line each."""
    how = " + ".join(body["methods"])
    if body["verified_empty"]:
        empty = "verified empty"
    elif not body["methods"]:
        empty = "no supervised process was found"
    else:
        broken = [name for name, ok in body["proofs"].items() if not ok]
        empty = f"NOT VERIFIED EMPTY ({', '.join(broken) or 'no proof'})"
    found = [
        f"stop in force, epoch {body['epoch']} (cause: {body['cause']}"
        + (f", by {', '.join(body['by'])}" if body["by"] else "")
        + ")",
        f"killed {len(body['processes'])} processes by {how} in {body['milliseconds']:.1f} ms: {empty}"
        if how
        else empty,
    ]
    found += [f"  {p['pid']:>7}  {p['command']}" for p in body["processes"][:20]]
    if len(body["processes"]) > 20:
        found.append(f"  ... and {len(body['processes']) - 20} more")
    if body["weaker"] and body["methods"]:
        found.append("weaker containment: a process that left supervision was not seen")
    reach = body.get("reach", {})
    found += [
        f"door that was open: {door}, which starts processes outside supervision" for door in reach.get("doors", ())
    ]
    found += [f"open: {what}" for what in reach.get("open", ())]
    for kind in ("done", "failed", "unknown", "never_started"):
        group = body["acts"][kind]
        names = ", ".join(group["acts"][:5]) + (", ..." if group["count"] > 5 else "")
        found.append(f"acts {kind.replace('_', ' ')}: {group['count']}" + (f" ({names})" if names else ""))
    return found
