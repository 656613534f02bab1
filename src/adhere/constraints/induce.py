"""The constraints that a text already meets: self-evident ones, in the words of arXiv 2601.22047.

Each family decides what is natural to ask of such a text (`Constraint.induce`); every constraint given here has been
confirmed by its own check, so a family's optimism can never make a constraint self-evident that is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from adhere.constraints.constraint import Constraint
from adhere.constraints.registry import families


def induce(text: str, kinds: Collection[str] | None = None) -> Iterator[Constraint]:
    """Constraints that `text` meets, family by family; only those of `kinds` where given."""
    for kind, family in families().items():
        if kinds is None or kind in kinds:
            yield from (constraint for constraint in family.induce(text) if constraint.check(text).met)
