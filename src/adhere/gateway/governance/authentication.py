"""Who asks: a client by its key, and principals by an instruction they signed.

Rules
- If the policy has clients, a caller without a key of one of them is refused.
- `X-Adhere-Envelope` carries a signed instruction (base64 of its DSSE envelope). It is given to the
  warden as if it had been submitted by hand: its quorum, epoch, place and freshness are checked there, once. Sent
  again it is recognised as long as it is in force. Signatures are checked of every envelope; the very same bytes under
  the very same charter are not checked twice.
- An envelope vouches for its own text and for nothing else in the request (`monitors.authority`).
- Strangers do not fill the ledger: of the wrong keys from one address one a minute is written, with the number of those
  before it.
- A header that cannot be read is a refusal, not a caller without a header.
"""

from __future__ import annotations

import base64
import binascii
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from adhere.gateway.hooks import Caller
from adhere.gateway.policy.policy import ANYBODY, Client, Policy, source_of
from adhere.warden.acts.sources import Source
from adhere.warden.canonical import Refused
from adhere.warden.engine.warden import Warden
from adhere.warden.orders import instructions
from adhere.warden.orders.orders import State

ENVELOPE = "x-adhere-envelope"
MINUTE = 60.0
ADDRESSES = 10_000
ENVELOPES = 1_000


@dataclass(frozen=True, slots=True)
class Who:
    """A caller that was recognised. `persons` signed the envelope that came with the request,
    `signed` are texts that they vouch for."""

    name: str
    client: Client | None
    persons: tuple[str, ...] = ()
    signed: frozenset[str] = frozenset()

    @property
    def source(self) -> Source:
        """What the user messages of the caller are worth."""
        return source_of(self.client)

    @property
    def operator(self) -> bool:
        """Whether the system messages of the caller speak for the operator."""
        return self.client is None or self.client.operator


class UnknownKeys:
    """Wrong keys by address, so that one a minute of each is written down."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, int]] = {}

    def heard(self, address: str) -> int | None:
        """One more wrong key: how many there were since the last that was written, or None where it is not written."""
        now = time.monotonic()
        last, count = self._seen.get(address, (-math.inf, 0))
        if now - last < MINUTE:
            self._seen[address] = last, count + 1
            return None
        if len(self._seen) >= ADDRESSES:
            self._seen.clear()
        self._seen[address] = now, 0
        return count


class Callers:
    """Recognises the callers of one gateway. `state` is the charter's, as it was last looked at."""

    def __init__(self, policy: Policy, warden: Warden | None, state: Callable[[], State | None]) -> None:
        self._policy, self._warden, self._state = policy, warden, state
        self._verified: dict[tuple[str, str], tuple[str, str]] = {}

    def at_once(self, caller: Caller) -> Who | None:
        """Who `caller` is, where that can be said without waiting; else ask `recognise`, in a thread.

        Raises:
            Refused: an unknown key.
        """
        name, client = self._client(caller)
        header = caller.headers.get(ENVELOPE, "")
        if not header:
            return Who(name, client)
        state = self._state()
        known = self._verified.get((self._warden.charter.digest, header)) if self._warden else None
        if known is None or state is None:
            return None
        persons = _in_force(state, known[0])
        return Who(name, client, persons, frozenset({known[1]})) if persons else None

    def recognise(self, caller: Caller) -> Who:
        """Who `caller` is. Blocks: an envelope is verified, and taken under the ledger's lock.

        Raises:
            Refused: an unknown key, or an envelope that does not hold.
        """
        name, client = self._client(caller)
        header = caller.headers.get(ENVELOPE, "")
        if not header:
            return Who(name, client)
        warden = self._warden
        if warden is None:
            raise Refused("no-charter", "a signed instruction came, and this gateway has no charter to hold it against")
        try:
            data = base64.b64decode(header, validate=True)
        except (ValueError, binascii.Error) as error:
            raise Refused("unreadable", f"the header {ENVELOPE} is not base64 ({error})") from error
        verified = instructions.verify(data, warden.charter, warden.clock(), "the envelope")
        if verified.statement.kind != "instruct":
            kind = verified.statement.kind
            raise Refused("statement", f"the header {ENVELOPE} carries an instruction, this is {kind}")
        persons = _in_force(warden.state(), verified.digest)
        if persons is None:
            warden.submit(data, "the envelope")
            persons = _in_force(warden.state(), verified.digest)
        if persons is None:
            raise Refused("conflict", "the envelope's instruction was taken, and a safer one is in force")
        if len(self._verified) >= ENVELOPES:
            self._verified.clear()
        self._verified[warden.charter.digest, header] = verified.digest, verified.statement.text
        return Who(name, client, persons, frozenset({verified.statement.text}))

    def _client(self, caller: Caller) -> tuple[str, Client | None]:
        client = self._policy.client(caller.credential) if self._policy.clients else None
        if self._policy.clients and client is None:
            raise Refused("unknown-key", "the API key is not one of this gateway's clients")
        if client is not None and client.expires is not None and client.expires.timestamp() <= time.time():
            raise Refused("unknown-key", f"the API key of {client.name} has expired")
        return (client.name if client else ANYBODY), client


def _in_force(state: State, name: str) -> tuple[str, ...] | None:
    """The persons behind the instruction with this digest; None where it is not in force."""
    for chain in state.chains:
        for link in chain.in_force:
            if link.digest == name and not chain.held:
                return link.by
    return None
