"""The highest epoch and the longest ledger that this user has seen, kept outside the charter's folder.

Rules
- A folder that was put back from a backup lost what came after it: a stop, a spent approval. The mark remembers, and a
  run or a decision refuses to start on a ledger that says less than the mark or than a witness's last checkpoint.
- The mark only rises. Whoever means to go back removes the file that the refusal names: a deliberate act, by a person.
- A mark that cannot be read counts as one that says more. One that cannot be written protects nothing.
- A witness that cannot be reached says nothing; `publish` records that.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from adhere.warden import canonical
from adhere.warden.canonical import Refused
from adhere.warden.engine import time_limited, witness
from adhere.warden.engine.warden import Warden

WITNESS_SECONDS = 5.0
"""How long the start of a run or a decision waits for a witness."""


def home_of_marks() -> Path:
    """Where marks are kept: `$XDG_STATE_HOME/adhere/marks`."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(base) / "adhere" / "marks"


def _path(warden: Warden) -> Path:
    return home_of_marks() / f"{warden.charter.origin}.json"


def _read(path: Path) -> tuple[int, int]:
    """Epoch and size of the mark; (0, 0) where there is none.

    Raises:
        Refused: it cannot be read.
    """
    if not path.exists():
        return 0, 0
    fields = canonical.loads(canonical.read(path, "mark"), str(path))
    try:
        return int(fields["epoch"]), int(fields["size"])
    except (KeyError, TypeError, ValueError) as error:
        raise Refused("rollback", f"{path}: the mark cannot be read ({error})") from error


def refuse_rollback(warden: Warden) -> None:
    """Refuse a ledger that says less than the mark or a witness, then raise the mark.

    Raises:
        Refused: it does, or the mark or a checkpoint cannot be read.
    """
    path = _path(warden)
    epoch, size = _read(path)
    entries, now = warden.ledger.peaks().size, warden.state().epoch
    if entries < size or now < epoch:
        raise Refused(
            "rollback",
            f"{warden.folder}: the ledger has {entries} entries in epoch {now}, {size} in epoch {epoch} were seen: an "
            f"older copy was put back, which may undo a stop. If that is meant, remove {path}",
        )
    for text in warden.charter.terms.witnesses:
        held = time_limited.call(witness.witness(text).notes, seconds=WITNESS_SECONDS)
        if held.value:
            witness.check(warden, held.value[-1:])
    raise_mark(warden)


def raise_mark(warden: Warden) -> None:
    """Note how far the ledger is."""
    path = _path(warden)
    with suppress(Refused, OSError):
        epoch, size = _read(path)
        mark = {"epoch": max(epoch, warden.state().epoch), "size": max(size, warden.ledger.peaks().size)}
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        canonical.replace(path, json.dumps(mark).encode())
