"""Tone by word lists: what it tells, what it cannot tell, and that watching agrees with reading."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adhere.constraints import parse
from adhere.constraints.constraint import BROKEN, HOLDS, OPEN, UNSURE, Constraint
from adhere.constraints.families.tone import Register, Sentiment, Topic, Toxicity
from adhere.constraints.scoring import lexicon, scorers
from adhere.constraints.scoring.scorers import Aspect, Score
from adhere.core.errors import UserError

TONES: list[Constraint] = [
    Topic(topic="sea"),
    Sentiment(sentiment="negative"),
    Register(register="informal"),
    Toxicity(),
]

WORDS = "sea boat rose The good BAD gray indeed yeah we'll idiot idiots fool's stupid and x élan ß".split()
texts = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from([" ", ". ", ", ", "", "'", "\n", "-", "\u0301"])))


@pytest.mark.parametrize(
    ("constraint", "text", "verdict"),
    [
        (Topic(topic="sea"), "The boat is in the harbor.", HOLDS),
        (Topic(topic="sea"), "The rose is near the boat, the bee and the shell.", BROKEN),  # as many of each
        (Topic(topic="sea"), "Nothing is here.", UNSURE),
        (Topic(topic="tax law"), "The boat.", UNSURE),  # the lexicon has no such topic
        (Sentiment(sentiment="positive"), "A lovely and BRIGHT boat, but cold.", HOLDS),
        (Sentiment(sentiment="negative"), "A lovely and bright boat, but cold.", BROKEN),
        (Register(register="informal"), "We'll see.", HOLDS),
        (Register(register="formal"), "Indeed, it is so.", HOLDS),
        (Toxicity(), "You are kind.", HOLDS),
        (Toxicity(), "", HOLDS),
        (Toxicity(), "You are an idiot", BROKEN),
        (Toxicity(), "A foolhardy idiotism", HOLDS),  # neither word is in a list
    ],
)
def test_verdicts(constraint: Constraint, text: str, verdict: object) -> None:
    assert constraint.check(text).verdict is verdict


@given(texts, st.integers(0, 2**32))
def test_chunks_never_change_what_is_counted(parts: list[tuple[str, str]], seed: int) -> None:
    text = "".join(a + b for a, b in parts)
    rng = random.Random(seed)
    for constraint in TONES:
        monitor = constraint.monitor()
        at = 0
        while at < len(text):
            step = rng.randint(1, 7)
            monitor = monitor.fork()
            monitor.feed(text[at : at + step])
            at += step
        assert monitor.close() == constraint.check(text)


def test_an_insult_is_seen_with_the_character_after_it_and_not_before() -> None:
    monitor = Toxicity().monitor()
    assert monitor.feed("you idiot") is OPEN  # it may become "idiotism"
    assert monitor.feed("!") is BROKEN
    check = monitor.close()
    assert check.at == 10
    assert (check.spans[0].start, check.spans[0].end) == (4, 9)


def test_a_word_without_end_costs_no_memory() -> None:
    tally = lexicon.Tally("topic")
    for _ in range(1000):
        tally.read("sea" * 100)
    assert len(tally._tail) < 100
    assert not tally.hits


def test_a_fork_does_not_write_into_the_original() -> None:
    monitor = Topic(topic="sea").monitor()
    monitor.feed("The boat ")
    monitor.fork().feed("rose rose rose ")
    assert monitor.close().met


@pytest.mark.parametrize("classes", lexicon.CLASSES.values(), ids=lexicon.CLASSES)
def test_a_word_is_in_one_class_only(classes: dict[str, frozenset[str]]) -> None:
    assert sum(map(len, classes.values())) == len(frozenset().union(*classes.values()))


@pytest.mark.parametrize("constraint", TONES)
def test_what_is_described_is_read_back(constraint: Constraint) -> None:
    assert parse(constraint.describe()) == (constraint,)


class _Says:
    def __init__(self, score: Score) -> None:
        self._score = score

    def score(self, text: str, aspect: Aspect, label: str) -> Score:
        del text, aspect, label
        return self._score


@pytest.mark.parametrize(
    ("score", "verdict"),
    [(Score("formal", 0.9), HOLDS), (Score("informal", 0.1), BROKEN), (Score(None, 0.5, known=False), UNSURE)],
)
def test_another_scorer_decides_at_the_end(score: Score, verdict: object) -> None:
    scorers.add_scorer("oracle", lambda: _Says(score))
    monitor = Register(register="formal", scorer="oracle").monitor()
    assert monitor.feed("yeah ") is OPEN
    assert monitor.close().verdict is verdict


def test_an_unknown_scorer_is_one_line() -> None:
    with pytest.raises(UserError, match=r"lexicn.*lexicon"):
        Sentiment(sentiment="positive", scorer="lexicn").check("good")
