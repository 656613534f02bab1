"""Statements through the console: drafted here, signed in the browser, taken by the warden.

Rules
- The server drafts (epoch, audience, nonce, what is confirmed and what was shown), the browser shows it, checks that
  the digest in the draft is that of the text on the page, and signs DSSE's pre-authentication encoding with Ed25519.
  The private key stays in the browser; the server sees payload, key id and signature.
- Nothing here decides whether a statement holds: it goes to `Warden.submit` like one from the command line.
- Kinds: approve and refuse (one person each), stop and pause (one of the stop role). What needs several signatures on
  one statement is made with the command line.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.signer import Signature

from adhere.warden.canonical import Refused, digest
from adhere.warden.charter.quorum import person_of
from adhere.warden.engine.statements import Accepted
from adhere.warden.engine.warden import Warden
from adhere.warden.orders import approvals, instructions

SECONDS = {"approve": 3600, "refuse": 3600, "stop": 600, "pause": 600}
TEXT = 500


def draft(warden: Warden, kind: str, request: str = "", text: str = "") -> dict[str, str]:
    """A statement to sign: payload (base64), its type, and the text that is confirmed.

    Raises:
        Refused: no such kind, or no such request that waits.
    """
    fields: dict[str, Any] = {}
    shown = ""
    if kind in ("approve", "refuse"):
        wanted = approvals.find(warden.ledger, request)
        if wanted.status not in ("open", "approved"):
            raise Refused("request", f"the request {request} is {wanted.status}: nothing is left to say about it")
        fields = {"role": wanted.role, "action": wanted.act, "shown": wanted.digest, "uses": 1}
        shown = wanted.text
    elif kind in ("stop", "pause"):
        fields = {"text": text[:TEXT]}
    else:
        raise Refused("statement", f"the console signs approve, refuse, stop and pause, not {kind[:40]!r}")
    statement = warden.draft(kind, seconds=SECONDS[kind], **fields)  # type: ignore[arg-type]  # one of the four
    payload = instructions.seal(statement).payload
    return {
        "payload": base64.b64encode(payload).decode(),
        "type": instructions.TYPE,
        "shown": shown,
        "digest": digest(shown.encode()),
    }


def take(warden: Warden, data: bytes) -> tuple[Accepted, str]:
    """Give the warden what a browser signed; what came of it, and who signed.

    Raises:
        Refused: whatever is wrong with it.
    """
    try:
        fields = json.loads(data)
        payload = base64.b64decode(fields["payload"], validate=True)
        keyid, signature = str(fields["keyid"]), str(fields["signature"])
        bytes.fromhex(signature)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise Refused("unreadable", f"not a signed statement ({error})") from error
    envelope = Envelope(payload, instructions.TYPE, {keyid: Signature(keyid, signature)})
    accepted = warden.submit(instructions.to_bytes(envelope), "the statement")
    persons = {key.keyid: person_of(key) for key in (p.key for p in warden.charter.principals())}
    return accepted, persons.get(keyid, "?")


def signers(warden: Warden) -> list[dict[str, Any]]:
    """Every principal whose Ed25519 key a browser can hold: name, key id, public key, roles."""
    roles: dict[str, list[str]] = {}
    for grant in warden.charter.grants():
        for key in warden.charter.members(grant.role):
            roles.setdefault(key.keyid, []).append(grant.role)
    return [
        {"person": p.name, "keyid": p.key.keyid, "public": p.key.keyval["public"], "roles": roles.get(p.key.keyid, [])}
        for p in warden.charter.principals()
        if p.key.keytype == "ed25519"
    ]
