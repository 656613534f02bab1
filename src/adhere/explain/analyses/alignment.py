"""Timing by the moment of decision: how readable is a violation so many tokens before the text commits it?

Shares of the answer mix responses that have already broken their constraint with others that have not. Here each
violated response is read at tokens counted from the one that broke it, and a met response of the same kind at the same
token of its own (see `replaying`). Before that token the text still allows both outcomes: what is readable there is
foresight. From it on, the violation stands in the text.

Rules:
- A probe is fitted for each skill and offset; its layer is cross-fitted. What only the end decides has no such moment.
- Controls: labels shuffled within the skill, and the surface of what was written by then: of all of it, or of its last
  characters, whichever tells more. The two responses of a pair are read at the same token, but not at the same place of
  a sentence; a probe could read that a noun is due, and so could the last characters.
- Offsets with too few responses of a skill (answers decided in their first tokens have nothing before) have no probe.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from adhere.core.errors import UserError
from adhere.explain.analyses.claims import Claim, claim
from adhere.explain.analyses.specialists import Best, specialists
from adhere.explain.cases.examples import LEAST, Examples
from adhere.explain.collection.replaying import OFFSETS, Replayed, aligned, whole
from adhere.explain.probing.decodability import Estimate
from adhere.explain.probing.probes import Kind
from adhere.explain.probing.scan import scan
from adhere.explain.probing.surface import surface
from adhere.explain.workers import Workers
from adhere.models.load import OpenModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

TAIL = 16
"""Characters of the second surface baseline: two or three words."""
SHUFFLES = 3


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


def alignment(
    replayed: Replayed, kind: Kind = "logistic", *, seed: int = 0, workers: Workers | None = None
) -> Alignment:
    """Probes at every offset.

    Args:
        replayed: examples with the aligned positions.
        kind: of the probes.
        seed: of folds and shuffles.
        workers: over which the offsets are spread; all in this process if None.
    """
    offsets, parts = [], []
    for column, offset in enumerate(OFFSETS):
        if aligned(offset) in replayed.examples.positions:
            written = replayed.written[:, column]
            texts = tuple(t[: max(0, int(end))] for t, end in zip(replayed.examples.text, written, strict=True))
            cut = whole(replace(replayed.examples, text=texts), (aligned(offset),))
            cut = cut.take(_paired(cut.skill, cut.met))
            short = sorted({one.skill for one in cut.shortfalls(LEAST)})
            if len(cut := cut.take(~np.isin(cut.skill, short))):
                offsets.append(offset)
                parts.append(cut)
    read = ((k, _best(part, kind, seed)) for k, part in enumerate(parts))
    if workers is not None:
        read = workers.map(_at_offset, parts, (kind, seed))  # type: ignore[assignment]
    found = [Moment(offsets[k], int((parts[k].skill == best.skill).sum()), best) for k, lens in read for best in lens]
    return Alignment(kind, tuple(sorted(found, key=lambda one: (one.best.skill, one.offset))))


def _at_offset(opened: OpenModel, part: Examples, how: tuple[Kind, int]) -> tuple[Best, ...]:
    """What a process does for one offset."""
    del opened
    return _best(part, *how)


def _best(part: Examples, kind: Kind, seed: int) -> tuple[Best, ...]:
    """Every skill's probe at one offset, with the stronger of two surface baselines."""
    try:
        read = scan(part, kind, shuffles=SHUFFLES, seed=seed)
    except UserError:  # too few prompts of one skill to be split: no probe here
        return ()
    tails = replace(part, text=tuple(text[-TAIL:] for text in part.text))
    by_all, by_end = (specialists(read, surface(texts, read.design)).best for texts in (part, tails))
    return tuple(max(pair, key=lambda one: _value(one.surface)) for pair in zip(by_all, by_end, strict=True))


def _value(estimate: Estimate | None) -> float:
    return -1.0 if estimate is None or estimate.value != estimate.value else estimate.value


def _paired(skill: NDArray[np.str_], met: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows whose partner is there too: a violated one directly followed by a met one of its skill."""
    keep = np.zeros(len(skill), bool)
    for row in range(len(skill) - 1):
        if not met[row] and met[row + 1] and skill[row] == skill[row + 1]:
            keep[row : row + 2] = True
    return keep
