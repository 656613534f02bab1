"""A threshold counts persons.

Rules
- Keys that carry one person's name count once, however many of them signed.
- One key material under two ids, or under two persons' names, counts once.
- Both together: two keys that share a name or a material are of one person, and so is what either shares with a
  third. The count is the number of such groups, so a doubtful case always counts as fewer.
- A signature is checked against the key that the charter holds for its id, never against a key it brings along.
- A proof says for which role it was checked. A proof for one role proves nothing for another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from securesystemslib.signer import Key

from adhere.warden.charter.keys import fingerprint

PERSON = "x-adhere-person"
"""The field of a key in the charter that names who holds it. It is covered by the charter's signatures."""


@dataclass(frozen=True)
class Proof:
    """Who stood behind a statement, for which role, and how many that role needs."""

    role: str
    persons: tuple[str, ...]
    count: int
    threshold: int

    @property
    def holds(self) -> bool:
        """Whether enough persons stand behind it."""
        return self.count >= self.threshold > 0

    def for_role(self, role: str) -> bool:
        """Whether this proof is good for `role`, and for no other."""
        return self.holds and self.role == role


def person_of(key: Key) -> str:
    """Who holds `key`; a key without a name is its own person."""
    name = key.unrecognized_fields.get(PERSON)
    return name if isinstance(name, str) and name else f"key {fingerprint(key)[:8]}"


def count_persons(keys: Iterable[Key]) -> int:
    """How many persons hold these keys, doubtful cases counted as one."""
    group: dict[str, str] = {}

    def root(label: str) -> str:
        while group[label] != label:
            label = group[label]
        return label

    for key in keys:
        name, material = f"p:{person_of(key)}", f"m:{fingerprint(key)}"
        for label in (name, material):
            group.setdefault(label, label)
        group[root(name)] = root(material)
    return sum(1 for label, parent in group.items() if label == parent)


def prove(role: str, signed: Iterable[Key], threshold: int) -> Proof:
    """The proof that the holders of `signed` give for `role`."""
    keys = list(signed)
    names = tuple(sorted({person_of(key) for key in keys}))
    return Proof(role, names, count_persons(keys), threshold)
