"""Scorers of topic, sentiment, register and toxicity. Importing the package registers the lexicon that ships."""

from adhere.constraints.scoring import lexicon

__all__ = ["lexicon"]
