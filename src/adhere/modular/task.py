"""The table to learn: an operation modulo n over all n^2 ordered pairs, and its split into training and held-out.

Rules:
- Pairs are numbered a * n + b. A split is a seeded permutation whose first int(share * n^2) pairs are for training,
  as in the released script.
- The metrics of the paper speak of a + b and a - b. Any operation that is addition in other coordinates is measured
  in those (`Group`): subtraction with the right operand negated, multiplication modulo a prime in discrete
  logarithms, with zero left out. Where no such coordinates exist (multiplication modulo a composite), the metrics
  that need them are not defined, and `notes` says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from adhere.core.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

Operation = Literal["add", "subtract", "multiply"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)

SMALLEST, LARGEST = 5, 127
"""Moduli that are taken: below, nothing is held out worth the name; above, n^3 logits take a laptop too long."""


def is_prime(n: int) -> bool:
    return n > 1 and all(n % k for k in range(2, math.isqrt(n) + 1))


@dataclass(frozen=True)
class Group:
    """Coordinates in which the operation is addition modulo `order`.

    `left` and `right` (both of shape (n,)) give the coordinate of a token as left and as right operand, -1 for a
    token that has none; `answer` (shape (n,)) that of a label. So for members
    answer[label(a, b)] == (left[a] + right[b]) % order.
    """

    order: int
    left: Ints
    right: Ints
    answer: Ints

    def members(self) -> tuple[Ints, Ints]:
        """Tokens by coordinate, as left operand and as right operand; each of shape (order,)."""
        return _inverse(self.left, self.order), _inverse(self.right, self.order)


def _inverse(coordinate: Ints, order: int) -> Ints:
    tokens = np.empty(order, dtype=np.int64)
    inside = np.flatnonzero(coordinate >= 0)
    tokens[coordinate[inside]] = inside
    return tokens


@dataclass(frozen=True)
class Task:
    """An operation modulo `modulus`.

    Raises:
        UserError: the modulus is out of range or the operation unknown.
    """

    modulus: int = 59
    operation: Operation = "add"

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise UserError(f"no operation {self.operation!r}; there are: {', '.join(OPERATIONS)}")
        if not SMALLEST <= self.modulus <= LARGEST:
            raise UserError(f"the modulus must lie between {SMALLEST} and {LARGEST}, not {self.modulus}")

    @property
    def name(self) -> str:
        return f"{self.operation}-{self.modulus}"

    def pairs(self) -> Ints:
        """All ordered pairs, shape (n^2, 2), in the order that numbers them."""
        token = np.arange(self.modulus)
        return np.stack(np.meshgrid(token, token, indexing="ij"), axis=-1).reshape(-1, 2)

    def labels(self) -> Ints:
        """The right answer to every pair, shape (n^2,)."""
        a, b = self.pairs().T
        raw = {"add": a + b, "subtract": a - b, "multiply": a * b}[self.operation]
        return np.asarray(raw % self.modulus)

    def group(self) -> Group | None:
        """Coordinates in which this is addition, or None where there are none."""
        n = self.modulus
        token = np.arange(n)
        if self.operation == "add":
            return Group(n, token, token, token)
        if self.operation == "subtract":
            return Group(n, token, -token % n, token)
        if not is_prime(n):
            return None
        logarithm = _discrete_logarithms(n)
        return Group(n - 1, logarithm, logarithm, logarithm)

    def notes(self) -> tuple[str, ...]:
        """What a reader must know that differs from the paper's addition modulo a prime."""
        n = self.modulus
        notes = []
        if self.operation == "multiply":
            if is_prime(n):
                notes.append(
                    f"multiplication is addition of discrete logarithms modulo {n - 1}; "
                    "the metrics use those and leave zero out"
                )
            else:
                notes.append(
                    f"{n} is composite: multiplication modulo {n} is no group, so distance irrelevance, circularity "
                    "and the closed forms are not defined; accuracy and gradient symmetricity are"
                )
        elif not is_prime(n):
            notes.append(
                f"{n} is composite: a circle whose frequency shares a factor with {n} visits only some residues, "
                "so one such circle cannot tell all answers apart; circularity counts every frequency from 1 up"
            )
        order = n - 1 if self.operation == "multiply" else n
        if order % 2 == 0 and not (self.operation == "multiply" and not is_prime(n)):
            notes.append(
                f"{order} is even: a sum and a difference always have the same parity, so half the cells of the matrix "
                "by sum and difference are empty, and circles have no halves (no accompanying form for odd frequencies)"
            )
        return tuple(notes)

    def split(self, share: float, seed: int) -> NDArray[np.bool_]:
        """Which pairs are for training: a mask of shape (n^2,) with int(share * n^2) of them true.

        Raises:
            UserError: the share leaves no pair for training or none held out.
        """
        total = self.modulus**2
        if not 0 < share < 1 or not 0 < int(share * total) < total:
            raise UserError(f"the training share must lie strictly between 0 and 1, not {share:g}")
        chosen = np.random.default_rng([seed, self.modulus]).permutation(total)[: int(share * total)]
        mask = np.zeros(total, dtype=bool)
        mask[chosen] = True
        return mask


def _discrete_logarithms(prime: int) -> Ints:
    """log_g of every residue for the smallest primitive root g; -1 for zero."""
    for root in range(2, prime):
        powers, value = [1], root
        while value != 1:
            powers.append(value)
            value = value * root % prime
        if len(powers) == prime - 1:
            logarithm = np.full(prime, -1, dtype=np.int64)
            logarithm[powers] = np.arange(prime - 1)
            return logarithm
    raise AssertionError(f"{prime} is not prime")
