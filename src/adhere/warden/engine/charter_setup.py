"""Founding a charter's folder, and putting an amended charter in force.

    charter.json    roots and terms (see `charter`)          pending.json   the next one, still collecting signatures
    ledger.db       entries and state (see `ledger`)         latch          a stop that needs no free block
    warden.key      signs checkpoints and attestations       warden.pub     its public part
    will.json       a root signed in advance (see `succession`)

Rules
- Nothing that is there is overwritten.
- The ledger's first entry binds the digest of the first root: charter and ledger of two foundings do not mix.
- A pending charter collects signatures; the moment its quorums are whole it is put in force: entry and versions in the
  ledger first, then the file, whole. Whoever is interrupted in between finds the ledger waiting for exactly that file,
  and `adopt` again completes it.
- An amendment that revokes a key raises the epoch, which voids every open approval and statement.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner, Signer

from adhere.warden import canonical
from adhere.warden.canonical import Refused
from adhere.warden.charter import charter as charters
from adhere.warden.charter import keys
from adhere.warden.charter.charter import Charter
from adhere.warden.charter.keys import fingerprint
from adhere.warden.charter.quorum import Proof
from adhere.warden.engine.cooling_off import waits
from adhere.warden.ledger.latch import Latch
from adhere.warden.ledger.ledger import Ledger
from adhere.warden.ledger.store import FILE as LEDGER
from adhere.warden.ledger.store import LOCATION, is_founded
from adhere.warden.orders import lease, orders
from adhere.warden.orders.approvals import void

PENDING = "pending.json"
DOCUMENT = "charter-document"
"""The fact that holds the charter in force, for the machines that share a ledger."""
Clock = Callable[[], float]


def warden_key(folder: Path) -> Ed25519PrivateKey:
    """The warden's own key.

    Raises:
        Refused: not there, or not an Ed25519 key.
    """
    try:
        key = load_pem_private_key((folder / "warden.key").read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise Refused("key-kind", f"{folder / 'warden.key'}: the warden's key cannot be read ({error})") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Refused("key-kind", f"{folder / 'warden.key'} is not an Ed25519 key")
    return key


def new_warden_key(folder: Path) -> str:
    """Make the folder and the warden's key in it; the public key in hexadecimal.

    Raises:
        Refused: the folder holds a charter already, or cannot be written.
    """
    for name in (charters.FILE, LEDGER, LOCATION, PENDING):
        if (folder / name).exists():
            raise Refused("exists", f"{folder} holds a charter already; name another folder with --charter DIR")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(folder, 0o700)
    except OSError as error:
        raise Refused("unwritable", f"cannot make {folder}: {error.strerror}") from error
    if (folder / "warden.key").exists():
        return warden_key(folder).public_key().public_bytes_raw().hex()
    signer = CryptoSigner.generate_ed25519()
    keys.write_pair(signer, folder / "warden")
    return str(signer.public_key.keyval["public"])


def pending(folder: Path) -> Charter:
    """The charter that waits for signatures.

    Raises:
        Refused: none does.
    """
    path = folder / PENDING
    if not path.exists():
        raise Refused("no-draft", f"{folder} holds no draft that waits for signatures")
    return Charter.from_bytes(canonical.read(path, "draft"), str(path))


def propose(folder: Path, draft: Charter) -> None:
    """Put a draft where signatures are collected.

    Raises:
        Refused: another one waits there.
    """
    if (folder / PENDING).exists():
        raise Refused("exists", f"{folder / PENDING}: a draft waits already; sign it or withdraw it first")
    canonical.replace(folder / PENDING, draft.to_bytes())


def sign(folder: Path, signers: Sequence[Signer], clock: Clock = time.time) -> tuple[list[str], dict[str, Proof]]:
    """Add signatures to the pending draft, and put it in force if that makes it whole.

    Returns the persons who signed, and what is still missing (nothing: it is in force).

    Raises:
        Refused: no draft, a stranger's key, or the ledger cannot be written.
    """
    draft = pending(folder)
    names = draft.sign(signers)
    canonical.replace(folder / PENDING, draft.to_bytes())
    missing = draft.missing()
    if not missing:
        adopt(folder, draft, clock)
        (folder / PENDING).unlink(missing_ok=True)
    return names, missing


def adopt(folder: Path, draft: Charter, clock: Clock = time.time) -> None:
    """Put a whole charter in force: the first founds the ledger, a later one must follow the one in force.

    Raises:
        Refused: it lacks signatures, has expired, or does not follow.
    """
    draft.check_signatures()
    now = clock()
    draft.check_time(now)
    if not is_founded(folder):
        _found(folder, draft, now)
        return
    ledger = Ledger.of(folder)
    try:
        with ledger.transaction(now) as transaction:
            now = max(now, transaction.seen)
            waiting = transaction.get("charter") == draft.digest
            if not waiting:
                current = charters.load(folder)
                follows(current, draft)
                by_will = draft.will is not None and len(draft.roots) > len(current.roots)
                if by_will and waits(transaction, draft) > 0:
                    raise Refused("will", "not its time: the will's cooling-off is not over")
                gone = revoked(current, draft)
                state = orders.from_dict(json.loads(transaction.get("state") or "{}"))
                voids = bool(gone) or draft.terms.epoch > current.terms.epoch
                step = orders.step(state, orders.Amend(draft.terms_proof(), voids))
                if not step.accepted:
                    raise Refused(step.reason, "the amendment has no quorum")
                body = {
                    "charter": draft.digest,
                    "versions": [draft.root.version, draft.targets.version],
                    "by": list(draft.terms_proof().persons),
                    "revoked": gone,
                    "mode": step.state.mode.value,
                    "epoch": step.state.epoch,
                }
                if step.state.epoch != state.epoch:
                    body["voided"] = void(transaction, step.state.epoch)
                    transaction.put("epoch-before", transaction.get("epoch-began") or "0")
                    transaction.put("epoch-began", str(transaction.next))
                transaction.append("amend", body)
                transaction.put("state", json.dumps(orders.to_dict(step.state)))
                transaction.put("charter", draft.digest)
                transaction.put(DOCUMENT, draft.to_bytes().decode())
                transaction.put("versions", json.dumps([draft.root.version, draft.targets.version]))
                transaction.put("sign-of-life", repr(now))
                transaction.put("will", "")
        canonical.replace(folder / charters.FILE, draft.to_bytes())
    finally:
        ledger.close()


def revoked(current: Charter, draft: Charter) -> list[str]:
    """Holders of keys that `draft` no longer has in some role they had."""
    gone = set()
    for grant in current.grants():
        names = {fingerprint(key): p for p in draft.grants() if p.role == grant.role for key in draft.members(p.role)}
        gone |= {
            f"{_holder(current, fingerprint(k))}" for k in current.members(grant.role) if fingerprint(k) not in names
        }
    return sorted(gone)


def _holder(charter: Charter, material: str) -> str:
    return next((p.name for p in charter.principals() if fingerprint(p.key) == material), "?")


def follows(current: Charter, draft: Charter) -> None:
    """Refuse a draft that is not the next one after the charter in force.

    Raises:
        Refused: another history, or a version that is not the next.
    """
    kept = [root.signed_bytes for root in draft.roots[: len(current.roots)]]
    if kept != [root.signed_bytes for root in current.roots]:
        raise Refused("rollback", "the draft does not follow the charter in force: draft it again")
    if draft.targets.version <= current.targets.version or len(draft.roots) > len(current.roots) + 1:
        raise Refused("rollback", "the draft's versions do not follow the charter in force: draft it again")


def _found(folder: Path, first: Charter, now: float) -> None:
    if len(first.roots) != 1:
        raise Refused("charter", "a charter is founded with its first root")
    latch = Latch(folder)
    scratch = folder / f".{LEDGER}.new"
    for leftover in (scratch, scratch.with_name(scratch.name + "-wal"), scratch.with_name(scratch.name + "-shm")):
        leftover.unlink(missing_ok=True)
    if not latch.path.exists():
        latch.create()
    ledger = Ledger(scratch, create=True)
    try:
        with ledger.transaction(now) as transaction:
            transaction.append(
                "founded",
                {
                    "charter": first.digest,
                    "origin": first.origin,
                    "agent": first.terms.agent,
                    "warden": first.terms.warden,
                    "principals": sorted({p.name for p in first.principals()}),
                    "epoch": first.terms.epoch,
                },
            )
            transaction.put("origin", first.origin)
            transaction.put("charter", first.digest)
            transaction.put(DOCUMENT, first.to_bytes().decode())
            transaction.put("versions", json.dumps([first.root.version, first.targets.version]))
            transaction.put("state", json.dumps(orders.to_dict(orders.State(epoch=first.terms.epoch))))
            transaction.put("epoch-began", "0")
            transaction.put("sign-of-life", repr(now))
    finally:
        ledger.close()
    canonical.replace(folder / charters.FILE, first.to_bytes())
    os.replace(scratch, folder / LEDGER)


def sign_heartbeat(
    folder: Path, charter: Charter, signer: Signer, *, version: int, now: float, seconds: float, instances: int
) -> bytes:
    """A heartbeat for the ledger of this folder where it lies, signed.

    Raises:
        Refused: the key belongs to no principal.
    """
    known = {fingerprint(p.key): p.key for p in charter.principals()}
    key = known.get(fingerprint(signer.public_key))
    if key is None:
        raise Refused("stranger", "the signing key belongs to no principal of this charter")
    ledger = Ledger.of(folder)
    try:
        homes = (ledger.home(),)
    finally:
        ledger.close()
    metadata = lease.compose(charter, version=version, now=now, seconds=seconds, instances=instances, homes=homes)
    signature = signer.sign(metadata.signed_bytes)
    signature.keyid = key.keyid
    metadata.signatures[key.keyid] = signature
    return canonical.dumps(metadata.to_dict())


def expiry(now: float, seconds: float) -> datetime:
    """When something that begins now and lasts so long ends, to the second, UTC."""
    return datetime.fromtimestamp(int(now + seconds), UTC)
