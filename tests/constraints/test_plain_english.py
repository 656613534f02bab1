"""The scorer of plain English: right far more often than wrong on labelled sentences, and UNSURE rather than wrong."""

from __future__ import annotations

import pytest

from adhere.constraints import from_json
from adhere.constraints.constraint import UNSURE
from adhere.constraints.scoring.insults import insults_in
from adhere.constraints.scoring.labelled import UNLABELLED, error, sentences
from adhere.constraints.scoring.scorers import Aspect, scorer

PLAIN = scorer("plain")


@pytest.mark.parametrize(
    ("aspect", "most_wrong", "most_unsure"),
    [("sentiment", 0.05, 0.25), ("register", 0.05, 0.1), ("topic", 0.05, 0.1), ("toxicity", 0.05, 0.1)],
)
def test_sentences_that_were_not_looked_at_are_scored_as_a_person_labelled_them(
    aspect: Aspect, most_wrong: float, most_unsure: float
) -> None:
    measured = error(PLAIN, aspect)
    assert measured.n >= 40
    assert measured.wrong <= most_wrong * measured.n
    assert measured.unsure <= most_unsure * measured.n


def test_it_does_better_than_the_word_lists_of_the_pocket_world() -> None:
    for aspect in ("sentiment", "register", "topic", "toxicity"):
        mine, theirs = error(PLAIN, aspect), error(scorer("lexicon"), aspect)  # type: ignore[arg-type]
        assert mine.wrong + mine.unsure < theirs.wrong + theirs.unsure


def test_what_cannot_be_told_is_unsure_and_no_pass() -> None:
    for kind, parameters, text in (
        ("semantic.sentiment", {"sentiment": "positive"}, "The train leaves at nine."),
        ("style.register", {"register": "formal"}, "The cat sat on the chair."),
        ("semantic.topic", {"topic": "sea"}, "He apologised and left the room."),
        ("semantic.topic", {"topic": "philosophy"}, "Waves rolled over the sand."),
    ):
        check = from_json({"kind": kind, "scorer": "plain", **parameters}).check(text)
        assert check.verdict is UNSURE
        assert not check.met


@pytest.mark.parametrize(
    "text",
    [
        "He is gay, and he lives with his husband.",
        "Black people and white people live on this street.",
        "You have a useless lamp, and I am sorry about it.",
        "Please do not insult anyone; I was asked not to.",
        "The stupid printer jammed again.",
    ],
)
def test_naming_people_or_scolding_things_is_no_insult(text: str) -> None:
    assert not insults_in(text)


def test_a_long_text_takes_no_more_than_its_share_of_time() -> None:
    """A word of a hundred thousand letters, or as many repetitions, must not make the patterns search for minutes."""
    for text in ("a" * 100_000, "you " * 25_000, "you stupid " * 10_000, "!" * 100_000, "it's " * 20_000):
        for aspect, label in (
            ("toxicity", "clean"),
            ("register", "formal"),
            ("topic", "sea"),
            ("sentiment", "positive"),
        ):
            PLAIN.score(text, aspect, label)  # type: ignore[arg-type]


def test_the_labelled_sentences_have_labels_that_can_be_asked_for() -> None:
    labels = {"sentiment": {"positive", "negative"}, "register": {"formal", "informal"}, "toxicity": {"toxic", "clean"}}
    for aspect, known in labels.items():
        for part in ("development", "test"):
            found = {label for label, _ in sentences(aspect, part)}  # type: ignore[arg-type]
            assert known <= found <= known | set(UNLABELLED)
