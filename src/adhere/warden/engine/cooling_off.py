"""A will's condition and its cooling-off: how long an heir must wait.

The condition is that no principal has given a sign of life for so long. When it is met for the first time the
cooling-off begins, and the ledger says so; whatever puts the will in force asks here first.
"""

from __future__ import annotations

import json

from adhere.warden.canonical import Refused
from adhere.warden.charter.charter import Charter
from adhere.warden.ledger.ledger import Transaction


def waits(transaction: Transaction, draft: Charter) -> float:
    """Seconds of cooling-off that are left; begins it where the condition is met for the first time.

    Raises:
        Refused: a principal has been heard of too recently.
    """
    will = draft.will
    assert will is not None
    now = max(transaction.time, transaction.seen)
    silent = now - float(transaction.get("sign-of-life") or now)
    if silent < will.after_missing:
        raise Refused(
            "will",
            f"not its time: a principal was heard of {silent:.0f} s ago, the will waits for {will.after_missing} s",
        )
    found = json.loads(transaction.get("will") or "{}")
    if found.get("digest") != draft.digest:
        transaction.put("will", json.dumps({"digest": draft.digest, "began": now}))
        transaction.append("will", {"invoked": draft.digest, "silent": silent, "cooling off": will.cooling_off})
        return float(will.cooling_off)
    return float(found["began"] + will.cooling_off - now)
