"""Longer prompts that ask for the same: idle sentences around a task, padded prompts, problems in more words.

Rules:

- The answer, its constraints, its problem and the key are those of the dialogue inside: what is added changes nothing.
- Idle sentences (`truths.py`) stand before the task, after it, between its sentences, in the system prompt, or at
  several of these places. A task that quotes a text to its end (copying, retelling) is followed by nothing, since what
  followed would belong to the text.
- A padded prompt has 100 to 260 tokens in all, counted as words with a fixed rate, since the world has no tokenizer.
- A reworded problem is introduced, its statements are tied together and its question is asked again. None of these
  phrases is one of those that `adhere sustain` measures with; a test compares them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from adhere.models.pocket.world import truths
from adhere.models.pocket.world.item import Dialogue, Message, Side, pick, weighted
from adhere.models.pocket.world.prose import ProsePlan, compose
from adhere.models.pocket.world.vocabulary import TOPICS

Draw = Callable[[str], Dialogue]
"""Draws the dialogue inside, of a family."""

IDLE_INSIDE: Final = (
    ("math", 0.22),
    ("multihop", 0.18),
    ("code", 0.20),
    ("describe", 0.18),
    ("constrained", 0.08),
    ("dialogue", 0.08),
    ("drill", 0.03),
    ("copy", 0.03),
)
PADDED_INSIDE: Final = (("math", 0.32), ("multihop", 0.24), ("code", 0.26), ("describe", 0.18))
REWORDED_INSIDE: Final = (("math", 0.4), ("multihop", 0.35), ("code", 0.25))

MOST_IDLE: Final = 6

PLACES: Final = (("after", 0.35), ("before", 0.25), ("between", 0.15), ("system", 0.12), ("several", 0.13))

PADDED_TOKENS: Final = (112, 240)
TOKENS_A_WORD: Final = 1.35
"""Tokens per word or sign in such prompts, approximately; a test checks the lengths that come of it."""

_PIECE: Final = re.compile(r"\w+|[^\w\s]")
_BOUNDARY: Final = re.compile(r"(?<=[.?!]) (?=[A-Z])")
_LEANS_BACK: Final = frozenset(("It", "That", "Then", "This", "They", "B", "Answer"))
"""First words of sentences that refer to the sentence before: nothing is inserted between the two."""

OPENINGS: Final = (
    "Please look at this.",
    "I have a task for you.",
    "Here comes something for you to do.",
    "Read what comes next with care.",
    "Please take your time and read all of this first.",
)
AGAIN: Final = ("I repeat:", "Once more:", "So this is what I ask:", "In short:")
TIES: Final = ("Note that ", "Keep in mind that ", "I can tell you that ", "You should know that ", "I hear that ")


def idle(rng: random.Random, side: Side, draw: Draw) -> Dialogue:
    """A dialogue of any family with one to six idle sentences."""
    inside = draw(weighted(rng, IDLE_INSIDE))
    number = 1 + int(rng.random() ** 1.5 * MOST_IDLE)
    return _strewn(rng, inside, truths.sentences(rng, side, number), "idle")


def padded(rng: random.Random, side: Side, draw: Draw) -> Dialogue:
    """A dialogue whose prompt has 100 to 260 tokens, most of them idle."""
    low, high = PADDED_TOKENS
    while True:
        inside = draw(weighted(rng, PADDED_INSIDE))
        wanted = low + rng.random() * (high - low)
        left = wanted - sum(map(_tokens, (message.content for message in inside.messages[:-1])))
        prose = rng.random() < 0.3
        fillers: dict[str, None] = {}
        while left > 12:
            filler = _prose(rng) if prose and rng.random() < 0.4 else truths.sentence(rng, side)
            fillers[filler] = None
            left -= _tokens(filler)
        if fillers:
            return _strewn(rng, inside, list(fillers), "padded")


def reworded(rng: random.Random, side: Side, draw: Draw) -> Dialogue:
    """A problem in a longer wording."""
    del side
    while True:
        inside = draw(weighted(rng, REWORDED_INSIDE))
        prompt = inside.messages[-2].content
        told = _reworded(rng, prompt, program=inside.family == "code")
        if told != prompt:
            messages = (*inside.messages[:-2], Message("user", told), inside.messages[-1])
            return _with(inside, messages, "reworded")


def _tokens(text: str) -> float:
    return TOKENS_A_WORD * len(_PIECE.findall(text))


def _prose(rng: random.Random) -> str:
    """A random descriptive sentence of the pocket world."""
    while True:
        text = compose(rng, ProsePlan(pick(rng, TOPICS), sentences=1))
        if text is not None:
            return text


def _with(inside: Dialogue, messages: tuple[Message, ...], how: str) -> Dialogue:
    problem = inside.problem
    meta = {**inside.meta, "lengthened": how}
    return replace(inside, messages=messages, problem=problem, meta=meta)


def _quotes(inside: Dialogue) -> bool:
    """Whether the prompt ends with a text that has to be repeated."""
    return inside.family == "copy" or inside.meta.get("task") in ("retell", "turn")


def _strewn(rng: random.Random, inside: Dialogue, sentences: list[str], how: str) -> Dialogue:
    """The dialogue with the sentences inserted at one place or several."""
    place = weighted(rng, PLACES)
    if _quotes(inside) and place not in ("before", "system"):
        place = pick(rng, ("before", "before", "system"))
    system = " ".join(message.content for message in inside.messages if message.role == "system")
    rest = [message for message in inside.messages if message.role != "system"]
    user = rest[-2].content
    if place == "system":
        put = " ".join(sentences)
        system = f"{system} {put}".strip() if rng.random() < 0.6 else f"{put} {system}".strip()
    elif place == "before":
        user = f"{' '.join(sentences)} {user}"
    elif place == "after":
        user = f"{user} {' '.join(sentences)}"
    else:
        user = _between(rng, user, sentences, ends=place == "several")
    rest[-2] = Message("user", user)
    messages = (*([Message("system", system)] if system else []), *rest)
    return _with(inside, messages, how)


def _between(rng: random.Random, text: str, sentences: list[str], *, ends: bool) -> str:
    """The text with the sentences inserted between its own; at its ends too if `ends`, or if there is no gap."""
    own = _BOUNDARY.split(text)
    gaps = [at for at in range(1, len(own)) if own[at].split(" ", 1)[0].strip(".,") not in _LEANS_BACK]
    places = [0, *gaps, len(own)] if ends or not gaps else gaps
    at: dict[int, list[str]] = {}
    for sentence in sentences:
        at.setdefault(pick(rng, places), []).append(sentence)
    return " ".join(piece for index in range(len(own) + 1) for piece in (*at.get(index, ()), *own[index : index + 1]))


def _reworded(rng: random.Random, prompt: str, *, program: bool) -> str:
    own = _BOUNDARY.split(prompt)
    question = next((one for one in reversed(own) if one.endswith("?")), own[-1])
    if not program:
        share = rng.random()
        own = [_tied(rng, one) if rng.random() < share else one for one in own]
    if rng.random() < 0.6:
        own.insert(0, pick(rng, OPENINGS))
    if rng.random() < 0.5 and question.split(" ", 1)[0] not in _LEANS_BACK:
        own.append(f"{pick(rng, AGAIN)} {question}")
    return " ".join(own)


_LOWERED: Final = frozenset(("At", "The", "Then"))
_STATES: Final = re.compile(r"^(?:At first |Then )?[A-Z]\w+ (?:is in|[a-z]+s) |^The number of ")


def _tied(rng: random.Random, sentence: str) -> str:
    """A statement with an introduction; any other sentence unchanged."""
    if not sentence.endswith(".") or ":" in sentence or not _STATES.match(sentence):
        return sentence
    first = sentence.split(" ", 1)[0]
    lowered = first.lower() + sentence[len(first) :] if first in _LOWERED else sentence
    return pick(rng, TIES) + lowered
