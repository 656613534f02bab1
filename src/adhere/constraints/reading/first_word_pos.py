"""The part of speech that NLTK's perceptron tagger gives the first token of a text.

The reference asks that tagger whether a response starts with a verb. Of its 75,447 features only those can speak for a
first token that look at the token itself and at the two after it; `data/first_tag_english.json.gz` keeps these, in
halves, and leaves out weights below 1. On 6,000 sentence heads of model responses verb or no verb comes out
differently 31 times.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from importlib import resources
from typing import Any

_END = ("-END-", "-END2-")
"""What the tagger reads after the last token."""


@cache
def _model() -> dict[str, Any]:
    packed = resources.files("adhere.constraints.data").joinpath("first_tag_english.json.gz").read_bytes()
    model: dict[str, Any] = json.loads(gzip.decompress(packed))
    return model


def _normal(token: str) -> str:
    if "-" in token and token[0] != "-":
        return "!HYPHEN"
    if token.isdigit() and len(token) == 4:
        return "!YEAR"
    return "!DIGITS" if token[:1].isdigit() else token.lower()


def first_tag(tokens: list[str]) -> str:
    """The Penn Treebank tag of `tokens[0]`; three tokens are all it needs."""
    model = _model()
    token = tokens[0]
    if known := model["known"].get(token):
        return str(known)
    here, following, second = [*map(_normal, tokens[:3]), *_END][:3]
    scores: dict[str, int] = dict.fromkeys(model["classes"], 0) | model["constant"]
    for feature, value in (
        ("suffix", token[-3:]),
        ("first_letter", token[0]),
        ("word", here),
        ("next_word", following),
        ("next_suffix", following[-3:]),
        ("second_next_word", second),
    ):
        for tag, weight in model[feature].get(value, {}).items():
            scores[tag] += weight
    return max(scores, key=lambda tag: (scores[tag], tag))
