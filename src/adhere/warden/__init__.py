"""The warden: who may instruct, what is in force, what an act needs, and a stop that has happened.

    with Warden.open("charter/") as warden:
        decision = warden.decide(Act("send_email", {"to": "..."}, because="...", sources=("user",)))
        if decision.allowed:
            ...
            warden.finished(decision)

Ordinary code carries every guarantee; no model is in any path that allows. The rules of each part stand at the top of
its module: `orders` (the standing orders and the state machine), `charter`, `quorum`, `instructions`, `lease`, `acts`,
`sources`, `confirm`, `ledger`, `supervisor`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adhere.warden.acts.acts import Act, Decision, Effect, Impact, Rule, Verdict
    from adhere.warden.acts.sources import Labelled, Memory, Source
    from adhere.warden.canonical import Refused
    from adhere.warden.engine.review import Case, ModelReviewer, Review, Reviewer, RuleReviewer
    from adhere.warden.engine.warden import Warden
    from adhere.warden.orders.approvals import Preview

_HOME = {
    "Act": "acts.acts", "Decision": "acts.acts", "Effect": "acts.acts", "Impact": "acts.acts", "Rule": "acts.acts",
    "Verdict": "acts.acts", "Labelled": "acts.sources", "Memory": "acts.sources", "Source": "acts.sources",
    "Refused": "canonical", "Preview": "orders.approvals", "Case": "engine.review", "ModelReviewer": "engine.review",
    "Review": "engine.review", "Reviewer": "engine.review", "RuleReviewer": "engine.review", "Warden": "engine.warden",
}  # fmt: skip
"""Where each public name lives. They are imported when first used: the signature library takes a moment."""

__all__ = [
    "Act", "Case", "Decision", "Effect", "Impact", "Labelled", "Memory", "ModelReviewer", "Preview", "Refused",
    "Review", "Reviewer", "Rule", "RuleReviewer", "Source", "Verdict", "Warden",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
