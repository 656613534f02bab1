"""A ledger in one SQLite file: write-ahead log, full sync. The default.

Rules
- Several processes of one machine may have the file open; the write lock is SQLite's.
- An instance is a process of this machine: its place is free when that process is gone.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from adhere.warden.canonical import Refused
from adhere.warden.ledger import processes, schema
from adhere.warden.ledger.merkle import Peaks
from adhere.warden.ledger.store import BUSY_SECONDS, Connection


class SqliteStore:
    """The file `path`.

    Raises:
        Refused: the file is missing (or, with `create`, is there), torn, or of another version.
    """

    faults: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path, self.name = path, str(path)
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
                tables = ";\n".join([*schema.statements(schema.SQLITE), f"PRAGMA user_version = {schema.VERSION}"])
                self._db.executescript(f"BEGIN; {tables}; COMMIT;")
            self._check()
            self._add_what_is_new()
        except (sqlite3.Error, OSError, ValueError) as error:
            raise Refused("ledger", f"{path}: not a ledger that can be used ({error})") from error

    def _check(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version != schema.VERSION:
            raise ValueError(f"of version {version}, this is {schema.VERSION}")
        size, data, last = self._db.execute(schema.WHOLE).fetchone()
        Peaks.from_bytes(size, data)
        if (-1 if last is None else last) != size - 1:
            raise ValueError(f"the last entry is {last}, the tree has {size}")

    def _add_what_is_new(self) -> None:
        """A ledger that cannot be written now works without."""
        present = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master")}
        for name, statement in schema.ADDED.items():
            if name not in present:
                with suppress(sqlite3.OperationalError):
                    self._db.execute(statement.format(**schema.SQLITE))

    def begin(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db

    def announce(self) -> None:
        pass  # whoever waits looks by the clock

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            self._db.close()

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(sql, values).fetchall()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def home(self) -> str:
        return processes.home(self.path)

    def place(self, connection: Connection, instance: str, most: int) -> bool:
        alive = set()
        for name, pid, began in connection.execute("SELECT id, pid, started FROM instance").fetchall():
            if processes.started(pid) == began:
                alive.add(name)
            else:
                connection.execute("DELETE FROM instance WHERE id = ?", (name,))
        if instance in alive:
            return True
        if len(alive) >= most:
            return False
        row = instance, os.getpid(), processes.started(os.getpid())
        connection.execute("INSERT INTO instance VALUES (?, ?, ?, '')", row)
        return True

    def leave(self, connection: Connection, instance: str) -> None:
        connection.execute("DELETE FROM instance WHERE id = ? AND pid = ?", (instance, os.getpid()))

    def alive(self) -> frozenset[str]:
        rows = self._db.execute("SELECT id, pid, started FROM instance").fetchall()
        return frozenset(name for name, pid, began in rows if processes.started(pid) == began)

    def again(self) -> SqliteStore:
        return SqliteStore(self.path)

    def close(self) -> None:
        self._db.close()
