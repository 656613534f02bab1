"""The arms of a run: the conditions under which a problem is asked, and their prompts.

    arms = plan("all", ks=(1, 2, 4, 8, 16), attends=True)
    system, prompt = put(problem.prompt, sentences, "after")

Rules:

- Base comes first and selects; whatever else is planned is asked of solved problems only.
- The placebo stands at both ends of the ladder of k (as long as the fewest and as the most constraints), the longer
  wording at its lower end: sixteen constraints are long, and length alone must not pass for obedience.
- Position arms are the constraint arm and the placebo at the ladder's lower end, before the problem and in the system
  prompt: small models answer the last sentence, so place must be told apart from idleness and from what is asked.
- Attention arms are the constraint arm at `attend_k` with factors 0, 0.5 and 2; factor 1 is the constraint arm itself.
- A sentence of the prompt stands on its own, parted by a space in a one-line problem and by an empty line elsewhere (a
  program, paragraphs), and is never changed: the analysis of attention finds it letter for letter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from adhere.core.errors import UserError
from adhere.measure.sustain.outcome import Arm, Position

NAMES = ("base", "control", "placebo", "long", "constraint", "position", "attend")
"""What `--arms` takes, beside `all`."""
LADDER = (1, 2, 4, 8, 16)
FACTORS = (0.0, 0.5, 2.0)
"""What attention to the constraints' tokens is multiplied by in the attention arms."""


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """What a problem is asked under; see `outcome.Outcome`. `kind` asks for one constraint of that kind (k is 1)."""

    arm: Arm
    k: int = 0
    position: Position = "after"
    factor: float = 1.0
    kind: str = ""

    @property
    def label(self) -> str:
        """A short name, unique within a plan: the key of a score's value, and of a span in the log."""
        parts: list[str] = [self.arm]
        if self.k:
            parts.append(f"x{self.k}")
        if self.position != "after":
            parts.append(self.position)
        if self.factor != 1.0:
            parts.append(f"{self.factor:g}")
        if self.kind:
            parts.append(self.kind)
        return " ".join(parts)

    def seed(self, seed: int, problem: str, epoch: int = 1) -> int:
        """The sampling seed of this condition for this problem: every sample is fresh, and the same in another run."""
        text = f"{seed} {problem} {epoch} {self.label}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1


BASE = Condition("base")
CONTROL = Condition("control")


def parse_ks(text: str) -> tuple[int, ...]:
    """The ladder that `1,2,4` names, in rising order.

    Raises:
        UserError: something in it is no whole number of constraints.
    """
    try:
        ks = sorted({int(part) for part in text.split(",") if part.strip()})
    except ValueError:
        ks = []
    if not ks or ks[0] < 1:
        raise UserError(f"--constraints takes numbers of constraints such as 1,2,4,8,16; not {text!r}")
    return tuple(ks)


def parse_arms(text: str, attends: bool | None) -> tuple[str, ...]:
    """The arms that `all` or `constraint,placebo` names; base and control are always among them.

    Args:
        text: names with commas.
        attends: whether the model lets its attention be scaled; None where that is not known yet.

    Raises:
        UserError: an unknown name, or attention arms for a model that cannot.
    """
    wanted = {part.strip() for part in text.split(",") if part.strip()}
    if unknown := sorted(wanted - {*NAMES, "all"}):
        raise UserError(f"--arms takes all, {', '.join(NAMES)}; not {unknown[0]!r}")
    if "attend" in wanted and attends is False:
        raise UserError("the arm attend scales attention inside the model: it needs open weights (adhere/...)")
    if "all" in wanted or not wanted:
        wanted = set(NAMES) if attends else set(NAMES) - {"attend"}
    return tuple(name for name in NAMES if name in wanted | {"base", "control"})


def plan(arms: Sequence[str], ks: Sequence[int] = LADDER, attend_k: int | None = None) -> tuple[Condition, ...]:
    """The conditions of the named arms, base first.

    Args:
        arms: names out of `NAMES`.
        ks: how many constraints, in rising order.
        attend_k: how many constraints the attention arms have; the most of `ks` up to 4 if None.
    """
    first, last = ks[0], ks[-1]
    conditions = [BASE]
    if "control" in arms:
        conditions.append(CONTROL)
    if "placebo" in arms:
        conditions += [Condition("placebo", k) for k in dict.fromkeys((first, last))]
    if "long" in arms:
        conditions.append(Condition("long", first))
    if "constraint" in arms:
        conditions += [Condition("constraint", k) for k in ks]
    if "position" in arms:
        conditions += [Condition("constraint", first, "before"), Condition("constraint", first, "system")]
        if "placebo" in arms:
            conditions += [Condition("placebo", first, "before"), Condition("placebo", first, "system")]
    if "attend" in arms:
        k = attend_k or max((k for k in ks if k <= 4), default=first)
        conditions += [Condition("attend", k, factor=factor) for factor in FACTORS]
    return tuple(conditions)


def put(problem: str, sentences: Sequence[str], position: Position = "after") -> tuple[str, str]:
    """System prompt (empty: none) and user's prompt of a problem with `sentences` around it."""
    said = " ".join(sentences)
    if not said:
        return "", problem
    if position == "system":
        return said, problem
    gap = "\n\n" if "\n" in problem.strip() else " "
    return "", f"{said}{gap}{problem}" if position == "before" else f"{problem.rstrip()}{gap}{said}"


def block(sentences: Sequence[str]) -> str:
    """The sentences as they stand together in the prompt."""
    return " ".join(sentences)
