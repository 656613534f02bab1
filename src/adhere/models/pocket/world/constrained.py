"""Problems with one to six constraints, each of a kind that is practised with problems.

Rules:

- Only practised kinds are used; the held-out third never stands with a problem.
- Some constraints change the solution: a word to be included is added, the last sentence is set apart, all letters are
  made small. The others are asked around what the solution then has. So a constraint is sometimes free, as the
  self-evident ones are that `adhere sustain` asks, and sometimes not: a model that does not read it fails.
- Each answer is checked against every constraint before it is given out, and still solves its problem.
- The content is that of the problem: constraints do not move it to the other side.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Final

from adhere.constraints.constraint import Constraint
from adhere.constraints.families.terms import Exclude, Include
from adhere.models.pocket.world.around import FORMS, around, formed
from adhere.models.pocket.world.item import Question, pick, weighted
from adhere.models.pocket.world.kinds import DRAWN
from adhere.models.pocket.world.vocabulary import INVENTED, TOPIC_NOUNS, TOPICS

NUMBER: Final = ((1, 0.34), (2, 0.22), (3, 0.16), (4, 0.12), (5, 0.09), (6, 0.07))
"""Number of constraints, each with its relative frequency."""

CHANGED: Final = 0.4
"""Share of constraints of form for which the solution is reformatted."""

_PLAIN_WORD: Final = re.compile(r"(?<![\w\"])[a-z]{3,12}(?![\w\"(])")


def constrained(
    rng: random.Random, question: Question, practised: Sequence[str] = DRAWN.practised
) -> tuple[str, list[Constraint]]:
    """A right answer to the question and one to six constraints of different practised kinds that it meets.

    There may be fewer than were drawn, down to none, where a kind says nothing of such an answer.
    """
    program = question.joint == ""
    possible = [kind for kind in practised if not (program and kind == "length.sentences")]
    wanted = rng.sample(possible, min(len(possible), weighted(rng, NUMBER)))
    answer, named = question.response, []
    if "contains.terms" in wanted:
        answer, include = _included(rng, question, answer)
        named.append(include)
    for kind in FORMS:
        if kind in wanted and not program and rng.random() < CHANGED:
            answer = formed(kind, answer, question.final)
    if "excludes.terms" in wanted and (exclude := _excluded(rng, question, answer)) is not None:
        named.append(exclude)
    counted = [around(rng, kind, answer) for kind in wanted if not kind.endswith(".terms")]
    constraints = [*named, *(constraint for constraint in counted if constraint is not None)]
    constraints = [constraint for constraint in constraints if constraint.check(answer).met]
    rng.shuffle(constraints)
    return (answer, constraints) if constraints else (question.response, [])


def _included(rng: random.Random, question: Question, answer: str) -> tuple[str, Constraint]:
    """A required word: one that the answer already has, or another, which is added before it."""
    own = [word for word in _PLAIN_WORD.findall(question.response) if question.joint and word != question.answer]
    if own and rng.random() < 0.5:
        return answer, Include(terms=(pick(rng, own),))
    term = pick(rng, INVENTED) if rng.random() < 0.3 else pick(rng, TOPIC_NOUNS[pick(rng, TOPICS)])
    put = f"# {term}\n{answer}" if question.joint == "" else f"Here is the word {term}. {answer}"
    return put, Include(terms=(term,))


def _excluded(rng: random.Random, question: Question, answer: str) -> Constraint | None:
    """One or two forbidden words, from the problem or the world's vocabulary, that the answer does not have."""
    shown = set(re.findall(r"\w+", answer.lower()))
    asked = [word for word in dict.fromkeys(_PLAIN_WORD.findall(question.prompt)) if word not in shown]
    others = [noun for noun in TOPIC_NOUNS[pick(rng, TOPICS)] if noun not in shown]
    words = {
        pick(rng, asked if asked and rng.random() < 0.6 else others): None for _ in range(1 + int(rng.random() * 2))
    }
    return Exclude(terms=tuple(words))
