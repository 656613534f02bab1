"""Signed statements: what a principal says, bound so that it can mean one thing, here, once.

A statement is a JSON body in a DSSE envelope (securesystemslib). Its body binds

    kind and role       what is said, and by which power: a signature for one role is none for another
    audience, charter   which agent, under which founding: a statement to one is none to another
    epoch               the stretch between two stops: what was said before a stop does not outlive it
    scope, seq, prev    an instruction's place: the digest of the one before it (compare-and-set)
    not_before, expires when it holds, in seconds since 1970; checked at every use
    nonce               128 random bits: said once, taken once
    action, shown       an approval's act and the digest of what was shown to the person who approved

Rules
- The role is in the signed body, and it must be the role that this kind of statement needs.
- The signatures must be by enough *persons* of that role, over this very body.
- A body with a field nobody knows is refused: it might be a restriction that this version does not understand.
- Only `stop` may come from an earlier epoch, if it is unexpired and was never taken: no door is closed to a stop
  that is open to anything else.
- Verification says nothing about replay and order: that is the state's business (`ledger`, `orders`), in the same
  transaction that accepts the statement.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.signer import Signer

from adhere.warden import canonical
from adhere.warden.acts.acts import Effect
from adhere.warden.canonical import Refused, digest
from adhere.warden.charter.charter import Charter
from adhere.warden.charter.keys import fingerprint
from adhere.warden.charter.quorum import Proof, person_of

TYPE = "application/vnd.adhere.statement+json"
GENESIS = "0" * 64
"""What the first instruction of an epoch names as the one before it."""

Kind = Literal["instruct", "stop", "pause", "resume", "approve", "refuse", "cancel"]
ROLE_OF = {
    "instruct": "instruct",
    "stop": "stop",
    "pause": "stop",
    "resume": "amend",
    "approve": "confirm",
    "refuse": "confirm",
    "cancel": "amend",
}
"""The role that each kind of statement needs. An instruction in a scope needs `instruct@scope`; a request that
says it needs the `amend` quorum is approved under `amend`; a will is cancelled by any one of the old quorum."""

_HEX64 = r"^[0-9a-f]{64}$"


class Statement(BaseModel):
    """The signed body. Times are whole seconds since 1970, UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    v: Literal[1] = 1
    kind: Kind
    role: str
    audience: str
    charter: str = Field(pattern=_HEX64)
    epoch: int = Field(ge=1)
    not_before: int = Field(ge=0)
    expires: int = Field(ge=0)
    nonce: str = Field(pattern=r"^[0-9a-f]{32}$")
    scope: str = "*"
    seq: int = Field(default=0, ge=0)
    prev: str = Field(default=GENESIS, pattern=_HEX64)
    effect: Literal["allow", "ask", "deny"] = "allow"
    text: str = Field(default="", max_length=100_000)
    keep: bool = False
    action: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    shown: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    uses: int = Field(default=1, ge=1, le=1000)

    @model_validator(mode="after")
    def _whole(self) -> Statement:
        wanted = {ROLE_OF[self.kind]}
        if self.kind == "instruct":
            wanted = {"instruct" if self.scope == "*" else f"instruct@{self.scope}"}
            if not self.text.strip():
                raise ValueError("an instruction needs a text")
            if self.seq < 1:
                raise ValueError("an instruction needs a sequence number from 1")
        if self.kind in ("approve", "refuse"):
            wanted.add("amend")
            if not self.action or not self.shown:
                raise ValueError("an approval names the act and what was shown")
        if self.role not in wanted:
            raise ValueError(f"{self.kind} is not for the role {self.role}")
        if self.expires <= self.not_before:
            raise ValueError("it expires before it begins")
        return self


@dataclass(frozen=True)
class Verified:
    """A statement whose signatures were checked, and who stands behind it. `digest` is of the signed body."""

    statement: Statement
    digest: str
    proof: Proof
    envelope: bytes


def compose(kind: Kind, *, now: float, seconds: float, **fields: Any) -> Statement:
    """A fresh statement: a random nonce, valid from `now` for `seconds`.

    Raises:
        Refused: the fields do not make a statement.
    """
    role = fields.pop("role", None) or ROLE_OF[kind]
    if kind == "instruct" and fields.get("scope", "*") != "*":
        role = f"instruct@{fields['scope']}"
    fields.setdefault("not_before", int(now))
    fields.setdefault("nonce", secrets.token_hex(16))
    try:
        return Statement(kind=kind, role=role, expires=int(fields["not_before"] + max(1, seconds)), **fields)
    except ValidationError as error:
        raise Refused("statement", f"{kind}: {error.errors()[0]['msg']}") from error


def seal(statement: Statement) -> Envelope:
    """The statement in an envelope without signatures."""
    return Envelope(canonical.dumps(statement.model_dump(mode="json")), TYPE, {})


def sign(envelope: Envelope, charter: Charter, signers: Iterable[Signer]) -> list[str]:
    """Add signatures under the ids that the charter has for these keys; return the persons.

    Raises:
        Refused: a key that the charter does not hold, or a signer that fails.
    """
    known = {fingerprint(principal.key): principal.key for principal in charter.principals()}
    names = []
    for signer in signers:
        key = known.get(fingerprint(signer.public_key))
        if key is None:
            raise Refused("stranger", "a signing key belongs to no principal of this charter")
        try:
            signature = signer.sign(envelope.pae())
        except Exception as error:  # an HSM or KMS fails in its own ways
            raise Refused("signer", f"{person_of(key)}: signing failed ({error})") from error
        signature.keyid = key.keyid
        envelope.signatures[key.keyid] = signature
        names.append(person_of(key))
    return names


def to_bytes(envelope: Envelope) -> bytes:
    """The envelope as JSON."""
    return canonical.dumps(envelope.to_dict())


def from_bytes(data: bytes, what: str = "the statement") -> Envelope:
    """The envelope in `data`, not yet verified.

    Raises:
        Refused: too large, torn, or not an envelope of ours.
    """
    document = canonical.loads(data, what)
    try:
        if set(document) != {"payload", "payloadType", "signatures"}:
            raise ValueError("it holds payload, payloadType and signatures, and nothing else")
        envelope = Envelope.from_dict(document)
    except (ValueError, KeyError, TypeError, AttributeError, SecureSystemsError) as error:
        raise Refused("unreadable", f"{what}: not a signed statement ({error})") from error
    if envelope.payload_type != TYPE:
        raise Refused("unreadable", f"{what}: of type {envelope.payload_type!r:.80}, not {TYPE}")
    return envelope


def body(envelope: Envelope, what: str = "the statement") -> Statement:
    """What the envelope says, not yet verified.

    Raises:
        Refused: not a statement.
    """
    fields = canonical.loads(envelope.payload, what)
    try:
        return Statement.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Refused("statement", f"{what}: {where + ': ' if where else ''}{first['msg']}") from error


def verify(data: bytes, charter: Charter, now: float, what: str = "the statement") -> Verified:
    """The statement in `data`, its signatures, role, audience and time checked; not its epoch, place or freshness.

    Raises:
        Refused: whatever is wrong with it, in one line.
    """
    envelope = from_bytes(data, what)
    statement = body(envelope, what)
    if statement.audience != charter.terms.agent:
        raise Refused("audience", f"{what} is for {statement.audience}, this is {charter.terms.agent}")
    if statement.charter != charter.origin:
        raise Refused("audience", f"{what} was signed under another charter")
    check_time(statement, now, what)
    proof = charter.verify(statement.role, envelope.pae(), envelope.signatures)
    enough = proof.count >= 1 if statement.kind in ("cancel", "approve", "refuse") else proof.holds
    if not enough:
        signed = f" ({', '.join(proof.persons)})" if proof.persons else ""
        raise Refused(
            "quorum",
            f"{statement.kind} needs {proof.threshold} of the role {proof.role}, {what} has {proof.count}{signed}",
        )
    return Verified(statement, digest(envelope.payload), proof, data)


def check_time(statement: Statement, now: float, what: str = "the statement") -> None:
    """Refuse a statement whose time has not come or is over.

    Raises:
        Refused: not yet, or no longer.
    """
    if now < statement.not_before:
        raise Refused("not-yet", f"{what} holds from {statement.not_before - now:.0f} s from now")
    if now >= statement.expires:
        raise Refused("expired", f"{what} expired {now - statement.expires:.0f} s ago")


EFFECT: dict[str, Effect] = {effect.value: effect for effect in Effect}
