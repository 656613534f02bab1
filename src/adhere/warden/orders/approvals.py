"""Do what I mean, and check (DWIMAC): what an act would change is shown, and persons sign what they were shown.

Rules
- An act's impact (reversible? reach? cost? ambiguous?) gives a level, and the charter says how many persons confirm
  an act of that level. The tool's own dry run is preferred to the table's word, and the worse of both counts.
- The restatement says what will change, from the dry run where there is one, and marks what came from outside as
  quoted data: one line each, every control, format, separator and private-use character as an escape.
- The restatement shows the whole act. Where it does not fit, each long argument is shown as its digest, and the act
  is approved by its digest alone: a signature for what was seen is refused.
- An approval signs the digest of what was shown *and* the digest of the act, in this epoch, until it expires, for so
  many uses. Change a word of either and it approves nothing.
- Confirmations count persons across envelopes: each person's signature once. One refusal by a person of the role closes
  the request.
- A use is spent in the transaction that lets the act through. A stop raises the epoch and voids every open approval.
- Requests and approvals are listed and can be withdrawn.
"""

from __future__ import annotations

import json
import re
import secrets
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from adhere.warden.acts.acts import Act, Impact
from adhere.warden.canonical import Refused, digest
from adhere.warden.charter.charter import Charter
from adhere.warden.charter.quorum import Proof, prove
from adhere.warden.charter.terms import ConfirmTerms
from adhere.warden.ledger.ledger import Ledger, Transaction
from adhere.warden.orders import instructions
from adhere.warden.orders.instructions import Verified

SHOWN_LIMIT = 20_000
"""Characters of an act's arguments, and of its dry run, that are shown at most."""
ARGUMENT_LIMIT = 500
"""Characters of one argument that are shown where the act as a whole does not fit."""
PARTIAL = "NOT SHOWN IN FULL: this act cannot be approved by sight, only by its digest (approve --digest)."
"""The first line of a restatement that leaves something out."""
_UNSEEN = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"))
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks that are drawn as nothing."""


class Level(IntEnum):
    """How grave an act is."""

    MINOR = 0
    MAJOR = 1
    CRITICAL = 2


@dataclass(frozen=True)
class Preview:
    """What a tool's dry run says would change, one line each, and with what impact."""

    changes: tuple[str, ...]
    impact: Impact = field(default_factory=Impact)


Previewer = Callable[[Mapping[str, Any]], Preview]
"""A tool's dry run: its arguments in, what would change out. It must change nothing."""


def level(impact: Impact, terms: ConfirmTerms) -> Level:
    """How grave `impact` is: the worst of its four parts."""
    grave = Level.MINOR
    if not impact.reversible:
        grave = Level.CRITICAL if impact.reach >= 2 else Level.MAJOR if impact.reach >= 1 else Level.MINOR
    elif impact.reach >= 3:
        grave = Level.MAJOR
    if impact.cost >= terms.critical_cost:
        grave = Level.CRITICAL
    elif impact.cost >= terms.major_cost:
        grave = max(grave, Level.MAJOR)
    if impact.ambiguous:
        grave = max(grave, Level.MAJOR)
    return grave


def needed(grave: Level, terms: ConfirmTerms) -> int:
    """How many persons confirm an act of this level."""
    return (terms.minor, terms.major, terms.critical)[grave]


def worse(one: Impact | None, other: Impact | None) -> Impact | None:
    """The worse of both in every part."""
    if one is None or other is None:
        return one or other
    return Impact(
        reversible=one.reversible and other.reversible,
        reach=max(one.reach, other.reach),
        cost=max(one.cost, other.cost),
        ambiguous=one.ambiguous or other.ambiguous,
    )


def restate(act: Act, why: str, impact: Impact | None, preview: Preview | None, needs: str) -> str:
    """What is shown to the person who confirms. Foreign texts are quoted and escaped, so they cannot pass for ours.

    An act that does not fit `SHOWN_LIMIT` shows its long arguments as digests, and its first line is `PARTIAL`.
    """
    arguments = {name: quoted(value) for name, value in act.arguments.items()}
    shown = [f"  {quoted(name)}: {text}" for name, text in arguments.items()]
    changes = [f"  {quoted(change)}" for change in preview.changes] if preview is not None else []
    if _length(shown) + _length(changes) <= SHOWN_LIMIT:
        return _restatement(act, why, impact, preview, needs, shown, changes)
    shown = [f"  {_digest_beyond(name)}: {_digest_beyond(value)}" for name, value in act.arguments.items()]
    if _length(shown) > SHOWN_LIMIT:
        shown = [f"  {len(shown):,} arguments, {_digest_of(dict(act.arguments))}"]
    if _length(changes) > SHOWN_LIMIT:
        changes = [f"  {len(changes):,} changes, {_digest_of(list(preview.changes) if preview else [])}"]
    return PARTIAL + "\n" + _restatement(act, why, impact, preview, needs, shown, changes)


def _restatement(
    act: Act,
    why: str,
    impact: Impact | None,
    preview: Preview | None,
    needs: str,
    arguments: list[str],
    changes: list[str],
) -> str:
    lines = [f"Act: {quoted(act.tool)}", *arguments]
    if preview is not None:
        lines += ["What will change, by the tool's own dry run:", *(changes or ["  nothing"])]
    else:
        lines.append("What will change: the tool offers no dry run.")
    if impact is not None:
        undo = "can be undone" if impact.reversible else "cannot be undone"
        reach = ("the agent's own scratch", "one person", "an organisation", "the public")[impact.reach]
        cost = f", costs {impact.cost:g}" if impact.cost else ""
        unsure = ", and the instruction can be read in more than one way" if impact.ambiguous else ""
        lines.append(f"Impact: {undo}, reaches {reach}{cost}{unsure}.")
    lines.append(f"Its content comes from: {act.lowest.name.lower()} (the lowest source that went into it).")
    if act.because:
        lines.append(f"The agent gives as its reason (data, not a fact): {_digest_beyond(act.because)}")
    lines += [f"Asked because: {_escaped(why)}", f"Digest of the act: {act.digest}", needs]
    return "\n".join(lines) + "\n"


def quoted(value: object) -> str:
    """`value` as JSON in one line; what a terminal or page would obey, hide or take for a space is an escape."""
    return _escaped(json.dumps(value, ensure_ascii=False, default=str))


def _escaped(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if _is_seen(one) else f"\\u{{{ord(one):04x}}}" for one in text)


def _is_seen(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    return unicodedata.category(character) not in _UNSEEN and _INVISIBLE.match(character) is None


def _digest_of(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return f"SHA-256 {digest(text.encode('utf-8', 'surrogatepass'))}"


def _digest_beyond(value: object) -> str:
    """`value` quoted, or its length and digest where it is long."""
    text = quoted(value)
    if len(text) <= ARGUMENT_LIMIT:
        return text
    return f"[not shown: {len(text):,} characters, {_digest_of(value)}]"


def _length(lines: list[str]) -> int:
    return sum(map(len, lines)) + len(lines)


def by_digest(act: str) -> str:
    """The text of a statement that approves the act with the digest `act`, which could not be shown in full."""
    return f"by digest {act}"


@dataclass(frozen=True)
class Request:
    """Something that waits for persons. `expires` in seconds since 1970; `uses` are left."""

    id: str
    act: str
    digest: str
    text: str
    role: str
    needed: int
    epoch: int
    expires: int
    status: str
    uses: int

    @property
    def partial(self) -> bool:
        """Whether the text leaves out a part of the act."""
        return self.text.startswith(PARTIAL + "\n")


_COLUMNS = "id, act, digest, text, role, needed, epoch, expires, status, uses"
WAITING = (
    f"SELECT {_COLUMNS} FROM request WHERE epoch = ? AND status IN ('open', 'approved') AND expires > ?"
    " ORDER BY expires, id"
)
"""The requests of an epoch that wait or may be used, read through the index `request_waiting`."""


def request(transaction: Transaction, act: Act, text: str, role: str, count: int, epoch: int, seconds: int) -> str:
    """Open a request, or find the one that is open for the same act and text; return its id."""
    shown = digest(text.encode())
    row = transaction.db.execute(
        "SELECT id FROM request WHERE act = ? AND digest = ? AND role = ? AND epoch = ? AND expires > ?"
        " AND status IN ('open', 'approved') AND needed >= ?",
        (act.digest, shown, role, epoch, int(transaction.time), count),
    ).fetchone()
    if row:
        return str(row[0])
    name = secrets.token_hex(4)
    expires = int(transaction.time) + seconds
    transaction.db.execute(
        "INSERT INTO request VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', 0)",
        (name, act.digest, act.tool, shown, text, role, count, epoch, expires),
    )
    return name


def requests(ledger: Ledger, now: float, epoch: int, *, everything: bool = False) -> list[Request]:
    """The requests that still wait or may still be used; with `everything` all there ever were."""
    if everything:
        return [Request(*row) for row in ledger.query(f"SELECT {_COLUMNS} FROM request ORDER BY expires, id")]
    rows = ledger.query(WAITING, (epoch, now))
    return [Request(*row) for row in rows]


def find(ledger: Ledger, name: str) -> Request:
    """The request called `name`.

    Raises:
        Refused: there is none.
    """
    rows = ledger.query(f"SELECT {_COLUMNS} FROM request WHERE id = ?", (name,))
    if not rows:
        raise Refused("request", f"no request is called {name!r}: adhere warden approvals lists them")
    return Request(*rows[0])


def accept(transaction: Transaction, verified: Verified, charter: Charter, epoch: int) -> tuple[str, str]:
    """Take a person's approval or refusal; return the request's id and its status now.

    Raises:
        Refused: no open request is about this act and this text under this role.
    """
    statement = verified.statement
    rows = transaction.db.execute(
        f"SELECT {_COLUMNS} FROM request WHERE act = ? AND digest = ? AND role = ? AND epoch = ?"
        " AND status IN ('open', 'approved')",
        (statement.action, statement.shown, statement.role, epoch),
    ).fetchall()
    open_now = [r for r in (Request(*row) for row in rows) if r.expires > transaction.time]
    if not open_now:
        raise Refused("request", "no open request is about this act as it was shown: it changed, lapsed or was voided")
    wanted = open_now[0]
    if statement.kind == "refuse":
        transaction.db.execute("UPDATE request SET status = 'refused' WHERE id = ?", (wanted.id,))
        return wanted.id, "refused"
    if wanted.partial and statement.text != by_digest(wanted.act):
        line = f"the act was not shown in full: approve it by its digest, approve {wanted.id} --digest {wanted.act}"
        raise Refused("not-shown", line)
    person = "+".join(verified.proof.persons)
    transaction.db.execute(
        "INSERT INTO approval VALUES (?, ?, ?, ?, ?) ON CONFLICT (request, person)"
        " DO UPDATE SET expires = excluded.expires, uses = excluded.uses, envelope = excluded.envelope",
        (wanted.id, person, statement.expires, statement.uses, verified.envelope),
    )
    proof, uses = proven(transaction, wanted, charter)
    status = "approved" if proof.count >= max(1, wanted.needed) else "open"
    transaction.db.execute("UPDATE request SET status = ?, uses = ? WHERE id = ?", (status, uses, wanted.id))
    return wanted.id, status


def proven(transaction: Transaction, wanted: Request, charter: Charter) -> tuple[Proof, int]:
    """Who approved `wanted` and still counts, verified again against the charter in force; and for how many uses."""
    keys, uses = [], 1000
    rows = transaction.db.execute(
        "SELECT envelope, uses FROM approval WHERE request = ? AND expires > ?", (wanted.id, int(transaction.time))
    )
    for data, allowed in rows.fetchall():
        envelope = instructions.from_bytes(data)
        signed = [
            key
            for key in charter.members(wanted.role)
            if key.keyid in envelope.signatures and _signed(key, envelope.signatures[key.keyid], envelope.pae())
        ]
        if signed:
            keys += signed
            uses = min(uses, allowed)
    return prove(wanted.role, keys, max(1, wanted.needed)), uses


def _signed(key: Any, signature: Any, payload: bytes) -> bool:
    from securesystemslib.exceptions import UnverifiedSignatureError

    try:
        key.verify_signature(signature, payload)
    except UnverifiedSignatureError:
        return False
    return True


def use(transaction: Transaction, act: Act, role: str, charter: Charter, epoch: int) -> tuple[str, Proof] | None:
    """Spend one use of an approval of `act`, if there is one that holds now; its request and its proof."""
    rows = transaction.db.execute(
        f"SELECT {_COLUMNS} FROM request WHERE act = ? AND role = ? AND epoch = ?"
        " AND status = 'approved' AND uses > 0 AND expires > ? ORDER BY expires",
        (act.digest, role, epoch, int(transaction.time)),
    ).fetchall()
    for row in rows:
        wanted = Request(*row)
        proof, _ = proven(transaction, wanted, charter)
        if proof.count < max(1, wanted.needed):
            continue
        left = wanted.uses - 1
        transaction.db.execute(
            "UPDATE request SET uses = ?, status = ? WHERE id = ?",
            (left, "approved" if left else "used", wanted.id),
        )
        return wanted.id, proof
    return None


def void(transaction: Transaction, epoch: int) -> int:
    """Void whatever is open from before `epoch`; how many that were."""
    cursor = transaction.db.execute(
        "UPDATE request SET status = 'void' WHERE epoch < ? AND status IN ('open', 'approved')", (epoch,)
    )
    return cursor.rowcount
