"""Sentences labelled by hand, and how a scorer does on them.

    error(scorer("plain"), "sentiment").wrong

Rules:

- `data/<aspect>.tsv` holds a label and a sentence of our own writing on each line, the hard ones among them: negation,
  mixed feelings, insults without a bad word, bad words without an insult. "neutral" and "none" are sentences that have
  no label a prompt could ask for.
- Even lines were looked at while the scorers were written, odd lines were not: `part` tells them apart. Only "test" is
  an estimate of the error.
- A sentence without a label that a scorer labels all the same is a false label, counted apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from adhere.constraints.scoring.scorers import Aspect, TextScorer

Part = Literal["development", "test"]
UNLABELLED = ("neutral", "none")


@dataclass(frozen=True)
class ScorerError:
    """How a scorer did under one aspect.

    Attributes:
        n: sentences with a label.
        wrong: labelled, but otherwise than by hand.
        unsure: not told.
        unlabelled: sentences without a label.
        false_labels: those of them that were labelled.
    """

    aspect: Aspect
    n: int
    wrong: int
    unsure: int
    unlabelled: int
    false_labels: int


def sentences(aspect: Aspect, part: Part) -> list[tuple[str, str]]:
    """(label, sentence) of one part."""
    text = (files(__package__) / "data" / f"{aspect}.tsv").read_text(encoding="utf-8")
    rows = [tuple(line.split("\t")) for line in text.splitlines()]
    return [(label, sentence) for label, sentence in rows[part == "test" :: 2]]


def error(scorer: TextScorer, aspect: Aspect, part: Part = "test") -> ScorerError:
    """The scorer's error on one part of the labelled sentences."""
    n = wrong = unsure = unlabelled = false_labels = 0
    for label, sentence in sentences(aspect, part):
        if label in UNLABELLED:
            unlabelled += 1
            asked = sentences(aspect, part)[0][0]
            false_labels += scorer.score(sentence, aspect, asked).known
            continue
        n += 1
        score = scorer.score(sentence, aspect, label)
        unsure += not score.known
        wrong += score.known and score.label != label
    return ScorerError(aspect, n, wrong, unsure, unlabelled, false_labels)
