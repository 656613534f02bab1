"""The scorer `plain`: topic, sentiment, register and toxicity of plain English, offline.

Rules:

- Each aspect has a file of its own (`subject`, `mood`, `formality`, `insults`), which says how it tells and why so.
- Where it cannot tell, `known` is False, which is never a pass. A language model as judge is the second opinion
  (`adhere audit --judge`).
- Its errors are measured on sentences that were labelled by hand (`labelled.py`); they stand in `docs/natural.md`.
"""

from __future__ import annotations

from adhere.constraints.scoring.formality import register_of
from adhere.constraints.scoring.insults import doubtful, insults_in
from adhere.constraints.scoring.mood import mood
from adhere.constraints.scoring.scorers import Aspect, Score, add_scorer
from adhere.constraints.scoring.subject import topic_of, topics

NAME = "plain"


class PlainEnglish:
    """Tells what a text in plain English is like."""

    def score(self, text: str, aspect: Aspect, label: str) -> Score:
        """Whether `text` is of `label` under `aspect`.

        Raises:
            MissingExtra: sentiment is asked for and VADER is not installed.
        """
        if not text or text.isspace():
            return Score(None, 0.0, known=False)
        match aspect:
            case "topic":
                return _topic(text, label)
            case "sentiment":
                found, compound = mood(text)
                share = (1 + compound) / 2
                return _labelled(found, share if label == "positive" else 1 - share)
            case "register":
                found, formal, informal = register_of(text)
                mine = formal if label == "formal" else informal
                return _labelled(found, mine / (formal + informal) if formal + informal else 0.5)
            case "toxicity":
                return _toxicity(text, label)


def _labelled(label: str | None, probability: float) -> Score:
    return Score(label, probability, known=label is not None)


def _topic(text: str, label: str) -> Score:
    if label not in topics():
        return Score(None, 0.0, known=False)
    topic, counts = topic_of(text)
    total = sum(counts.values())
    return _labelled(topic, counts[label] / total if total else 0.0)


def _toxicity(text: str, label: str) -> Score:
    toxic = bool(insults_in(text))
    if not toxic and doubtful(text):
        return Score(None, 0.5, known=False)
    return Score("toxic" if toxic else "clean", float(toxic == (label == "toxic")))


add_scorer(NAME, PlainEnglish)
