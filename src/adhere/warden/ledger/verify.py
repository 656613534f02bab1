"""Verify a ledger without the program that wrote it: `python verify.py ledger.db --key NAME+HASH+KEY [CHECKPOINT ...]`.

Standard library and `cryptography` (and `psycopg` for `postgresql://HOST/DATABASE?options=-csearch_path%3DSCHEMA` in
place of the file); copy this file anywhere. It recomputes every hash from the entries, the Merkle
root from the hashes (RFC 6962), and compares with what the ledger claims and with every signed checkpoint (C2SP) that
is given. A rewritten ledger agrees with itself: only checkpoints kept elsewhere show that it was rewritten.
"""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any


def split_root(peaks: list[bytes]) -> bytes:
    """Root of the tree whose finished subtrees have the roots `peaks`, largest first."""
    result = peaks[-1] if peaks else hashlib.sha256(b"").digest()
    for peak in reversed(peaks[:-1]):
        result = hashlib.sha256(b"\x01" + peak + result).digest()
    return result


def open_note(note: str, keys: Iterable[str]) -> tuple[str, int, bytes, list[str]]:
    """Origin, size, root and signers of a signed checkpoint; ValueError where none of `keys` signed it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    text, _, tail = note.partition("\n\n")
    text += "\n"
    known = {}
    for key in keys:
        name, encoded = key.split("+", 2)[0], key.split("+", 2)[2]
        data = base64.b64decode(encoded)
        known[name, hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]] = data[1:]
    signers = []
    for line in tail.splitlines():
        name, encoded = line.removeprefix("\N{EM DASH} ").rsplit(" ", 1)
        blob = base64.b64decode(encoded)
        if (name, blob[:4]) in known:
            try:
                Ed25519PublicKey.from_public_bytes(known[name, blob[:4]]).verify(blob[4:], text.encode())
            except InvalidSignature:
                raise ValueError(f"the signature of {name} is false") from None
            signers.append(name)
    if not signers:
        raise ValueError("no key that was given has signed it")
    lines = text.splitlines()
    return lines[0], int(lines[1]), base64.b64decode(lines[2]), signers


def verify(path: str | Path, keys: Iterable[str] = (), notes: Iterable[str] = ()) -> tuple[int, str, list[str]]:
    """Number of entries, root (hexadecimal), and every fault that was found (none: an empty list).

    Triggers and views in the file are faults: a trigger can rewrite entries as they come, a view can stand for them.
    """
    if str(path).startswith(("postgresql://", "postgres://")):
        import psycopg

        with psycopg.connect(str(path)) as server:
            server.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with server.cursor("leaves") as cursor:
                rows = cursor.execute(ENTRIES)
                return verify_entries(rows, lambda: server.execute(TIP).fetchone(), keys, notes)
    db = sqlite3.connect(f"file:{Path(path).resolve()}?mode=ro", uri=True)
    try:
        foreign = [
            f"the file has a {kind} {name!r}, which no ledger has: it can change what is written or read"
            for kind, name in db.execute("SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index')")
        ]
        size, root, faults = verify_entries(db.execute(ENTRIES), lambda: db.execute(TIP).fetchone(), keys, notes)
        return size, root, foreign + faults
    except sqlite3.Error as error:
        return 0, split_root([]).hex(), [f"the file cannot be read: {error}"]
    finally:
        db.close()


ENTRIES = "SELECT seq, leaf, hash FROM entry ORDER BY seq"
TIP = "SELECT size, peaks FROM tip"


def verify_entries(
    entries: Iterable[Sequence[Any]],
    tip: Callable[[], Any],
    keys: Iterable[str] = (),
    notes: Iterable[str] = (),
) -> tuple[int, str, list[str]]:
    """`verify` over `entries` (place, leaf, hash) in their order; `tip` gives the number and the peaks that the ledger
    claims, as they stood when the entries were read."""
    keys = list(keys)
    faults: list[str] = []
    wanted: dict[int, bytes] = {}
    for number, note in enumerate(notes, start=1):
        try:
            _, size, root, _ = open_note(note, keys)
            if wanted.setdefault(size, root) != root:
                faults.append(f"two checkpoints of size {size} have different roots: the ledger was rewritten")
        except (ValueError, IndexError) as error:
            faults.append(f"checkpoint {number}: {error}")
    sha = hashlib.sha256
    peaks: list[bytes] = []
    size = 0
    try:
        for seq, leaf, hashed in entries:
            if seq != size:
                faults.append(f"entry {size} is missing")
                break
            if not isinstance(leaf, bytes):
                faults.append(f"entry {seq} is not bytes: it was changed")
                leaf = str(leaf).encode()
            carry = sha(b"\x00" + leaf).digest()
            if carry != hashed:
                faults.append(f"entry {seq} is not what its hash says: it was changed")
            rest = size
            while rest & 1:
                carry = sha(b"\x01" + peaks.pop() + carry).digest()
                rest >>= 1
            peaks.append(carry)
            size += 1
            if size in wanted and wanted.pop(size) != split_root(peaks):
                faults.append(f"the first {size} entries are not those of the checkpoint: the ledger was rewritten")
        claimed = tip()
        if claimed is None or claimed[0] != size or claimed[1] != b"".join(peaks):
            faults.append(f"the ledger claims {claimed and claimed[0]} entries and another root than its {size} have")
    except sqlite3.Error as error:
        faults.append(f"the file cannot be read: {error}")
    missing = sorted(seen for seen in wanted if seen > 0)
    faults.extend(f"a checkpoint saw {seen} entries, the ledger has {size}: it was cut short" for seen in missing)
    return size, split_root(peaks).hex(), faults


def main(words: list[str]) -> int:
    """The command line; 0 where no fault was found."""
    keys: list[str] = []
    paths: list[str] = []
    while words:
        word = words.pop(0)
        (keys if word == "--key" else paths).append(words.pop(0) if word == "--key" else word)
    if not paths:
        print(__doc__)
        return 2
    size, root, faults = verify(paths[0], keys, [Path(path).read_text(encoding="utf-8") for path in paths[1:]])
    for fault in faults:
        print(f"FAULT  {fault}")
    held = (
        f" and {len(paths) - 1} checkpoints"
        if len(paths) > 1
        else "; no checkpoint was given, a rewrite would not show"
    )
    print(f"{size} entries, root {root}: " + (f"{len(faults)} faults" if faults else f"consistent with itself{held}"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
