"""Timing by the moment of decision: how readable is a violation so many tokens before the text commits it?

Shares of the answer mix responses that have already broken their constraint with others that have not. Here each
violated response is read at tokens counted from the one that broke it, and a met response of the same kind at the same
token of its own (see `replaying`). Before that token the text still allows both outcomes: what is readable there is
foresight. From it on, the violation stands in the text.

Rules:
- A probe is fitted for each skill and offset; its layer is cross-fitted. What only the end decides has no such moment.
- Controls: labels shuffled within the skill, and the surface of what was written by then.
- Offsets with too few responses of a skill (answers decided in their first tokens have nothing before) have no probe.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from adhere.errors import UserError
from adhere.explain.claims import Claim, claim
from adhere.explain.examples import LEAST
from adhere.explain.probes import Kind
from adhere.explain.replaying import OFFSETS, Replayed, aligned, whole
from adhere.explain.scan import scan
from adhere.explain.specialists import Best, specialists
from adhere.explain.surface import surface

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Moment:
    """One skill, `offset` tokens from the decision; `best` is lens 1's measurement there, `responses` how many."""

    offset: int
    responses: int
    best: Best


@dataclass(frozen=True)
class Alignment:
    """Decodability by tokens from the decision."""

    kind: Kind
    moments: tuple[Moment, ...]

    @property
    def skills(self) -> tuple[str, ...]:
        """Those of which anything could be measured."""
        return tuple(dict.fromkeys(one.best.skill for one in self.moments))

    def claims(self, recompute: str = "") -> list[Claim]:
        """Each offset against its controls."""
        made = []
        for one in self.moments:
            where = (
                f"{-one.offset} token{'' if one.offset == -1 else 's'} before the text breaks it"
                if one.offset < 0
                else "at the token that breaks it"
                if one.offset == 0
                else f"{one.offset} tokens after the text has broken it"
            )
            verb = "foreseen" if one.offset < 0 else "readable"
            made.append(
                claim(
                    "timing.auc",
                    f"{one.best.skill}: a violation is {verb} {where}: AUC",
                    one.best.specialist,
                    one.best.controls,
                    {
                        "skill": one.best.skill,
                        "position": aligned(one.offset),
                        "tokens": one.offset,
                        "layer": one.best.layer,
                        "kind": self.kind,
                    },
                    recompute=recompute,
                )
            )
        return made

    def earliest(self, skill: str) -> int | None:
        """The farthest offset at which, and at every one between it and the decision, the outcome is readable."""
        first = None
        both = zip(self.moments, self.claims(), strict=True)
        held = {moment.offset: told.holds for moment, told in both if moment.best.skill == skill}
        for offset in sorted((offset for offset in held if offset < 0), reverse=True):
            if not held[offset]:
                break
            first = offset
        return first


def alignment(replayed: Replayed, kind: Kind = "logistic", *, seed: int = 0) -> Alignment:
    """Probes at every offset.

    Args:
        replayed: examples with the aligned positions.
        kind: of the probes.
        seed: of folds and shuffles.
    """
    found = []
    for column, offset in enumerate(OFFSETS):
        name = aligned(offset)
        if name not in replayed.examples.positions:
            continue
        written = replayed.written[:, column]
        texts = tuple(text[: max(0, int(end))] for text, end in zip(replayed.examples.text, written, strict=True))
        cut = whole(replace(replayed.examples, text=texts), (name,))
        cut = cut.take(_paired(cut.skill, cut.met))
        short = {one.skill for one in cut.shortfalls(LEAST)}
        cut = cut.take(~np.isin(cut.skill, sorted(short)))
        if not len(cut):
            continue
        try:
            read = scan(cut, kind, seed=seed)
        except UserError:  # too few prompts of one skill to be split: no probe here
            continue
        lens = specialists(read, surface(cut, read.plan))
        counts = {skill: int((cut.skill == skill).sum()) for skill in read.skills}
        found += [Moment(offset, counts[best.skill], best) for best in lens.best]
    return Alignment(kind, tuple(sorted(found, key=lambda one: (one.best.skill, one.offset))))


def _paired(skill: NDArray[np.str_], met: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows whose partner is there too: a violated one directly followed by a met one of its skill."""
    keep = np.zeros(len(skill), bool)
    for row in range(len(skill) - 1):
        if not met[row] and met[row + 1] and skill[row] == skill[row + 1]:
            keep[row : row + 2] = True
    return keep
