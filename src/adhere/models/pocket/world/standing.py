"""Two or three turns under an instruction given early, which stays in force for every later answer.

Rules:

- The instruction is given in the system prompt, with the first task, or in a turn of its own that is only agreed to.
- Later turns give a task alone and do not repeat it; every answer after the instruction meets all of its constraints.
- A task is a description or, where the instruction is to include a word and that kind is practised, sometimes a
  problem: no held-out kind stands with a problem here either.
- The content is the tasks in order with the constraints.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from adhere.constraints.constraint import Constraint
from adhere.constraints.families.length import Characters, Words
from adhere.constraints.families.terms import Exclude, Include
from adhere.constraints.families.tone import Register, Sentiment, Toxicity
from adhere.constraints.reading.counters import Words as CountWords
from adhere.models.pocket.world import arithmetic, multihop, wordings
from adhere.models.pocket.world.item import Dialogue, Message, Question, Side, pick, side_of, weighted
from adhere.models.pocket.world.kinds import DRAWN
from adhere.models.pocket.world.prose import MARKERS, MOODS, ProsePlan, compose
from adhere.models.pocket.world.vocabulary import INVENTED, NEUTRAL, TOPIC_NOUNS, TOPICS

SKILLS: Final = (
    ("inclusion", 1.6),
    ("exclusion", 1.0),
    ("word_count", 1.2),
    ("character_count", 0.6),
    ("sentiment", 1.0),
    ("register", 1.0),
    ("toxicity", 0.4),
)

FROM_NOW_ON: Final = (
    "From now on: {c}",
    "In every answer: {c}",
    "This holds for all your answers. {c}",
    "For all that I ask you: {c}",
    "Always do this. {c}",
    "Until I say otherwise: {c}",
)
AGREED: Final = ("All right.", "Yes.", "I will.")
NEXT: Final = ("{t}", "Now {l}", "And now {l}", "Next: {l}", "Thank you. {t}")

_PROBLEMS: Final = {"math": arithmetic.question, "multihop": multihop.question}
INCLUDE: Final = Include.kind
PROBLEM_SHARE: Final = 0.3
"""Share of the turns that are problems, where the instruction is to include a word."""


def dialogue(rng: random.Random, side: Side, progress: float, practised: Sequence[str] = DRAWN.practised) -> Dialogue:
    """A dialogue that belongs to `side`."""
    while True:
        if (drawn := _draw(rng, side, progress, INCLUDE in practised)) is not None:
            return drawn


def _draw(rng: random.Random, side: Side, progress: float, problems: bool) -> Dialogue | None:
    skills: list[str] = []
    for _ in range(1 if rng.random() < 0.65 else 2):
        skill = weighted(rng, SKILLS)
        if skill not in skills:
            skills.append(skill)
    turns = 2 if rng.random() < 0.55 else 3
    fixed = _fixed(rng, skills)
    tasks: list[str] = []
    answers: list[str] = []
    contents: list[str] = []
    for _ in range(turns):
        if problems and skills == ["inclusion"] and rng.random() < PROBLEM_SHARE:
            question = _PROBLEMS[pick(rng, ("math", "multihop"))](rng, side, progress * 0.6)
            tasks.append(question.prompt)
            answers.append(_solved(question, fixed.terms))
            contents.append(question.key)
        else:
            topic = pick(rng, TOPICS)
            noun = pick(rng, [noun for noun in TOPIC_NOUNS[topic] if noun not in fixed.banned])
            text = compose(rng, fixed.plan(rng, topic))
            if text is None:
                return None
            tasks.append(pick(rng, wordings.DESCRIBE).format(n=noun))
            answers.append(text)
            contents.append(noun)
    constraints = [*fixed.constraints, *_counted(rng, skills, answers)]
    if not all(constraint.check(answer).met for constraint in constraints for answer in answers):
        return None
    key = f"standing {' / '.join(contents)} " + " ".join(sorted(one.describe() for one in constraints))
    if side_of(key) != side:
        return None
    messages = _messages(rng, constraints, tasks, answers)
    return Dialogue("standing", messages, tuple(constraints), None, key, {"task": "standing", "turns": turns})


class _Fixed:
    """What all answers of a dialogue have in common."""

    def __init__(self) -> None:
        self.constraints: list[Constraint] = []
        self.terms: tuple[str, ...] = ()
        self.nouns: list[str] = []
        self.adjectives: list[str] = []
        self.banned: tuple[str, ...] = ()
        self.mood = ""
        self.style = "plain"

    def plan(self, rng: random.Random, topic: str) -> ProsePlan:
        return ProsePlan(
            topic,
            mood=self.mood or pick(rng, MOODS),
            style=self.style,
            nouns=self.nouns,
            adjectives=self.adjectives,
            banned=self.banned,
            sentences=1 + int(rng.random() * 2),
        )


def _fixed(rng: random.Random, skills: list[str]) -> _Fixed:
    fixed = _Fixed()
    if "inclusion" in skills:
        at = rng.random()
        word = pick(rng, NEUTRAL if at < 0.2 else INVENTED if at < 0.45 else TOPIC_NOUNS[pick(rng, TOPICS)])
        (fixed.adjectives if at < 0.2 else fixed.nouns).append(word)
        fixed.terms = (word,)
        fixed.constraints.append(Include(terms=fixed.terms))
    if "exclusion" in skills:
        nouns = [noun for noun in TOPIC_NOUNS[pick(rng, TOPICS)] if noun not in fixed.terms]
        fixed.banned = tuple(rng.sample(nouns, 1 + int(rng.random() * 2)))
        if rng.random() < 0.4:
            fixed.banned = (*fixed.banned, pick(rng, ("is", "and", "near", "has")))
        fixed.constraints.append(Exclude(terms=fixed.banned))
    if "sentiment" in skills:
        fixed.mood = pick(rng, MOODS[:2])
        fixed.constraints.append(Sentiment.model_validate({"sentiment": fixed.mood}))
    if "register" in skills:
        fixed.style = pick(rng, tuple(MARKERS))
        fixed.constraints.append(Register.model_validate({"register": fixed.style}))
    if "toxicity" in skills:
        fixed.constraints.append(Toxicity())
    return fixed


def _counted(rng: random.Random, skills: list[str], answers: list[str]) -> list[Constraint]:
    """Constraints on counts that all answers meet."""
    constraints: list[Constraint] = []
    if "word_count" in skills:
        counts = []
        for answer in answers:
            counter = CountWords()
            counter.read(answer)
            counts.append(counter.count)
        constraints.append(Words.model_validate(_bounds(rng, counts, 3)))
    if "character_count" in skills:
        constraints.append(Characters.model_validate(_bounds(rng, list(map(len, answers)), 20)))
    return constraints


def _bounds(rng: random.Random, counts: list[int], slack: int) -> dict[str, int]:
    low = max(1, min(counts) - int(rng.random() * slack))
    high = max(counts) + int(rng.random() * slack)
    return pick(rng, ({"at_least": low, "at_most": high}, {"at_most": high}, {"at_least": low}))


def _solved(question: Question, terms: tuple[str, ...]) -> str:
    """The solution, preceded by the required word unless it already has it."""
    missing = [term for term in terms if term not in question.response.lower().replace(".", "").split()]
    return f"Here is the word {missing[0]}. {question.response}" if missing else question.response


def _messages(
    rng: random.Random, constraints: list[Constraint], tasks: list[str], answers: list[str]
) -> tuple[Message, ...]:
    shuffled = constraints.copy()
    rng.shuffle(shuffled)
    instruction = pick(rng, FROM_NOW_ON).format(c=" ".join(wordings.instruction(rng, one) for one in shuffled))
    messages: list[Message] = []
    tasks = [tasks[0], *(_next(rng, task) for task in tasks[1:])]
    place = rng.random()
    if place < 0.35:
        messages.append(Message("system", instruction))
    else:
        if rng.random() < 0.4:
            messages.append(Message("system", pick(rng, wordings.HELPFUL)))
        if place < 0.55 and len(tasks) == 2:
            messages += [Message("user", instruction), Message("assistant", pick(rng, AGREED))]
        elif place < 0.8:
            tasks[0] = f"{tasks[0]} {instruction}"
        else:
            tasks[0] = f"{instruction} {tasks[0]}"
    for task, answer in zip(tasks, answers, strict=True):
        messages += [Message("user", task), Message("assistant", answer)]
    return tuple(messages)


def _next(rng: random.Random, task: str) -> str:
    if not task.startswith(("Describe", "Write", "Tell", "Say")):
        return task
    return pick(rng, NEXT).format(t=task, l=task[0].lower() + task[1:])
