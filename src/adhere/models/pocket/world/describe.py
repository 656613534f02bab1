"""Short texts under one to four constraints of the nine skills.

The answer is written first, with the topic, mood, register, words and insults that were drawn. Counts (words,
characters, sentences) are then asked for around what the answer has. Every answer is checked against every constraint
before it is given out. The content is the task's noun with the constraints, in any order.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from adhere.constraints.constraint import Constraint
from adhere.constraints.families.json_format import Json
from adhere.constraints.families.terms import Exclude, Include
from adhere.constraints.families.tone import Register, Sentiment, Topic, Toxicity
from adhere.models.pocket.world import retell, wordings
from adhere.models.pocket.world.around import EXTRA, FORMS, around, formed
from adhere.models.pocket.world.asking import ask, between, content_key, count
from adhere.models.pocket.world.hardness import TEST, TRAIN, Hardness
from adhere.models.pocket.world.item import Dialogue, Side, pick, side_of, weighted
from adhere.models.pocket.world.prose import COMMON, MARKERS, MOODS, ProsePlan, compose
from adhere.models.pocket.world.vocabulary import INVENTED, NEGATIVE, NEUTRAL, POSITIVE, TOPIC_NOUNS, TOPICS

SKILLS: Final = (
    ("word_count", 1.3),
    ("character_count", 1.0),
    ("json", 1.0),
    ("inclusion", 1.3),
    ("exclusion", 1.2),
    ("topic", 1.1),
    ("sentiment", 1.25),
    ("register", 1.6),
    ("toxicity", 0.9),
)
"""The nine skills, each with its relative frequency."""

EXTRA_SHARE: Final = 0.3
"""Share of training's descriptions that also carry a constraint outside the nine skills, such as a number of lines.
Test prompts carry none, so that skills are measured alone and of every pocket model alike."""

_OTHER: Final = {
    "positive": NEGATIVE,
    "negative": POSITIVE,
    "formal": MARKERS["informal"],
    "informal": MARKERS["formal"],
}


def dialogue(rng: random.Random, side: Side, progress: float, wanted: Sequence[str] = ()) -> Dialogue:
    """A dialogue that belongs to `side`, under constraints of the skills `wanted`, or of skills drawn at random."""
    hard = TEST if side == "test" else TRAIN
    while True:
        skills = [*wanted] or _draw(rng, _number(rng, progress))
        retold = rng.random() < (0.75 if "toxicity" in skills else 0.05)
        turn = hard.turned if len(skills) == 1 and skills[0] in ("register", "sentiment") else 0.0
        if turn and rng.random() < turn:
            candidate = retell.turned(rng, side, skills)
        elif retold and not {"json", "register", "sentiment", "inclusion"}.intersection(skills):
            candidate = retell.dialogue(rng, side, hard, skills)
        else:
            candidate = _described(rng, side, hard, skills)
        if candidate is not None:
            return candidate


def _number(rng: random.Random, progress: float) -> int:
    return weighted(
        rng, ((0, 0.07), (1, 0.42 + 0.5 * (1 - progress)), (2, 0.29), (3, 0.02 + 0.13 * progress), (4, 0.07 * progress))
    )


def _draw(rng: random.Random, number: int) -> list[str]:
    skills: list[str] = []
    while len(skills) < number:
        skill = weighted(rng, SKILLS)
        if skill not in skills and not (
            (skill == "register" and "json" in skills) or (skill == "json" and "register" in skills)
        ):
            skills.append(skill)
    return skills


@dataclass
class _Draft:
    """What has been drawn for an answer, and what will be asked for. `required` words are nouns, adjectives or markers
    that the answer has to use."""

    topic: str
    noun: str
    plan: ProsePlan
    constraints: list[Constraint] = field(default_factory=list)
    nouns: list[str] = field(default_factory=list)
    adjectives: list[str] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)
    required: list[str] = field(default_factory=list)
    banned: list[str] = field(default_factory=list)
    rude: bool = False


def _described(rng: random.Random, side: Side, hard: Hardness, skills: list[str]) -> Dialogue | None:
    """A description under constraints of `skills`; None where what was drawn cannot be answered or is not of `side`.

    The order of the draws is part of the data: a change of it changes every prompt after it.
    """
    topic = pick(rng, TOPICS)
    noun = pick(rng, TOPIC_NOUNS[topic])
    draft = _Draft(topic, noun, ProsePlan(topic, mood=pick(rng, MOODS), sentences=between(rng, hard.sentences)))
    _ask_tone(rng, hard, skills, draft)
    _ask_words(rng, hard, skills, draft)
    answer = _object(rng, hard, draft.plan, draft.constraints) if "json" in skills else compose(rng, draft.plan)
    if answer is None:
        return None
    if side == "train" and rng.random() < EXTRA_SHARE:
        answer = _extra(rng, answer, draft.constraints, "json" in skills)
    count(rng, hard, skills, answer, draft.constraints)
    if not all(constraint.check(answer).met for constraint in draft.constraints):
        return None
    key = content_key(noun, draft.constraints)
    if side_of(key) != side:
        return None
    task = _task(rng, topic, noun, "topic" in skills)
    return ask(rng, key, task, draft.constraints, answer, draft.rude, {"task": "describe", "noun": noun})


def _ask_tone(rng: random.Random, hard: Hardness, skills: Sequence[str], draft: _Draft) -> None:
    """Topic, mood and register, sometimes with words that pull the other way."""
    plan = draft.plan
    if "topic" in skills:
        draft.constraints.append(Topic(topic=draft.topic))
        if rng.random() < hard.conflict[0]:
            other = pick(rng, [name for name in TOPICS if name != draft.topic])
            draft.nouns += rng.sample(TOPIC_NOUNS[other], between(rng, hard.against_topic))
    if "sentiment" in skills:
        plan.mood = pick(rng, MOODS[:2])
        draft.constraints.append(Sentiment.model_validate({"sentiment": plan.mood}))
        if rng.random() < hard.conflict[1]:
            draft.adjectives += rng.sample(_OTHER[plan.mood], between(rng, hard.against_mood))
    if "register" in skills:
        plan.style = pick(rng, ("formal", "informal"))
        draft.constraints.append(Register.model_validate({"register": plan.style}))
        if rng.random() < hard.conflict[2]:
            draft.markers += rng.sample(_OTHER[plan.style], between(rng, hard.against_style))
    elif rng.random() < 0.2:
        plan.style = pick(rng, ("formal", "informal"))


def _ask_words(rng: random.Random, hard: Hardness, skills: Sequence[str], draft: _Draft) -> None:
    """Words to use, words to avoid, and insults; the plan of the answer is told of all three."""
    plan = draft.plan
    if "inclusion" in skills:
        _draw_required(rng, hard, draft)
    draft.required = [*dict.fromkeys((*draft.nouns, *draft.adjectives, *draft.markers))]
    if draft.required:
        rng.shuffle(draft.required)
        draft.constraints.append(Include(terms=tuple(draft.required)))
    if "exclusion" in skills:
        draft.banned = _tempting(rng, hard, plan, draft.noun, draft.required)
        draft.constraints.append(Exclude(terms=tuple(draft.banned)))
    plan.nouns = [word for word in draft.required if word in draft.nouns]
    plan.adjectives = [word for word in draft.required if word in draft.adjectives and word not in draft.nouns]
    plan.markers = [word for word in draft.required if word in draft.markers]
    plan.banned = draft.banned
    draft.rude = rng.random() < (0.5 if "toxicity" in skills else 0.06)
    if "toxicity" in skills:
        draft.constraints.append(Toxicity())
    elif draft.rude:
        plan.rude = 0.5


def _draw_required(rng: random.Random, hard: Hardness, draft: _Draft) -> None:
    """Words to include, beside those that pull the other way: far from the topic, of it, or adjectives."""
    plan, against = draft.plan, len(draft.nouns) + len(draft.adjectives) + len(draft.markers)
    for _ in range(max(0, between(rng, hard.include) - against)):
        at = rng.random()
        if at < hard.include_far / 2:
            draft.nouns.append(pick(rng, TOPIC_NOUNS[pick(rng, TOPICS)]))
        elif at < hard.include_far:
            draft.nouns.append(pick(rng, INVENTED))
        elif at < hard.include_far + 0.35:
            draft.nouns.append(pick(rng, TOPIC_NOUNS[draft.topic]))
        else:
            moods = POSITIVE if plan.mood == "positive" else NEGATIVE
            draft.adjectives.append(pick(rng, (*NEUTRAL, *moods)))


def _extra(rng: random.Random, answer: str, constraints: list[Constraint], whole: bool) -> str:
    """Add a constraint outside the nine skills; returns the answer, reformatted where the constraint needs it.

    `whole` is for an answer whose form must stay, such as JSON.
    """
    kind = pick(rng, EXTRA)
    if kind in FORMS and not whole and rng.random() < 0.5:
        _, stop, rest = answer.partition(". ")
        answer = formed(kind, answer, rest if stop else answer)
    constraint = around(rng, kind, answer)
    if constraint is not None:
        constraints.append(constraint)
    return answer


def _tempting(rng: random.Random, hard: Hardness, plan: ProsePlan, noun: str, required: Sequence[str]) -> list[str]:
    """Words that such a text is likely to contain."""
    natural = [noun, *rng.sample(TOPIC_NOUNS[plan.topic], 4)]
    natural += rng.sample({"positive": POSITIVE, "negative": NEGATIVE}.get(plan.mood, NEUTRAL), 3)
    rng.shuffle(natural)
    words = natural[: between(rng, hard.exclude)]
    if rng.random() < hard.exclude_common:
        words.insert(int(rng.random() * (len(words) + 1)), pick(rng, COMMON))
    kept = [word for word in dict.fromkeys(words) if word not in required]
    return kept or [pick(rng, [word for word in TOPIC_NOUNS[plan.topic] if word not in required])]


def _object(rng: random.Random, hard: Hardness, plan: ProsePlan, constraints: list[Constraint]) -> str | None:
    """A JSON object about the topic, with the keys asked for; required words are among its values."""
    keys = _keys(rng, between(rng, hard.json_keys), plan)
    constraints.append(Json(keys=tuple(keys)))
    keys = keys or ["text"]  # in the order asked for: in any other it is hard to tell which are missing
    nouns = [word for word in TOPIC_NOUNS[plan.topic] if word not in plan.banned]
    moods = {"positive": POSITIVE, "negative": NEGATIVE}.get(plan.mood, NEUTRAL)
    adjectives = [word for word in moods if word not in plan.banned]
    if not nouns or not adjectives:
        return None
    due = [*plan.nouns, *plan.adjectives, *plan.markers]
    value: dict[str, Any] = {}
    for index, key in enumerate(keys):
        share = -(-len(due) // (len(keys) - index))
        words, due = due[:share], due[share:]
        kind = rng.random()
        if words or kind < 0.35:
            value[key] = [*words, *(pick(rng, nouns) for _ in range(1 if words else 2))]
            if rng.random() < 0.5:
                value[key].append(pick(rng, adjectives))
        elif kind < 0.75:
            value[key] = f"{pick(rng, adjectives)} {pick(rng, nouns)}"
        elif kind < 0.88:
            value[key] = {pick(rng, nouns): pick(rng, adjectives)}
        else:
            value[key] = int(rng.random() * 50)
    return json.dumps(value)


_KEYS: Final = ("text", "name", "topic", "color", "size", "words", "note", "place", "parts", "list")


def _keys(rng: random.Random, number: int, plan: ProsePlan) -> list[str]:
    keys: list[str] = []
    while len(keys) < number:
        at = rng.random()
        key = pick(rng, _KEYS) if at < 0.5 else pick(rng, TOPIC_NOUNS[plan.topic]) if at < 0.75 else pick(rng, INVENTED)
        if key not in keys and key not in plan.banned:
            keys.append(key)
    return keys


def _task(rng: random.Random, topic: str, noun: str, topic_stated: bool) -> str:
    """The task; where a constraint states the topic, the task may name none, or another one."""
    if topic_stated and rng.random() < 0.75:
        task = pick(rng, wordings.ANYTHING)
        if rng.random() < 0.5:
            other = pick(rng, [name for name in TOPICS if name != topic])
            a, b = rng.sample(TOPIC_NOUNS[other], 2)
            task = f"{pick(rng, wordings.OPENERS).format(a=a, b=b)} {task}"
        return task
    task = pick(rng, wordings.DESCRIBE).format(n=noun)
    return f"{task} {pick(rng, wordings.SHORT)}" if rng.random() < 0.15 else task


def lines(rng: random.Random) -> Iterator[str]:
    """Descriptions as plain text, some with insults: part of what the base checkpoint reads."""
    while True:
        plan = ProsePlan(
            pick(rng, TOPICS),
            mood=pick(rng, MOODS),
            style=pick(rng, ("plain", "plain", "formal", "informal")),
            sentences=1 + int(rng.random() * 4),
            rude=0.4 if rng.random() < 0.2 else 0.0,
        )
        text = compose(rng, plan)
        if text is not None:
            yield text
