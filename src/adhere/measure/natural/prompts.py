"""The `natural` prompts, made from templates and word lists of our own writing.

Rules:

- `data/templates.json` holds, for every skill and strength, one constraint and several wordings that ask for it;
  `data/combinations.json` holds tasks and instruction sentences that are put together; `data/words.json` the contents.
- A prompt is checked against what it states. Where it says "in two sentences" besides, that keeps answers short and is
  part of the task, not of what is measured.
- A prompt belongs to the split of its main content (a topic, an item, a product, ...). Topics, odd words and subjects
  never cross splits, so that what was fitted on one split is tried on contents it has not seen. Themes do: they are the
  labels that topic prompts ask for.
- `prompt_set` depends on nothing but its seed. No two of its prompts have the same text.
- Tone is checked by the scorer `plain`, which reads plain English; the pocket world's word lists do not.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

from adhere.constraints.constraint import Constraint
from adhere.constraints.registry import from_json

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

PER_STRENGTH = 13
"""Prompts of each skill and strength: 9 skills of 4 strengths make 468."""
PER_COMBINATION = 8
"""Prompts of each combination of skills: 17 make 136."""
_EVERY = 5
"""Of five contents in a row, the fourth is for validation and the fifth for testing."""
_MOST_TRIES = 1_000

Slots = Mapping[str, str]
Wording = tuple[str, tuple[Mapping[str, Any], ...]]
"""A text with slots, and the constraints it states."""


@dataclass(frozen=True)
class NaturalPrompt:
    """A prompt and what its answer is checked against.

    Attributes:
        id: stays the same as long as the set's seed does.
        text: what the model is asked.
        constraints: everything the text asks for, in the order in which it does.
        skills: the skills asked for; several for a combined prompt.
        strength: which strength of the skill, or "combined".
        content: the main content, which decides the split.
        split: train, validation or test.
    """

    id: str
    text: str
    constraints: tuple[Constraint, ...]
    skills: tuple[str, ...]
    strength: str
    content: str
    split: Split


@dataclass(frozen=True)
class _Frame:
    """What prompts of one kind share: the wordings, each a text and its constraints, and the list of contents."""

    skills: tuple[str, ...]
    strength: str
    contents: str
    wordings: tuple[Wording, ...]

    @property
    def name(self) -> str:
        return f"{'+'.join(self.skills)}/{self.contents}/{self.strength}"


def prompt_set(seed: int = 0) -> tuple[NaturalPrompt, ...]:
    """The set: every skill in every strength, then the combinations."""
    texts: set[str] = set()
    return tuple(prompt for frame in _frames() for prompt in _of_frame(frame, seed, texts))


def independent(seed: int) -> Iterator[NaturalPrompt]:
    """Prompts drawn independently and without end, each from a frame, a wording and a content at random."""
    rng = random.Random(f"natural independent {seed}")
    frames = _frames()
    number = 0
    while True:
        frame = rng.choice(frames)
        contents = _words()[frame.contents]
        number += 1
        yield _prompt(frame, rng.choice(frame.wordings), rng.randrange(len(contents)), rng, f"independent-{number}")


def by_frame(seed: int, splits: Sequence[Split] = SPLITS) -> Mapping[tuple[str, ...], Iterator[NaturalPrompt]]:
    """For each frame, by its name and its skills, prompts drawn with replacement and without end, with contents of
    `splits`. Prompts of a frame ask for the same thing in several wordings."""
    return {(frame.name, *frame.skills): _drawn(frame, seed, splits) for frame in _frames()}


_TASKS = {
    "topics": "Write about {}.",
    "items": "Describe {}.",
    "products": "Write a short review of {}.",
    "subjects": "Write a very short story about {}.",
    "matters": "Write a short message about {}.",
    "events": "Write a short message about this: {}.",
}


def task_alone(contents: str, text: str) -> str | None:
    """A task about what `text` is about and without any instruction; None for contents that are themselves the
    instruction, such as themes.

    Args:
        contents: the list that the main content of `text` is from.
        text: of a prompt.
    """
    if contents not in _TASKS:
        return None
    entries = (entry["topic"] if contents == "topics" else entry for entry in _words()[contents])
    inside = sorted((entry for entry in entries if entry.lower() in text.lower()), key=len)
    return _TASKS[contents].format(inside[-1]) if inside else None


def _drawn(frame: _Frame, seed: int, splits: Sequence[Split]) -> Iterator[NaturalPrompt]:
    rng = random.Random(f"natural {seed} {frame.name} {'+'.join(splits)}")
    places = [place for place in range(len(_words()[frame.contents])) if _split_of(place) in splits]
    number = 0
    while True:
        number += 1
        yield _prompt(frame, rng.choice(frame.wordings), rng.choice(places), rng, f"{frame.name}/drawn-{number}")


def _of_frame(frame: _Frame, seed: int, texts: set[str]) -> Iterator[NaturalPrompt]:
    rng = random.Random(f"natural {seed} {frame.name}")
    places: list[int] = []
    count = PER_STRENGTH if len(frame.skills) == 1 else PER_COMBINATION
    made = 0
    for _ in range(_MOST_TRIES):
        if made == count:
            return
        if not places:
            places = rng.sample(range(len(_words()[frame.contents])), len(_words()[frame.contents]))
        wording = frame.wordings[made % len(frame.wordings)] if len(frame.skills) == 1 else rng.choice(frame.wordings)
        prompt = _prompt(frame, wording, places.pop(), rng, f"{frame.name}/{made + 1}")
        if prompt.text not in texts:
            texts.add(prompt.text)
            made += 1
            yield prompt
    raise ValueError(f"{frame.name} has fewer than {count} different prompts")


def _prompt(frame: _Frame, wording: Wording, place: int, rng: random.Random, name: str) -> NaturalPrompt:
    split = _split_of(place)
    slots = _slots(frame.contents, place, split, rng)
    text, constraints = wording
    return NaturalPrompt(
        id=name.replace(" ", "-").replace(",", ""),
        text=text.format(**slots),
        constraints=tuple(from_json(_filled(one, slots)) for one in constraints),
        skills=frame.skills,
        strength=frame.strength,
        content=slots["content"],
        split=split,
    )


def _split_of(place: int) -> Split:
    return {_EVERY - 2: SPLITS[1], _EVERY - 1: SPLITS[2]}.get(place % _EVERY, SPLITS[0])


_SINGULAR = {"items": "item", "products": "product", "subjects": "subject", "matters": "matter", "events": "event"}


def _slots(contents: str, place: int, split: Split, rng: random.Random) -> dict[str, str]:
    """What the wordings' braces stand for, given the main content; the other words are drawn from the same split."""
    words = _words()
    entry = words[contents][place]
    theme, other = rng.sample(words["themes"], 2)
    slots = {
        "odd": rng.choice(_within(words["odd_words"], split)),
        "subject": rng.choice(_within(words["subjects"], split)),
        **theme,
        "the_other": other["the_theme"],
    }
    if contents in _SINGULAR:
        slots |= {_SINGULAR[contents]: entry, "content": entry}
    elif contents == "topics":
        slots |= {f"words{number}": word for number, word in enumerate(entry["words"])}
        slots |= {key: entry[key] for key in ("topic", "name", "word")} | {"content": entry["topic"]}
    else:
        slots |= {**entry, "content": entry["theme"]}
        slots["the_other"] = rng.choice([one for one in words["themes"] if one != entry])["the_theme"]
    if contents == "events":
        event = cast(str, entry)
        slots["Event"] = event[0].upper() + event[1:]
        slots["outburst"] = rng.choice(words["outbursts"]).format(**slots)
    return slots


def _within(words: Sequence[str], split: Split) -> list[str]:
    return [word for place, word in enumerate(words) if _split_of(place) == split]


def _filled(value: Any, slots: Slots) -> Any:
    """`value` with the braces in all its strings filled."""
    if isinstance(value, str):
        return value.format(**slots)
    if isinstance(value, Mapping):
        return {key: _filled(one, slots) for key, one in value.items()}
    return [_filled(one, slots) for one in value] if isinstance(value, list) else value


@cache
def _frames() -> tuple[_Frame, ...]:
    frames = [
        _Frame((skill,), strength, one["content"], tuple((text, (one["constraint"],)) for text in one["templates"]))
        for skill, strengths in _data("templates").items()
        for strength, one in strengths.items()
    ]
    combinations = _data("combinations")
    for contents, *skills in combinations["pairs"]:
        wordings: list[Wording] = [(task, ()) for task in combinations["tasks"][contents]]
        for skill in skills:
            fitting = [one for one in combinations["instructions"][skill] if one.get("content", contents) == contents]
            wordings = [
                (f"{text} {said}", (*constraints, one["constraint"]))
                for text, constraints in wordings
                for one in fitting
                for said in one["says"]
            ]
        frames.append(_Frame(tuple(skills), "combined", contents, tuple(wordings)))
    return tuple(frames)


@cache
def _words() -> Mapping[str, Any]:
    return _data("words")


def _data(name: str) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads(
        (files("adhere.measure.natural") / "data" / f"{name}.json").read_text(encoding="utf-8")
    )
    return loaded
