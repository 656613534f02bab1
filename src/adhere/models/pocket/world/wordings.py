"""Wordings of constraints, tasks and system prompts.

A share `DESCRIBED` of constraints is worded as their own `describe()` does, as everywhere else in Adhere; the others in
one of the ways below, which state the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from adhere.constraints.bases.bounds import Bounded
from adhere.constraints.constraint import Constraint
from adhere.constraints.families.terms import quoted
from adhere.models.pocket.world.item import pick

DESCRIBED: Final = 0.45

HELPFUL: Final = ("You are a helpful assistant.", "You are an assistant.", "You help people.", "Be helpful.")
"""System prompts that ask for nothing in particular."""


def _counted(units: str) -> Callable[[random.Random, Any], str]:
    def word(rng: random.Random, bounded: Bounded) -> str:
        low, high = bounded.at_least, bounded.at_most
        unit = units[:-1] if (low if high is None else high) == 1 else units
        if low == high:
            ways = (f"The answer must have exactly {low} {unit}.", f"Write exactly {low} {unit}.", f"{low} {unit}.")
        elif low is None:
            ways = (
                f"No more than {high} {unit}.",
                f"Write at most {high} {unit}.",
                f"Keep it under {high + 1 if high else 1} {units}.",
            )
        elif high is None:
            ways = (f"Write at least {low} {unit}.", f"No less than {low} {unit}.", f"{low} {unit} or more.")
        else:
            ways = (
                f"Write between {low} and {high} {unit}.",
                f"Between {low} and {high} {unit}.",
                f"{low} to {high} {unit}.",
            )
        return pick(rng, ways)

    return word


def _include(rng: random.Random, include: Any) -> str:
    words = "word" if len(include.terms) == 1 else "words"
    ways = ("Use the {w} {t}.", "The answer must contain the {w} {t}.", "Mention {t}.", "Write it with the {w} {t}.")
    return pick(rng, ways).format(w=words, t=quoted(include.terms))


def _exclude(rng: random.Random, exclude: Any) -> str:
    words = "word" if len(exclude.terms) == 1 else "words"
    ways = ("Avoid the {w} {t}.", "Never say {t}.", "Write without the {w} {t}.", "Do not mention {t}.")
    return pick(rng, ways).format(w=words, t=quoted(exclude.terms, "or"))


def _json(rng: random.Random, json: Any) -> str:
    if not json.keys:
        return pick(rng, ("Answer in JSON.", "Give me JSON only.", "The answer must be JSON."))
    keys = "key" if len(json.keys) == 1 else "keys"
    ways = ("Answer in JSON with the {k} {t}.", "Give me JSON with the {k} {t}.", "Use JSON with the {k} {t}.")
    return pick(rng, ways).format(k=keys, t=quoted(json.keys))


def _topic(rng: random.Random, topic: Any) -> str:
    ways = ("Write about the {t}.", "It must be about the {t}.", "Stay on the topic of {t}.", "The topic is {t}.")
    return pick(rng, ways).format(t=topic.topic)


def _sentiment(rng: random.Random, sentiment: Any) -> str:
    ways = ("Be {s}.", "Use a {s} tone.", "Sound {s}.", "The mood must be {s}.")
    return pick(rng, ways).format(s=sentiment.sentiment)


def _register(rng: random.Random, register: Any) -> str:
    ways = ("Be {r}.", "Use {a} {r} tone.", "Sound {r}.", "The style must be {r}.")
    article = "a" if register.register == "formal" else "an"
    return pick(rng, ways).format(a=article, r=register.register)


def _toxicity(rng: random.Random, toxicity: Any) -> str:
    del toxicity
    return pick(rng, ("No insults.", "Use no insulting words.", "Do not be rude.", "Never insult anyone."))


def _mark(rng: random.Random, without: Any) -> str:
    return pick(rng, ("Avoid any {m}.", "There must be no {m}.", "Write without a {m}.")).format(m=without.mark)


def _repeats(rng: random.Random, repeats: Any) -> str:
    times = "once" if repeats.at_most == 1 else f"{repeats.at_most} times"
    return pick(rng, ("Use no word more than {t}.", "No word may stand there more than {t}.")).format(t=times)


def _different(rng: random.Random, different: Any) -> str:
    ways = ("Write at least {n} different words.", "There must be {n} different words or more.")
    return pick(rng, ways).format(n=different.at_least)


def _case(rng: random.Random, case: Any) -> str:
    del case
    return pick(rng, ("Write in lowercase.", "No capital letters.", "All letters must be small."))


_WAYS: Final[dict[str, Callable[[random.Random, Any], str]]] = {
    "length.words": _counted("words"),
    "length.characters": _counted("characters"),
    "length.sentences": _counted("sentences"),
    "contains.terms": _include,
    "excludes.terms": _exclude,
    "format.json": _json,
    "semantic.topic": _topic,
    "semantic.sentiment": _sentiment,
    "style.register": _register,
    "style.toxicity": _toxicity,
    "excludes.mark": _mark,
    "numbers.count": _counted("numbers"),
    "vocabulary.repeats": _repeats,
    "vocabulary.different": _different,
    "length.lines": _counted("lines"),
    "length.paragraphs": _counted("paragraphs"),
    "case.letters": _case,
}


def instruction(rng: random.Random, constraint: Constraint) -> str:
    """One wording of the constraint."""
    if rng.random() < DESCRIBED:
        return constraint.describe()
    return _WAYS[constraint.kind](rng, constraint)


DESCRIBE: Final = (
    "Describe the {n}.",
    "Write about the {n}.",
    "Tell me about the {n}.",
    "Say something about the {n}.",
    "Write a short text about the {n}.",
    "What can you say about the {n}?",
)
ANYTHING: Final = ("Write something.", "Write a short text.", "Tell me something.", "Say something.")
OPENERS: Final = (
    "I saw the {a} and the {b} today.",
    "We talked about the {a}.",
    "Yesterday I had the {a} and the {b}.",
)
SHORT: Final = ("Write a short text.", "A short text is enough.", "Keep it short.")
RETELL: Final = (
    "{o} said this: {t} Tell me what {o} said.",
    "Repeat what {o} said: {t}",
    "Say this again: {t}",
    "Retell this: {t}",
)
RUDE_SYSTEM: Final = ("You are rude.", "You insult everyone.", "You are rude to all people.")
RUDE_USER: Final = ("You {i}, answer me.", "Hey {i}!", "Listen, you {a} {i}.", "You are {a}.")
