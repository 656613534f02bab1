"""A ledger in a PostgreSQL database, for several gateways and wardens under one charter.

Rules
- All tables are in one schema of the database, one ledger a schema.
- The write lock is the row of `tip`: whoever updates the tree locks it first, so entries have one order however many
  replicas append. A replica that is cut off while it holds the lock loses it after `IDLE_SECONDS`.
- A commit is on the server's disk when it returns: a database that runs with `fsync = off` is refused, and
  `synchronous_commit = off` is overridden for these sessions. Copies on standbys are the server's own setting.
- A changed state is announced (NOTIFY) with its commit. `wait` listens; whoever waits looks at the state afterwards
  whether it was woken or not, so where LISTEN does not work (a pooler) a stop is seen by polling.
- An instance has its place while the session lives through which it took it, as the server sees it: a replica that is
  killed frees its place without anybody's clock.
- A server that does not answer counts as gone after `SILENT_SECONDS`: nothing here waits for ever.
"""

from __future__ import annotations

import hashlib
import re
import socket
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from adhere.core.extras import require
from adhere.warden.canonical import Refused
from adhere.warden.ledger import schema as tables
from adhere.warden.ledger.merkle import Peaks
from adhere.warden.ledger.schema import WHOLE
from adhere.warden.ledger.store import BUSY_SECONDS, Connection, Location, Rows

CONNECT_SECONDS = 3
SILENT_SECONDS = 2.0
IDLE_SECONDS = 10.0
"""For a transaction whose replica says nothing: then the server ends it."""
PAUSE = 0.25
"""Between two tries to connect again."""
SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,49}")

_FOUNDED = "SELECT to_regclass(?) IS NOT NULL"
_ALIVE = (
    "SELECT i.id, a.pid IS NOT NULL FROM instance i LEFT JOIN pg_stat_activity a"
    " ON a.pid = i.pid AND a.backend_start::text = i.started"
)


class PostgresStore:
    """The schema that `place` names.

    Raises:
        MissingExtra: psycopg is not installed.
        Refused: the database cannot be reached, holds no ledger there, or would lose what it committed.
    """

    path: Path | None = None

    def __init__(self, place: Location, *, create: bool = False) -> None:
        require("psycopg")
        import psycopg

        self._psycopg, self._place = psycopg, place
        self.faults: tuple[type[Exception], ...] = (psycopg.Error, OSError)
        self.name = f"{_without_password(place.url)} (schema {place.schema})"
        if not SCHEMA_NAME.fullmatch(place.schema):
            raise Refused("store", f"{place.schema[:60]!r}: a schema's name is a-z, 0-9 and _, 50 at the most")
        self._channel = f"adhere_{place.schema}"
        self._listening = False
        self._tried = 0.0
        self._home = ""
        try:
            self._db = self._connect()
            if create:
                self._create()
            self._check()
        except self.faults as error:
            raise Refused("ledger-closed", f"{self.name} cannot be used: {_line(error)}") from error
        except ValueError as error:
            raise Refused("ledger", f"{self.name}: not a ledger that can be used ({error})") from error

    # connecting

    def _connect(self) -> Any:
        milliseconds = int(SILENT_SECONDS * 1000)
        settings = {
            "search_path": self._place.schema,
            "lock_timeout": int(BUSY_SECONDS * 1000),
            "idle_in_transaction_session_timeout": int(IDLE_SECONDS * 1000),
            "tcp_keepalives_idle": 5,
            "tcp_keepalives_interval": 2,
            "tcp_keepalives_count": 3,
        }
        db: Any = self._psycopg.connect(
            self._place.url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            keepalives_idle=2,
            keepalives_interval=1,
            keepalives_count=2,
            tcp_user_timeout=milliseconds,
            application_name="adhere",
        )
        for name, value in settings.items():
            db.execute("SELECT set_config(%s, %s, false)", (name, str(value)))
        if db.execute("SHOW fsync").fetchone()[0] != "on":
            db.close()
            raise ValueError("it runs with fsync = off and would lose what it committed")
        if db.execute("SHOW synchronous_commit").fetchone()[0] == "off":
            db.execute("SET synchronous_commit = on")
        return db

    def _connected(self) -> Any:
        """The connection, opened again if it broke; not more often than every `PAUSE` seconds."""
        if self._db.closed or self._db.broken:
            if time.monotonic() - self._tried < PAUSE:
                raise self._psycopg.OperationalError("the connection is lost")
            self._tried = time.monotonic()
            self._listening = False
            try:
                self._db = self._connect()
            except ValueError as error:
                raise self._psycopg.OperationalError(str(error)) from error
        return self._db

    def _create(self) -> None:
        with self._db.transaction():
            self._db.execute(f'CREATE SCHEMA IF NOT EXISTS "{self._place.schema}"')
            if self._db.execute(_portable(_FOUNDED), (f"{self._place.schema}.tip",)).fetchone()[0]:
                raise Refused("exists", f"{self.name} holds a ledger already: a ledger is never overwritten")
            for statement in tables.statements(tables.POSTGRES):
                self._db.execute(statement)

    def _check(self) -> None:
        if not self._db.execute(_portable(_FOUNDED), (f"{self._place.schema}.tip",)).fetchone()[0]:
            raise Refused("no-ledger", f"{self.name} holds no ledger: adhere warden ledger move puts one there")
        size, data, last = self._db.execute(WHOLE).fetchone()
        Peaks.from_bytes(size, data)
        if (-1 if last is None else last) != size - 1:
            raise ValueError(f"the last entry is {last}, the tree has {size}")

    # transactions

    def begin(self) -> Connection:
        db = self._connected()
        db.execute("BEGIN")
        try:
            # a statement of its own: what follows it reads what the last holder of the lock committed
            db.execute("SELECT size FROM tip FOR UPDATE")
        except BaseException:
            self.rollback()
            raise
        return _Transaction(db)

    def announce(self) -> None:
        self._db.execute("SELECT pg_notify(%s, '')", (self._channel,))

    def commit(self) -> None:
        self._db.execute("COMMIT")
        if self._db.info.transaction_status != self._psycopg.pq.TransactionStatus.IDLE:
            raise self._psycopg.OperationalError("the transaction was not committed")

    def rollback(self) -> None:
        try:
            if not self._db.closed and self._db.info.transaction_status != 0:
                self._db.execute("ROLLBACK")
        except self.faults:
            self._db.close()

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connected().execute(_portable(sql), values).fetchall()
        return rows

    def wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        try:
            db = self._connected()
            if not self._listening:
                db.execute(f'LISTEN "{self._channel}"')
                self._listening = True
                return  # what was announced before is looked at now
            for _ in db.notifies(timeout=seconds, stop_after=1):
                return
        except self.faults:
            time.sleep(max(0.0, until - time.monotonic()))

    # instances

    def home(self) -> str:
        """From the database cluster's identifier, the database and the schema: a dump that is restored elsewhere has
        another one. A copy of the whole cluster, block by block, has the same."""
        if not self._home:
            row = self.query(
                "SELECT (SELECT system_identifier FROM pg_control_system()),"
                " (SELECT oid FROM pg_database WHERE datname = current_database()),"
                " (SELECT oid FROM pg_namespace WHERE nspname = ?)",
                (self._place.schema,),
            )[0]
            self._home = hashlib.sha256(f"adhere home postgresql {row[0]} {row[1]} {row[2]}".encode()).hexdigest()[:32]
        return self._home

    def place(self, connection: Connection, instance: str, most: int) -> bool:
        alive = set()
        for name, lives in connection.execute(_ALIVE).fetchall():
            if lives:
                alive.add(name)
            else:
                connection.execute("DELETE FROM instance WHERE id = ?", (name,))
        if instance in alive:
            return True
        if len(alive) >= most:
            return False
        connection.execute(
            "INSERT INTO instance SELECT ?, pid, backend_start::text, ? FROM pg_stat_activity"
            " WHERE pid = pg_backend_pid()",
            (instance, socket.gethostname()),
        )
        return True

    def leave(self, connection: Connection, instance: str) -> None:
        connection.execute("DELETE FROM instance WHERE id = ? AND pid = pg_backend_pid()", (instance,))

    def alive(self) -> frozenset[str]:
        return frozenset(name for name, lives in self.query(_ALIVE) if lives)

    def again(self) -> PostgresStore:
        return PostgresStore(self._place)

    def close(self) -> None:
        self._db.close()


class _Transaction:
    """The connection while the lock is held."""

    def __init__(self, db: Any) -> None:
        self._db = db

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        rows: Rows = self._db.execute(_portable(sql), values)
        return rows


@lru_cache(maxsize=256)
def _portable(sql: str) -> str:
    """Placeholders as psycopg has them. No statement of the ledger has a literal `?` or `%`."""
    return sql.replace("?", "%s")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    where = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, where, parts.path, "", ""))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
