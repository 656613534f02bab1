"""The ledger: everything that was decided, said and changed, append-only; and the state beside it.

Rules
- It is kept in a store (`store`): one SQLite file, or a PostgreSQL database that several machines share. When a
  transaction ends, what it wrote is on the disk.
- An entry is canonical JSON {kind, time, body}. Entries are the leaves of an RFC 6962 Merkle tree; the tree's peaks are
  kept with the entries, in the same transaction, so that appending costs a few hashes however long the ledger is.
- State changes, spent nonces, requests and entries commit together or not at all: there is no moment at which the
  state has moved and the ledger does not say so, or the other way round.
- Several processes may have the ledger open. Each transaction takes the write lock first and reads the state under it,
  so nobody decides on a state that somebody else has just left.
- Nothing here deletes or changes an entry. Whoever can write the file can rewrite it consistently: that is what
  checkpoints held by witnesses are for (`witness`).
- The latest time seen is kept: a clock that was set back shows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from adhere.warden import canonical
from adhere.warden.canonical import Refused
from adhere.warden.ledger import merkle, verify
from adhere.warden.ledger.merkle import Peaks
from adhere.warden.ledger.postgres_store import PostgresStore
from adhere.warden.ledger.sqlite_store import SqliteStore
from adhere.warden.ledger.store import FILE, Connection, Store, location

PIECE = 5_000
"""Entries that are read at once to verify them."""
ROWS = 100
"""Entries in one statement at the most."""


@dataclass(frozen=True)
class Entry:
    """One entry as it stands. `time` is seconds since 1970."""

    seq: int
    kind: str
    time: float
    body: dict[str, Any]


_FIRST_FACTS = ("clock", "charter", "state")
_BEGINNING = (
    "SELECT size, peaks, "
    + ", ".join(f"(SELECT value FROM fact WHERE name = '{name}')" for name in _FIRST_FACTS)
    + " FROM tip"
)
"""What every transaction asks first, in one statement."""


class Transaction:
    """What may be done while the write lock is held. Nothing of it is true before it commits."""

    def __init__(self, db: Connection, time: float) -> None:
        self.db = db
        self.time = time
        size, peaks, *values = db.execute(_BEGINNING).fetchone()
        self._peaks = Peaks.from_bytes(size, peaks)
        self._rows: list[tuple[int, bytes, bytes]] = []
        self.state_changed = False
        self._facts: dict[str, str | None] = dict(zip(_FIRST_FACTS, values, strict=True))
        seen = self.get("clock")
        self.seen = float(seen) if seen else 0.0

    @property
    def next(self) -> int:
        """The place that the next entry will have."""
        return self._peaks.size

    def append(self, kind: str, body: dict[str, Any]) -> int:
        """Add an entry; return its place, from 0."""
        data = canonical.dumps({"kind": kind, "time": round(self.time, 3), "body": body})
        hashed = merkle.leaf(data)
        seq = self._peaks.size
        self._rows.append((seq, data, hashed))
        self._peaks = self._peaks.append(hashed)
        return seq

    def get(self, name: str) -> str | None:
        """The fact called `name`."""
        if name in self._facts:
            return self._facts[name]
        row = self.db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, name: str, value: str) -> None:
        """Set the fact called `name`."""
        self._facts[name] = value
        self.state_changed |= name == "state"
        self.db.execute(
            "INSERT INTO fact VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
        )

    def spend(self, nonce: str, expires: int) -> bool:
        """Take a nonce; False where it was taken before. Kept until it could not be used any more."""
        self.db.execute("DELETE FROM nonce WHERE expires < ?", (int(self.time) - 86400,))
        row = self.db.execute("INSERT INTO nonce VALUES (?, ?) ON CONFLICT (nonce) DO NOTHING", (nonce, expires))
        return row.rowcount == 1

    def finish(self) -> None:
        """Write the entries and the tree's peaks; called once, just before the commit.

        All entries go in by one statement: a thread gives up the interpreter with every statement, and where others
        are busy it waits milliseconds to get it back.
        """
        for first in range(0, len(self._rows), ROWS):
            rows = self._rows[first : first + ROWS]
            values = ", ".join(["(?, ?, ?)"] * len(rows))
            self.db.execute(f"INSERT INTO entry VALUES {values}", [value for row in rows for value in row])
        if self._rows:
            self.db.execute("UPDATE tip SET size = ?, peaks = ?", (self._peaks.size, self._peaks.to_bytes()))
            if self.time > self.seen:
                self.put("clock", repr(self.time))


class Ledger:
    """A ledger in `store`, or in the SQLite file at a path. Thread-safe; one writer at a time across all processes.

    Raises:
        Refused: the ledger is missing (or, with `create`, is there), torn, or of another version.
    """

    def __init__(self, store: Store | Path, *, create: bool = False) -> None:
        if isinstance(store, Path):
            store = SqliteStore(store, create=create)
        self.store: Store = store
        self.name, self.path = self.store.name, self.store.path
        self._lock = threading.RLock()

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The ledger of the charter in `folder`.

        Raises:
            Refused: it is missing, or cannot be reached.
        """
        place = location(folder)
        return cls(folder / FILE) if place is None else cls(PostgresStore(place))

    def again(self) -> Ledger:
        """The same ledger through a connection of its own, which no transaction of this one keeps waiting."""
        return Ledger(self.store.again())

    def close(self) -> None:
        """Close the connection; later use is refused."""
        with self._lock:
            self.store.close()

    @contextmanager
    def transaction(self, time: float) -> Iterator[Transaction]:
        """Hold the write lock; commit and sync on leaving, roll back on any error.

        Raises:
            Refused: the store cannot be written (a full disk, another writer that does not let go, a lost database).
        """
        with self._lock:
            try:
                connection = self.store.begin()
            except self.store.faults as error:
                raise self._closed("written", error) from error
            try:
                transaction = Transaction(connection, time)
                yield transaction
                transaction.finish()
                if transaction.state_changed:
                    self.store.announce()
                self.store.commit()
            except self.store.faults as error:
                self.store.rollback()
                raise self._closed("written", error) from error
            except BaseException:
                self.store.rollback()
                raise

    def _closed(self, what: str, error: Exception) -> Refused:
        return Refused("ledger-closed", f"{self.name} cannot be {what}: {' '.join(str(error).split())}")

    def append(self, kind: str, body: dict[str, Any], time: float) -> int:
        """Add one entry, on the disk when this returns."""
        with self.transaction(time) as transaction:
            return transaction.append(kind, body)

    # -- reading ----------------------------------------------------------------------------------------------

    def query(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows of a reading statement.

        Raises:
            Refused: the store cannot be read.
        """
        with self._lock:
            try:
                return self.store.query(sql, values)
            except self.store.faults as error:
                raise self._closed("read", error) from error

    def home(self) -> str:
        """The name of this very ledger, which a copy does not have.

        Raises:
            Refused: the store cannot be read.
        """
        with self._lock:
            try:
                return self.store.home()
            except self.store.faults as error:
                raise self._closed("read", error) from error

    def alive(self) -> frozenset[str]:
        """The instances that have a place and still run.

        Raises:
            Refused: the store cannot be read.
        """
        with self._lock:
            try:
                return self.store.alive()
            except self.store.faults as error:
                raise self._closed("read", error) from error

    def get(self, name: str) -> str | None:
        """The fact called `name`."""
        rows = self.query("SELECT value FROM fact WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def peaks(self) -> Peaks:
        """The tree's peaks as they stand."""
        size, data = self.query("SELECT size, peaks FROM tip")[0]
        return Peaks.from_bytes(size, data)

    def leaves(self, size: int | None = None) -> list[bytes]:
        """Leaf hashes of the first `size` entries, as they stand."""
        sql = "SELECT hash FROM entry" + (" WHERE seq < ?" if size is not None else "") + " ORDER BY seq"
        return [row[0] for row in self.query(sql, () if size is None else (size,))]

    def entries(self, first: int = 0, count: int = -1) -> list[Entry]:
        """Entries from place `first` on.

        Raises:
            Refused: one of them cannot be read.
        """
        last = " AND seq < ?" if count >= 0 else ""
        values = (first, first + count) if count >= 0 else (first,)
        rows = self.query(f"SELECT seq, leaf FROM entry WHERE seq >= ?{last} ORDER BY seq", values)
        found = []
        for seq, data in rows:
            try:
                record = canonical.loads(data, f"entry {seq}")
                found.append(Entry(seq, record["kind"], record["time"], record["body"]))
            except (AttributeError, KeyError, TypeError) as error:
                raise Refused("ledger", f"entry {seq} is not an entry: adhere warden ledger verify") from error
        return found

    def verify(self, keys: Sequence[str] = (), notes: Sequence[str] = ()) -> tuple[int, str, list[str]]:
        """Number of entries, root (hexadecimal) and every fault, recomputed from the entries (`verify`).

        Raises:
            Refused: the database cannot be read.
        """
        if self.path is not None:
            return verify.verify(self.path, keys, notes)
        size, peaks = self.query(verify.TIP)[0]
        rows = self._in_pieces(size)
        return verify.verify_entries(rows, lambda: (size, peaks), keys, notes)

    def _in_pieces(self, size: int) -> Iterator[tuple[Any, ...]]:
        """The first `size` entries as rows; what is appended meanwhile is not looked at."""
        for first in range(0, size, PIECE):
            last = min(size, first + PIECE)
            sql = "SELECT seq, leaf, hash FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq"
            yield from self.query(sql, (first, last))

    def last(self, count: int) -> list[Entry]:
        """The last `count` entries."""
        return self.entries(max(0, self.peaks().size - count))
