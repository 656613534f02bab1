"""Where a ledger is kept: the seam between `Ledger` and a database.

Rules
- A store runs statements in the part of SQL that SQLite and PostgreSQL share, with `?` for values; upserts are written
  `ON CONFLICT`. The tables are those of `schema`.
- `begin` takes the one write lock of the ledger, across processes and machines. Whoever holds it reads what the last
  holder committed, so entries keep one order.
- `commit` returns when the transaction is on the disk. Where it raises, the transaction may still have been committed:
  an entry may stand in the ledger for an answer that was not delivered, never the other way round.
- A connection that broke is opened again at the next use, outside a transaction. The use during which it broke fails.
- A store counts the instances that run, and notices by itself when one is gone.

`store.json` in the charter's folder names a database; without it the ledger is the folder's `ledger.db`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from adhere.warden.canonical import Refused

FILE = "ledger.db"
LOCATION = "store.json"
DEFAULT_SCHEMA = "adhere"
BUSY_SECONDS = 10.0
"""How long a writer waits for another one before it gives up."""
LONGEST_LOCATION = 10_000

Values = Sequence[Any]


class Rows(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchmany(self, size: int, /) -> list[Any]: ...

    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """What may be asked while the write lock is held."""

    def execute(self, sql: str, values: Values = ()) -> Rows: ...


class Store(Protocol):
    """One database with the tables of one ledger."""

    @property
    def name(self) -> str:
        """For error lines; without a password."""
        ...

    @property
    def path(self) -> Path | None:
        """The file, where it is one."""
        ...

    @property
    def faults(self) -> tuple[type[Exception], ...]:
        """What its statements raise when the database is at fault."""
        ...

    def begin(self) -> Connection:
        """Take the write lock and open a transaction."""
        ...

    def announce(self) -> None:
        """Wake those who `wait`, once the transaction that is open is committed."""
        ...

    def commit(self) -> None: ...

    def rollback(self) -> None:
        """Give up the transaction; never raises."""
        ...

    def query(self, sql: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Rows of a reading statement."""
        ...

    def wait(self, seconds: float) -> None:
        """Return when the state may have changed, or after so many seconds. Never raises."""
        ...

    def home(self) -> str:
        """The name of this very database: a copy of it has another one."""
        ...

    def place(self, connection: Connection, instance: str, most: int) -> bool:
        """Whether `instance` has one of `most` places, taking a free one; places of the dead are free."""
        ...

    def leave(self, connection: Connection, instance: str) -> None:
        """Give up the place of `instance`, if it is this process's."""
        ...

    def alive(self) -> frozenset[str]:
        """The instances that have a place and still run."""
        ...

    def again(self) -> Store:
        """The same store through a connection of its own."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Location:
    """A database, as `store.json` names it. The password is no part of it: libpq looks for it where it always does
    (PGPASSWORD, PGPASSFILE, a service file)."""

    url: str
    schema: str = DEFAULT_SCHEMA

    def to_bytes(self) -> bytes:
        return json.dumps({"url": self.url, "schema": self.schema}, indent=2).encode() + b"\n"


def location(folder: Path) -> Location | None:
    """The database that `folder` names; None where the ledger is a file in it.

    Raises:
        Refused: `store.json` cannot be read.
    """
    path = folder / LOCATION
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_bytes()[:LONGEST_LOCATION])
        place = Location(**record)
        if not isinstance(place.url, str) or not isinstance(place.schema, str):
            raise TypeError("url and schema are texts")
    except (OSError, ValueError, TypeError) as error:
        form = '{"url": "postgresql://...", "schema": "adhere"}'
        raise Refused("store", f"{path}: not in the form {form} ({error})") from error
    return place


def is_founded(folder: Path) -> bool:
    """Whether `folder` has a ledger, here or in a database."""
    return (folder / FILE).exists() or (folder / LOCATION).exists()
