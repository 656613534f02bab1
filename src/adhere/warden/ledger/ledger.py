"""The ledger: everything that was decided, said and changed, in one append-only file; and the state beside it.

Rules
- One SQLite file, write-ahead log, full sync: when `Transaction` leaves, what it wrote is on the disk.
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

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adhere.warden import canonical
from adhere.warden.canonical import Refused
from adhere.warden.ledger import merkle
from adhere.warden.ledger.merkle import Peaks

FILE = "ledger.db"
SCHEMA = """
CREATE TABLE entry (seq INTEGER PRIMARY KEY, leaf BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE tip (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, peaks BLOB NOT NULL);
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE nonce (nonce TEXT PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX nonce_expires ON nonce (expires);
CREATE TABLE act (id TEXT PRIMARY KEY, digest TEXT NOT NULL, status TEXT NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE request (
  id TEXT PRIMARY KEY, act TEXT NOT NULL, tool TEXT NOT NULL, digest TEXT NOT NULL, text TEXT NOT NULL,
  role TEXT NOT NULL, needed INTEGER NOT NULL, epoch INTEGER NOT NULL, expires INTEGER NOT NULL,
  status TEXT NOT NULL, uses INTEGER NOT NULL);
CREATE INDEX request_act ON request (act, status);
CREATE INDEX request_waiting ON request (epoch, status, expires);
CREATE TABLE approval (
  request TEXT NOT NULL, person TEXT NOT NULL, expires INTEGER NOT NULL, uses INTEGER NOT NULL, envelope BLOB NOT NULL,
  PRIMARY KEY (request, person)) WITHOUT ROWID;
CREATE TABLE instance (
  id TEXT PRIMARY KEY, pid INTEGER NOT NULL, started TEXT NOT NULL, note TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO tip VALUES (1, 0, x'');
PRAGMA user_version = 1;
"""
ADDED_INDEXES = {
    "nonce_expires": "CREATE INDEX IF NOT EXISTS nonce_expires ON nonce (expires)",
    "request_waiting": "CREATE INDEX IF NOT EXISTS request_waiting ON request (epoch, status, expires)",
}
"""Indexes that ledgers of earlier releases lack. They are added when such a ledger is opened."""
ROWS = 100
"""Entries in one statement at the most."""
BUSY_SECONDS = 10.0
"""How long a writer waits for another process before it gives up."""


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

    def __init__(self, db: sqlite3.Connection, time: float) -> None:
        self.db = db
        self.time = time
        size, peaks, *values = db.execute(_BEGINNING).fetchone()
        self._peaks = Peaks.from_bytes(size, peaks)
        self._rows: list[tuple[int, bytes, bytes]] = []
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
        self.db.execute(
            "INSERT INTO fact VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
        )

    def spend(self, nonce: str, expires: int) -> bool:
        """Take a nonce; False where it was taken before. Kept until it could not be used any more."""
        self.db.execute("DELETE FROM nonce WHERE expires < ?", (int(self.time) - 86400,))
        try:
            self.db.execute("INSERT INTO nonce VALUES (?, ?)", (nonce, expires))
        except sqlite3.IntegrityError:
            return False
        return True

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
    """A ledger file. Thread-safe; one writer at a time across all processes.

    Raises:
        Refused: the file is missing (or, with `create`, is there), torn, or of another version.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        if create and path.exists():
            raise Refused("exists", f"{path} is there already: a ledger is never overwritten")
        if not create and not path.exists():
            raise Refused("no-ledger", f"{path} is missing: without its ledger the charter stays closed")
        try:
            self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            if create:
                path.chmod(0o600)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA trusted_schema = OFF")
            if create:
                self._db.executescript("BEGIN;" + SCHEMA + "COMMIT;")
            self._check()
            self._add_indexes()
        except (sqlite3.Error, OSError, ValueError) as error:
            raise Refused("ledger", f"{path}: not a ledger that can be used ({error})") from error

    def _check(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version != 1:
            raise ValueError(f"of version {version}, this is 1")
        size, data = self._db.execute("SELECT size, peaks FROM tip").fetchone()
        Peaks.from_bytes(size, data)
        last = self._db.execute("SELECT max(seq) FROM entry").fetchone()[0]
        if (-1 if last is None else last) != size - 1:
            raise ValueError(f"the last entry is {last}, the tree has {size}")

    def _add_indexes(self) -> None:
        """Add what an earlier release left out; a ledger that cannot be written now works without."""
        present = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
        for name, statement in ADDED_INDEXES.items():
            if name not in present:
                with suppress(sqlite3.OperationalError):
                    self._db.execute(statement)

    def close(self) -> None:
        """Close the file; later use is refused."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self, time: float) -> Iterator[Transaction]:
        """Hold the write lock; commit and sync on leaving, roll back on any error.

        Raises:
            Refused: the file cannot be written (a full disk, another writer that does not let go).
        """
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                raise Refused("ledger-closed", f"{self.path} cannot be written: {error}") from error
            try:
                transaction = Transaction(self._db, time)
                yield transaction
                transaction.finish()
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._rollback()
                raise Refused("ledger-closed", f"{self.path} cannot be written: {error}") from error
            except BaseException:
                self._rollback()
                raise

    def _rollback(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            self._db.close()

    def append(self, kind: str, body: dict[str, Any], time: float) -> int:
        """Add one entry, on the disk when this returns."""
        with self.transaction(time) as transaction:
            return transaction.append(kind, body)

    # -- reading ----------------------------------------------------------------------------------------------

    def query(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows of a reading statement.

        Raises:
            Refused: the file cannot be read.
        """
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise Refused("ledger-closed", f"{self.path} cannot be read: {error}") from error

    def get(self, name: str) -> str | None:
        """The fact called `name`."""
        rows = self.query("SELECT value FROM fact WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def peaks(self) -> Peaks:
        """The tree's peaks as they stand."""
        size, data = self.query("SELECT size, peaks FROM tip")[0]
        return Peaks.from_bytes(size, data)

    def leaves(self, size: int | None = None) -> list[bytes]:
        """Leaf hashes of the first `size` entries, as they stand in the file."""
        limit = -1 if size is None else size
        return [row[0] for row in self.query("SELECT hash FROM entry ORDER BY seq LIMIT ?", (limit,))]

    def entries(self, first: int = 0, count: int = -1) -> list[Entry]:
        """Entries from place `first` on.

        Raises:
            Refused: one of them cannot be read.
        """
        rows = self.query("SELECT seq, leaf FROM entry WHERE seq >= ? ORDER BY seq LIMIT ?", (first, count))
        found = []
        for seq, data in rows:
            try:
                record = canonical.loads(data, f"entry {seq}")
                found.append(Entry(seq, record["kind"], record["time"], record["body"]))
            except (AttributeError, KeyError, TypeError) as error:
                raise Refused("ledger", f"entry {seq} is not an entry: adhere warden ledger verify") from error
        return found

    def last(self, count: int) -> list[Entry]:
        """The last `count` entries."""
        return self.entries(max(0, self.peaks().size - count))
