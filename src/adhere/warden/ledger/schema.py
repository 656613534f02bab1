"""The tables of a ledger, for SQLite and for PostgreSQL.

entry      the leaves of the Merkle tree      tip        their number and the tree's peaks
fact       what is in force, by name          nonce      statements that were taken
act        acts by id                         request    what waits for persons, and `approval` of it
instance   who runs                           spent      what clients have used of their budgets
"""

from __future__ import annotations

VERSION = 1

TABLES = """
CREATE TABLE entry (seq {int} PRIMARY KEY, leaf {bytes} NOT NULL, hash {bytes} NOT NULL);
CREATE TABLE tip (one {int} PRIMARY KEY CHECK (one = 1), size {int} NOT NULL, peaks {bytes} NOT NULL);
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL){keyed};
CREATE TABLE nonce (nonce TEXT PRIMARY KEY, expires {int} NOT NULL){keyed};
CREATE INDEX nonce_expires ON nonce (expires);
CREATE TABLE act (id TEXT PRIMARY KEY, digest TEXT NOT NULL, status TEXT NOT NULL, seq {int} NOT NULL){keyed};
CREATE TABLE request (
  id TEXT PRIMARY KEY, act TEXT NOT NULL, tool TEXT NOT NULL, digest TEXT NOT NULL, text TEXT NOT NULL,
  role TEXT NOT NULL, needed {int} NOT NULL, epoch {int} NOT NULL, expires {int} NOT NULL,
  status TEXT NOT NULL, uses {int} NOT NULL);
CREATE INDEX request_act ON request (act, status);
CREATE INDEX request_waiting ON request (epoch, status, expires);
CREATE TABLE approval (
  request TEXT NOT NULL, person TEXT NOT NULL, expires {int} NOT NULL, uses {int} NOT NULL, envelope {bytes} NOT NULL,
  PRIMARY KEY (request, person)){keyed};
CREATE TABLE instance (
  id TEXT PRIMARY KEY, pid {int} NOT NULL, started TEXT NOT NULL, note TEXT NOT NULL){keyed};
INSERT INTO tip VALUES (1, 0, {empty});
"""

ADDED = {
    "nonce_expires": "CREATE INDEX IF NOT EXISTS nonce_expires ON nonce (expires)",
    "request_waiting": "CREATE INDEX IF NOT EXISTS request_waiting ON request (epoch, status, expires)",
    "spent": "CREATE TABLE IF NOT EXISTS spent (client TEXT NOT NULL, span {int} NOT NULL, requests {int} NOT NULL,"
    " tokens {int} NOT NULL, PRIMARY KEY (client, span)){keyed}",
}
"""What ledgers of earlier releases lack, by name. It is added when such a ledger is opened."""

WHOLE = "SELECT size, peaks, (SELECT max(seq) FROM entry) FROM tip"
"""What the tree says and what is there, of one moment: others may append meanwhile."""

SQLITE = {"int": "INTEGER", "bytes": "BLOB", "keyed": " WITHOUT ROWID", "empty": "x''"}
POSTGRES = {"int": "BIGINT", "bytes": "BYTEA", "keyed": "", "empty": "''::bytea"}
EVERY_TABLE = ("entry", "fact", "nonce", "act", "request", "approval", "instance", "spent")
"""All but the tip, which has its row from the start."""


def statements(dialect: dict[str, str]) -> list[str]:
    """Every statement that a new ledger needs."""
    tables = [one.strip() for one in TABLES.format(**dialect).split(";") if one.strip()]
    return tables + [statement.format(**dialect) for statement in ADDED.values()]
