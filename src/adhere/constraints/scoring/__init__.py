"""Scorers of topic, sentiment, register and toxicity. Importing the package registers those that ship."""

from adhere.constraints.scoring import lexicon, plain

__all__ = ["lexicon", "plain"]
