"""The lease: a heartbeat that any principal signs, and what follows when none comes.

The heartbeat is python-tuf `Timestamp` metadata: a version that only rises, an expiry, and what it allows.

Rules
- One signature by any principal of the charter is enough; it gives no other power.
- A heartbeat with a version that was seen before is refused: an old one cannot be played back.
- After the expiry: at once *warn*; `harmless_after` seconds later only harmless acts; `stop_after` seconds later an
  orderly stop. The times stand in the charter.
- It names the homes that may run, and how many instances at once. A home is one ledger where it lies (`Ledger.home`): a
  copy of it is another home, and does nothing until a principal signs a heartbeat for it.
- An instance holds its place while it lives. One above the number does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.signer import Key
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Timestamp

from adhere.warden import canonical
from adhere.warden.canonical import Refused
from adhere.warden.charter.charter import FIELD, Charter
from adhere.warden.charter.quorum import Proof, prove
from adhere.warden.charter.terms import LeaseTerms
from adhere.warden.orders.orders import Lease


@dataclass(frozen=True)
class Heartbeat:
    """What a principal signed. `expires` in seconds since 1970."""

    version: int
    expires: float
    instances: int
    homes: tuple[str, ...]
    by: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "version": self.version,
            "expires": self.expires,
            "instances": self.instances,
            "homes": list(self.homes),
            "by": list(self.by),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Heartbeat:
        """What `to_dict` wrote."""
        return cls(data["version"], data["expires"], data["instances"], tuple(data["homes"]), tuple(data["by"]))


def compose(
    charter: Charter, *, version: int, now: float, seconds: float, instances: int, homes: tuple[str, ...]
) -> Metadata[Timestamp]:
    """An unsigned heartbeat, good from `now` for `seconds`."""
    timestamp = Timestamp(version=version, expires=datetime.fromtimestamp(now + seconds, UTC))
    timestamp.unrecognized_fields[FIELD] = {
        "agent": charter.terms.agent,
        "charter": charter.origin,
        "instances": instances,
        "homes": list(homes),
    }
    return Metadata(timestamp)


def verify(data: bytes, charter: Charter, now: float, last_version: int) -> tuple[Heartbeat, Proof]:
    """The heartbeat in `data`.

    Raises:
        Refused: unsigned, of another charter, expired, or not newer than the last one.
    """
    document = canonical.loads(data, "the heartbeat")
    try:
        metadata: Metadata[Timestamp] = Metadata[Timestamp].from_dict(document)
        if not isinstance(metadata.signed, Timestamp):
            raise ValueError("metadata of another type")
        field = metadata.signed.unrecognized_fields[FIELD]
        beat = Heartbeat(
            metadata.signed.version,
            metadata.signed.expires.timestamp(),
            int(field["instances"]),
            tuple(map(str, field["homes"])),
            (),
        )
        for_this = (field["agent"], field["charter"]) == (charter.terms.agent, charter.origin)
        surplus = set(field) - {"agent", "charter", "instances", "homes"}
        if surplus or set(metadata.signed.unrecognized_fields) - {FIELD}:
            raise ValueError("a field that nobody knows")
    except (ValueError, KeyError, TypeError, AttributeError, RepositoryError, SecureSystemsError) as error:
        raise Refused("heartbeat", f"not a heartbeat ({error})") from error
    result = charter.root.get_verification_result("timestamp", metadata.signed_bytes, metadata.signatures)
    signed: list[Key] = list(result.signed.values())
    proof = prove("lease", signed, 1)
    if not proof.holds:
        raise Refused("quorum", "the heartbeat is signed by no principal of this charter")
    if not for_this:
        raise Refused("audience", "the heartbeat is for another charter or agent")
    if beat.version <= last_version:
        raise Refused("replay", f"heartbeat {beat.version} is not newer than {last_version}, which was taken")
    if now >= beat.expires:
        raise Refused("expired", "the heartbeat has expired")
    return Heartbeat(beat.version, beat.expires, beat.instances, beat.homes, proof.persons), proof


def level(beat: Heartbeat | None, now: float, terms: LeaseTerms) -> Lease:
    """How well the lease is at `now`. Before the first heartbeat nothing runs (no home is named), so nothing lapses."""
    if beat is None:
        return Lease.GOOD
    late = now - beat.expires
    if late < 0:
        return Lease.GOOD
    if late >= terms.stop_after:
        return Lease.OUT
    return Lease.HARMLESS if late >= terms.harmless_after else Lease.WARN
