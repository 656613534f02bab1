"""Succession: who comes after, when keys are lost, people leave, or somebody is compromised.

Rules
- The ordinary way is a rotation: a new root signed by a quorum of the old people and a quorum of the new.
- A *will* is a root signed in advance by the old quorum, with a condition (no sign of life from any principal for so
  long) and a cooling-off time. Invoking it when the condition is met starts the cooling-off; any sign of life from
  any old principal (a heartbeat, a statement, `cancel`) ends it at once. Only after it, and with the heirs' own
  quorum, does the root take over.
- Before its time a will is refused, however well it is signed. A will whose root does not follow the one in force is
  void.
- Compromise: one amendment takes a person out of every role, in root and terms together, and raises the epoch.
- Without any of these a charter that has lost its quorum stays closed. That is meant.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, Targets

from adhere.warden import canonical
from adhere.warden.canonical import Refused
from adhere.warden.charter import charter as charters
from adhere.warden.charter.charter import FIELD, Charter, Grant, Principal, root_quorums
from adhere.warden.charter.quorum import count_persons
from adhere.warden.charter.terms import Will, packed, parse_terms
from adhere.warden.engine import charter_setup
from adhere.warden.engine.cooling_off import waits
from adhere.warden.ledger.ledger import Ledger

FILE = "will.json"


def amended(current: Charter, changes: Mapping[str, Any], expires: datetime) -> Charter:
    """A draft with other terms and the same people. In `changes`, a mapping changes its field part by part.

    Raises:
        Refused: a field nobody knows, or an empty table.
    """
    fields = current.terms.model_dump(mode="json")
    for name, value in changes.items():
        fields[name] = {**fields[name], **value} if isinstance(fields.get(name), dict) else value
    terms = parse_terms(fields, "the amendment")
    targets = Targets(
        version=current.targets.version + 1,
        expires=expires,
        delegations=current.targets.delegations,
        unrecognized_fields={FIELD: packed(terms)},
    )
    return Charter(current.roots, Metadata(targets))


def rotated(
    current: Charter,
    *,
    add: Sequence[Principal] = (),
    remove: Sequence[str] = (),
    thresholds: Mapping[str, int] | None = None,
    grants: Sequence[Grant] = (),
    expires: datetime,
    will: Will | None = None,
) -> Charter:
    """A draft with other people. Those added get every role that is granted to everybody; `grants` replace roles.

    Raises:
        Refused: a threshold that the rest cannot reach, a person who is not there.
    """
    names = {principal.name for principal in current.principals()}
    strangers = sorted(set(remove) - names)
    if strangers:
        raise Refused("principals", f"{', '.join(strangers)} is not a principal: there are {', '.join(sorted(names))}")
    people = [principal for principal in current.principals() if principal.name not in remove] + list(add)
    replaced = {grant.role: grant for grant in grants}
    roles = []
    for grant in current.grants():
        if grant.role in replaced:
            continue
        members = tuple(dict.fromkeys(n for n in grant.names if n not in remove))
        if set(grant.names) == names:
            members = tuple(dict.fromkeys(principal.name for principal in people))
        threshold = (thresholds or {}).get(grant.role, grant.threshold)
        left = count_persons(p.key for p in people if p.name in members)
        if threshold > left:
            raise Refused(
                "threshold",
                f"{grant.role} would have {left} persons for a threshold of {threshold}: "
                f"lower it (--threshold {grant.role}={max(1, left)}) or add somebody",
            )
        roles.append(Grant(grant.role, threshold, members, grant.tools))
    return charters.draft(people, [*roles, *replaced.values()], current.terms, expires, before=current, will=will)


def seal(folder: Path, draft: Charter, signers: Sequence[Signer]) -> list[str]:
    """Keep `draft`, a root with conditions, as the will; the old quorum signs it now.

    Raises:
        Refused: it names no conditions, or the old quorum has not signed.
    """
    if draft.will is None:
        raise Refused("will", "a will needs its conditions")
    names = draft.sign(signers)
    old = root_quorums(draft.roots[-1], draft.roots[-2].signed)["the old quorum"]
    if not old.holds:
        raise Refused("quorum", f"a will needs {old.threshold} of the amend quorum in force, it has {old.count}")
    canonical.replace(folder / FILE, draft.to_bytes())
    return names


def invoke(folder: Path, signers: Sequence[Signer], clock: Callable[[], float] = time.time) -> str:
    """Invoke the will: begin the cooling-off, or, after it, put the heirs in charge. What happened, in a line.

    Raises:
        Refused: no will, not its time, or the heirs' quorum is missing.
    """
    path = folder / FILE
    if not path.exists():
        raise Refused("will", f"{folder} holds no will")
    draft = Charter.from_bytes(canonical.read(path, "will"), str(path))
    current = charters.load(folder)
    charter_setup.follows(current, draft)
    old = root_quorums(draft.roots[-1], draft.roots[-2].signed)["the old quorum"]
    if draft.will is None or not old.holds:
        raise Refused("will", "the will is not signed by the quorum in force")
    if signers:
        draft.sign(signers)
        canonical.replace(path, draft.to_bytes())
    ledger = Ledger.of(folder)
    try:
        with ledger.transaction(clock()) as transaction:
            left = waits(transaction, draft)
            if left > 0:
                return f"the cooling-off has begun: {left:.0f} s are left, in which any principal can cancel it"
    finally:
        ledger.close()
    missing = draft.missing()
    if missing:
        name, proof = next(iter(missing.items()))
        raise Refused("quorum", f"the heirs must sign: {name} has {proof.count} of {proof.threshold}")
    charter_setup.adopt(folder, draft, clock)
    path.unlink(missing_ok=True)
    return "the will is in force"
