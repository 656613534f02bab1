"""Questions with a checkable answer as dialogues, a few of them under a constraint.

About half of the constraint types never stand with such a question in training: to combine them with reasoning is
then left to generalisation, and the two halves can be compared.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from adhere.constraints.constraint import Constraint
from adhere.constraints.counters import Words as CountWords
from adhere.constraints.families.length import Words
from adhere.constraints.families.sentences import Sentences
from adhere.constraints.families.terms import Include
from adhere.models.pocket import arithmetic, code, multihop, wordings
from adhere.models.pocket.asking import bounds
from adhere.models.pocket.item import Dialogue, Message, Meta, Question, Side, pick
from adhere.models.pocket.vocabulary import INVENTED, TOPIC_NOUNS, TOPICS

TRAINED_WITH_REASONING: Final = ("length.words", "contains.terms", "length.sentences")
NEVER_WITH_REASONING: Final = (
    "length.characters",
    "excludes.terms",
    "format.json",
    "semantic.topic",
    "semantic.sentiment",
    "style.register",
    "style.toxicity",
)
"""Constraint types that training shows with reasoning questions, and those it shows only with descriptions."""

CONSTRAINED: Final = 0.4
"""Share of the reasoning questions of training that carry constraints: 10 to 15 % of all dialogues."""

QUESTIONS: Final[dict[str, Callable[[random.Random, Side, float], Question]]] = {
    "math": arithmetic.question,
    "multihop": multihop.question,
    "code": code.question,
}


def dialogue(rng: random.Random, side: Side, progress: float, family: str) -> Dialogue:
    """A dialogue of that family and side."""
    question = QUESTIONS[family](rng, side, progress)
    answer = question.response
    constraints: list[Constraint] = []
    if rng.random() < CONSTRAINED * min(1.0, 0.3 + progress):
        answer, constraints = constrained(rng, question)
    asked = [wordings.instruction(rng, constraint) for constraint in constraints]
    user, system = [question.prompt], []
    place = rng.random()
    if place < 0.5:
        user += asked
    elif place < 0.75:
        user = [*asked, *user]
    else:
        system += asked
    if not system and rng.random() < 0.4:
        system.append(pick(rng, wordings.HELPFUL))
    prompt = " ".join(user)
    messages = [Message("user", prompt), Message("assistant", answer)]
    if system:
        messages.insert(0, Message("system", " ".join(system)))
    meta: Meta = {"task": family, "size": question.size, "constraints": len(constraints)}
    if family == "multihop":
        meta["hops"] = question.size
    return Dialogue(family, tuple(messages), tuple(constraints), question.problem(prompt), question.key, meta)


def constrained(rng: random.Random, question: Question) -> tuple[str, list[Constraint]]:
    """An answer to the question and one or two constraints of the trained types that it meets."""
    answer = question.response
    wanted = [pick(rng, TRAINED_WITH_REASONING)]
    if rng.random() < 0.3:
        other = pick(rng, TRAINED_WITH_REASONING)
        if other not in wanted:
            wanted.append(other)
    if question.joint == "" and "length.sentences" in wanted:  # a program has no sentences
        wanted = ["length.words"]
    constraints: list[Constraint] = []
    if "contains.terms" in wanted:
        term = _own_word(rng, question) if rng.random() < 0.5 else ""
        if not term:
            term = pick(rng, INVENTED) if rng.random() < 0.3 else pick(rng, TOPIC_NOUNS[pick(rng, TOPICS)])
            answer = f"# {term}\n{answer}" if question.joint == "" else f"Here is the word {term}. {answer}"
        constraints.append(Include(terms=(term,)))
    if "length.words" in wanted:
        counter = CountWords()
        counter.read(answer)
        constraints.append(Words.model_validate(bounds(rng, counter.count, (4, 30), (0, 30))))
    if "length.sentences" in wanted:
        n = len(question.steps) + 1 + (1 if answer.startswith("Here") else 0)
        low = max(1, n - int(rng.random() * 2))
        constraints.append(
            Sentences.model_validate({"at_least": low, "at_most": n} if rng.random() < 0.5 else {"at_most": n})
        )
    if not all(constraint.check(answer).met for constraint in constraints):
        return question.response, []
    return answer, constraints


def _own_word(rng: random.Random, question: Question) -> str:
    """A word that the answer has anyway."""
    words = [word.strip(".") for step in (*question.steps, question.final) for word in step.split()]
    words = [word for word in words if word.isalpha() and word not in ("The", question.answer)]
    return pick(rng, words) if words and question.joint else ""
