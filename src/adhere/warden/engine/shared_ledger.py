"""Moving a ledger into a database that several machines share, and joining one from another machine.

Rules
- A ledger is moved whole: entries, tree, facts, requests and approvals, in one transaction of the database. The copy is
  verified from its entries before the folder names it.
- What was moved is closed: a process that still has the file open is refused, so that there are never two ledgers.
- A joining machine brings the warden's key and nothing else. The charter comes out of the database with its
  signatures, which are checked, and has to name that key.
- A moved ledger has another home: it takes a new heartbeat before anything may be done.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from adhere.warden import canonical
from adhere.warden.canonical import Refused
from adhere.warden.charter import charter as charters
from adhere.warden.charter.charter import Charter
from adhere.warden.engine import charter_setup
from adhere.warden.engine.core import read_state
from adhere.warden.ledger.latch import Latch
from adhere.warden.ledger.ledger import Ledger, Transaction
from adhere.warden.ledger.postgres_store import PostgresStore
from adhere.warden.ledger.schema import EVERY_TABLE
from adhere.warden.ledger.store import FILE, LOCATION, Location

MOVED = FILE + ".moved"
ROWS = 1_000
"""Rows of a table that are copied at once."""


def move(folder: Path, place: Location, clock: Callable[[], float]) -> int:
    """Move the ledger of `folder` into the database; the number of its entries.

    Raises:
        Refused: it is there already, in use, or the copy is not the same.
    """
    if (folder / LOCATION).exists():
        raise Refused("exists", f"{folder / LOCATION}: the ledger is in a database already")
    charter = charters.load(folder)
    old = Ledger(folder / FILE)
    try:
        if running := old.alive():
            raise Refused("running", f"{', '.join(sorted(running))} uses the ledger: end it first")
        with old.transaction(clock()) as source:
            if source.get("charter") != charter.digest:
                raise Refused("charter", f"{folder}: the charter's file is not the one that was adopted")
            new = Ledger(PostgresStore(place, create=True))
            try:
                size = _copied(source, new, charter, clock())
                root, faults = new.verify()[1:]
                if faults:
                    raise Refused("ledger", f"the copy is not the ledger: {faults[0]}")
            finally:
                new.close()
            canonical.replace(folder / LOCATION, place.to_bytes())
            source.put("charter", f"moved to {new.name}, root {root}")
        os.replace(folder / FILE, folder / MOVED)
    finally:
        old.close()
    return size


def _copied(source: Transaction, new: Ledger, charter: Charter, now: float) -> int:
    with new.transaction(now) as target:
        if target.next:
            raise Refused("exists", f"{new.name} holds a ledger already")
        for table in EVERY_TABLE:
            if table != "instance":  # whoever runs takes a place there
                _copy_table(source, target, table)
        size, peaks = source.db.execute("SELECT size, peaks FROM tip").fetchone()
        target.db.execute("UPDATE tip SET size = ?, peaks = ?", (size, peaks))
        target.db.execute(
            "INSERT INTO fact VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (charter_setup.DOCUMENT, charter.to_bytes().decode()),
        )
    new.append("moved", {"entries": size, "charter": charter.digest}, now)
    return int(size)


def _copy_table(source: Transaction, target: Transaction, table: str) -> None:
    rows = source.db.execute(f"SELECT * FROM {table}")
    while batch := rows.fetchmany(ROWS):
        places = "(" + ", ".join("?" * len(batch[0])) + ")"
        values = [value for row in batch for value in row]
        target.db.execute(f"INSERT INTO {table} VALUES {', '.join([places] * len(batch))}", values)


def join(folder: Path, place: Location) -> Charter:
    """Make `folder`, which holds the warden's key, a folder of the charter whose ledger is in the database.

    Raises:
        Refused: the folder has a charter, the database has none, or the key is not its warden's.
    """
    for name in (charters.FILE, FILE, LOCATION):
        if (folder / name).exists():
            raise Refused("exists", f"{folder / name} is there already: join with a folder of its own")
    key = charter_setup.warden_key(folder)
    ledger = Ledger(PostgresStore(place))
    try:
        document, digest = ledger.get(charter_setup.DOCUMENT), ledger.get("charter")
        if document is None:
            raise Refused("no-charter", f"{ledger.name} holds no charter")
        charter = Charter.from_bytes(document.encode(), f"the charter in {ledger.name}")
        charter.check_signatures()
        if charter.digest != digest:
            raise Refused("charter", f"the charter in {ledger.name} is not the one that was adopted")
        if charter.terms.warden != key.public_key().public_bytes_raw().hex():
            raise Refused("key-kind", f"{folder / 'warden.key'} is not the key of this charter's warden")
        epoch = read_state(ledger.get("state")).epoch
    finally:
        ledger.close()
    latch = Latch(folder)
    if not latch.path.exists():
        latch.create()
    latch.set(epoch)
    canonical.replace(folder / LOCATION, place.to_bytes())
    canonical.replace(folder / charters.FILE, charter.to_bytes())
    return charter
