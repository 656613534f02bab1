"""Labels: whether a response follows its instruction, and at which of its tokens that was decided.

Rules:
- A case is one response under one skill: met, if it meets every constraint of that skill that its prompt states.
- Classes are balanced within strata: half of the cases of a skill are met and half violated, for each kind of item and
  each combination of skills. Without that, a probe could read the kind of item in place of the outcome.
- Token by token the constraint's monitor says OPEN, HOLDS or BROKEN. The outcome is decided at the first token after
  which nothing written later can change it; where only the end decides, that is the end token.
- Several constraints of one skill are one: BROKEN as soon as one is, HOLDS when all do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adhere.constraints.constraint import Constraint, Verdict
from adhere.constraints.skills import SKILLS
from adhere.core.errors import UserError

ALIASES = {
    "words": "word_count",
    "word": "word_count",
    "length": "word_count",
    "characters": "character_count",
    "chars": "character_count",
    "include": "inclusion",
    "keywords": "inclusion",
    "exclude": "exclusion",
    "forbidden": "exclusion",
    "mood": "sentiment",
    "formality": "register",
    "style": "register",
    "insults": "toxicity",
}
"""Other names of the skills that a user may type."""

OPEN, HOLDS, BROKEN = 0, 1, 2
"""A verdict as a number, for arrays."""

Turn = tuple[str, str]
"""Role and content of a message."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt.

    Attributes:
        id: tells one prompt from another; responses to one prompt share it.
        messages: the turns before the answer.
        constraints: those that the answer must meet.
        task: what kind of item it is; classes are balanced within it.
    """

    id: int
    messages: tuple[Turn, ...]
    constraints: tuple[Constraint, ...]
    task: str = ""

    @property
    def skills(self) -> tuple[str, ...]:
        """The skills of the constraints, sorted, each once."""
        return tuple(sorted({one.skill for one in self.constraints if one.skill}))

    def asked(self, skill: str) -> tuple[Constraint, ...]:
        """The constraints of that skill."""
        return tuple(one for one in self.constraints if one.skill == skill)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of the model.

    Attributes:
        prompt: the prompt it answers.
        tokens: of the answer, with the end token where one was written; empty where only the text is known.
        text: of the answer.
        ended: whether the model ended it by itself.
        verdicts: by skill, where a log holds them already; skills that are missing here are checked.
    """

    prompt: Prompt
    tokens: tuple[int, ...]
    text: str
    ended: bool
    verdicts: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class LabelledCase:
    """One response under one skill.

    Attributes:
        response: its place in the list of responses.
        skill: the skill that the case is about.
        met: whether the response meets every constraint of that skill.
        stratum: the kind of item and the other skills of the prompt.
        prompt: the prompt's id.
    """

    response: int
    skill: str
    met: bool
    stratum: str
    prompt: int


def skill_names(asked: str | None) -> tuple[str, ...]:
    """The skills named in a comma-separated list, in our order; all where nothing is named.

    Raises:
        UserError: one is unknown; names the nearest.
    """
    if not asked:
        return SKILLS
    import difflib

    chosen = set()
    for part in asked.split(","):
        name = part.strip().lower().replace("-", "_").replace(" ", "_")
        name = ALIASES.get(name, name)
        if name not in SKILLS:
            close = difflib.get_close_matches(name, [*SKILLS, *ALIASES], n=2)
            nearest = f"; nearest: {', '.join(close)}" if close else ""
            raise UserError(f"no skill is called {part.strip()!r}{nearest}; there are: {', '.join(SKILLS)}")
        chosen.add(name)
    return tuple(skill for skill in SKILLS if skill in chosen)


def cases(responses: Sequence[Response], skills: Sequence[str] = SKILLS) -> list[LabelledCase]:
    """Every response under every skill that its prompt asks for."""
    labelled = []
    for at, response in enumerate(responses):
        prompt = response.prompt
        known = dict(response.verdicts)
        for skill in prompt.skills:
            if skill not in skills:
                continue
            met = known.get(skill)
            if met is None:
                met = satisfied(prompt.asked(skill), response.text)
            beside = "+".join(other for other in prompt.skills if other != skill)
            labelled.append(LabelledCase(at, skill, met, f"{prompt.task}/{beside}", prompt.id))
    return labelled


def satisfied(constraints: Iterable[Constraint], text: str) -> bool:
    """Whether `text` meets them all. An empty answer meets nothing, as in IFEval's own runner."""
    return bool(text.strip()) and all(one.check(text).met for one in constraints)


def balance(labelled: Sequence[LabelledCase], most: int, seed: int = 0) -> list[LabelledCase]:
    """At most `most` cases of each skill, half of them met, also within each stratum.

    Strata of which one class is missing are left out: there the prompt alone tells the outcome.
    """
    generator = np.random.default_rng(seed)
    strata: dict[tuple[str, str], tuple[list[LabelledCase], list[LabelledCase]]] = defaultdict(lambda: ([], []))
    for case in labelled:
        strata[case.skill, case.stratum][case.met].append(case)
    pairs: dict[str, list[tuple[LabelledCase, LabelledCase]]] = defaultdict(list)
    for (skill, _), classes in sorted(strata.items()):
        size = min(map(len, classes))
        broken, met = (
            [members[k] for k in sorted(generator.choice(len(members), size, replace=False))] if size else []
            for members in classes
        )
        pairs[skill] += zip(broken, met, strict=True)
    kept: list[LabelledCase] = []
    for all_pairs in pairs.values():
        chosen = generator.permutation(len(all_pairs))[: max(1, most // 2)]
        kept += [case for k in sorted(chosen) for case in all_pairs[k]]
    return kept


def counts(labelled: Iterable[LabelledCase]) -> dict[str, tuple[int, int]]:
    """(met, violated) of each skill."""
    met, broken = Counter[str](), Counter[str]()
    for case in labelled:
        (met if case.met else broken)[case.skill] += 1
    return {skill: (met[skill], broken[skill]) for skill in SKILLS if met[skill] + broken[skill]}


def verdicts(constraints: Sequence[Constraint], text: str, ends: Sequence[int]) -> NDArray[np.int8]:
    """The verdict after each token, shape (tokens,): OPEN, HOLDS or BROKEN.

    Args:
        constraints: of one skill.
        text: the whole answer.
        ends: characters of `text` that are written after each token. The last entry closes the text where it
            adds no characters (the end token): then the verdict is the final one.
    """
    monitors = [one.monitor() for one in constraints]
    codes = np.zeros(len(ends), dtype=np.int8)
    at = 0
    for k, end in enumerate(ends):
        for monitor in monitors:
            monitor.feed(text[at:end])
        codes[k] = _joint([monitor.verdict for monitor in monitors])
        if codes[k] != OPEN:
            codes[k:] = codes[k]  # final: nothing written later changes it
            return codes
        if k == len(ends) - 1 and end == at and k:
            codes[k] = HOLDS if all(monitor.close().met for monitor in monitors) else BROKEN
        at = end
    return codes


def _joint(single: Sequence[Verdict]) -> int:
    if any(verdict is Verdict.BROKEN for verdict in single):
        return BROKEN
    return HOLDS if single and all(verdict is Verdict.HOLDS for verdict in single) else OPEN


def decided(codes: NDArray[np.int8]) -> int:
    """The token after which the outcome was certain; the last one where only the end decides."""
    certain = np.flatnonzero(codes != OPEN)
    return int(certain[0]) if len(certain) else max(0, len(codes) - 1)
