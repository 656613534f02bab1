"""The Merkle tree of RFC 6962 (section 2.1), proofs after RFC 9162 (2.1.3, 2.1.4).

    leaf  = SHA-256(0x00 || data)          node = SHA-256(0x01 || left || right)

Rules
- A tree of n leaves splits at the largest power of two below n, so appending never changes a finished subtree.
- `Peaks` is all that appending needs: the roots of the finished subtrees, one for each bit of n.
- A proof is checked against roots alone; whoever checks it needs neither the ledger nor this machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

EMPTY = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf(data: bytes) -> bytes:
    """Hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Peaks:
    """A tree as its size and the roots of its finished subtrees, the largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, hashed: bytes) -> Peaks:
        """The tree with one more leaf."""
        stack, size = list(self.hashes), self.size
        carry = hashed
        while size & 1:
            carry = node(stack.pop(), carry)
            size >>= 1
        return Peaks(self.size + 1, (*stack, carry))

    @property
    def root(self) -> bytes:
        """Root of the whole tree."""
        if not self.hashes:
            return EMPTY
        result = self.hashes[-1]
        for peak in reversed(self.hashes[:-1]):
            result = node(peak, result)
        return result

    def to_bytes(self) -> bytes:
        """The peaks one after another; the size is kept beside them."""
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Peaks:
        """What `to_bytes` wrote.

        Raises:
            ValueError: the number of peaks is not that of a tree of `size` leaves.
        """
        if len(data) != 32 * size.bit_count():
            raise ValueError(f"{len(data)} bytes of peaks for {size} leaves")
        return cls(size, tuple(data[i : i + 32] for i in range(0, len(data), 32)))


def peaks(leaves: Iterable[bytes]) -> Peaks:
    """The tree over `leaves` (leaf hashes)."""
    stack: list[bytes] = []
    size = 0
    sha = hashlib.sha256
    for carry in leaves:
        rest = size
        while rest & 1:
            carry = sha(b"\x01" + stack.pop() + carry).digest()
            rest >>= 1
        stack.append(carry)
        size += 1
    return Peaks(size, tuple(stack))


def root(leaves: Sequence[bytes]) -> bytes:
    """Root over `leaves` (leaf hashes)."""
    return peaks(leaves).root


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Proof that leaf `index` is in the tree over `leaves`: sibling hashes from the leaf up.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    low, high, path = 0, len(leaves), []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(root(leaves[middle:high]))
            high = middle
        else:
            path.append(root(leaves[low:middle]))
            low = middle
    return path[::-1]


def check_inclusion(hashed: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Whether `proof` shows that `hashed` is leaf `index` of the tree with `size` leaves and root `expected`."""
    if not 0 <= index < size:
        return False
    place, last, result = index, size - 1, hashed
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            result = node(sibling, result)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            result = node(result, sibling)
        place >>= 1
        last >>= 1
    return last == 0 and result == expected


def consistency(leaves: Sequence[bytes], old: int) -> list[bytes]:
    """Proof that the tree over the first `old` leaves is a beginning of the tree over all of `leaves`.

    Raises:
        IndexError: `old` is not between 0 and the number of leaves.
    """
    if not 0 <= old <= len(leaves):
        raise IndexError(old)
    if old in (0, len(leaves)):
        return []
    low, high, path, whole = 0, len(leaves), [], True
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(root(leaves[middle:high]))
            high = middle
        else:
            path.append(root(leaves[low:middle]))
            low, whole = middle, False
    if not whole:
        path.append(root(leaves[low:high]))
    return path[::-1]


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree (`old`, `old_root`) is a beginning of the tree (`new`, `new_root`)."""
    if old == new:
        return old_root == new_root and not proof
    if old == 0:
        return not proof
    if not 0 < old < new or not proof:
        return False
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    place, last = old - 1, new - 1
    while place & 1:
        place >>= 1
        last >>= 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node(sibling, first), node(sibling, second)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            second = node(second, sibling)
        place >>= 1
        last >>= 1
    return last == 0 and first == old_root and second == new_root
