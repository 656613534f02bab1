"""The surface baseline: how well length and character n-grams alone tell met from violated.

What a probe of activations reads may be there on the page already. The baseline sees as much of the text as had been
written at the position: at "25" the first quarter of the response, at "eos" all of it, at "prompt" the prompt. It is an
L2 logistic regression on hashed counts of one to three characters (logarithms, each text of length one) and on the
logarithms of the numbers of characters, words and lines, fitted and read on the same folds as the probes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from adhere.explain.cases.examples import Examples
from adhere.explain.probing.splits import Design

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURES = 2**13
"""Buckets of the hashed n-grams."""


def written(examples: Examples, position: str) -> tuple[str, ...] | None:
    """The text that was there at a position; None at "prompt" where the prompts were not kept."""
    if position == "prompt":
        return examples.asked or None
    if position.isdigit():
        return tuple(text[: math.ceil(len(text) * int(position) / 100)] for text in examples.text)
    return examples.text


def surface(examples: Examples, design: Design) -> NDArray[np.float32]:
    """Scores of every row at every position by a baseline that did not see its fold, shape (positions, n).

    NaN at positions for which there is no text.
    """
    from sklearn.linear_model import LogisticRegression

    scores = np.full((len(examples.positions), len(examples)), np.nan, np.float32)
    seen: dict[tuple[str, ...], int] = {}
    for place, position in enumerate(examples.positions):
        texts = written(examples, position)
        if texts is None:
            continue
        if texts in seen:
            scores[place] = scores[seen[texts]]
            continue
        seen[texts] = place
        features = _features(texts)
        for skill in range(design.skills):
            for number in range(design.folds):
                train = np.flatnonzero((design.code == skill) & design.constrained & (design.fold != number))
                held_out = np.flatnonzero((design.code == skill) & (design.fold == number))
                model = LogisticRegression(solver="liblinear").fit(features[train], design.labels[train, 0])
                if len(held_out):
                    scores[place, held_out] = model.decision_function(features[held_out])
    return scores


def _features(texts: tuple[str, ...]) -> Any:
    """Sparse matrix, shape (n, FEATURES + 3)."""
    from scipy import sparse
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.preprocessing import normalize

    grams = HashingVectorizer(analyzer="char", ngram_range=(1, 3), n_features=FEATURES, norm=None, alternate_sign=False)
    counts = grams.transform(texts)
    counts.data = np.log1p(counts.data)
    sizes = np.log1p([[len(text), len(text.split()), text.count("\n")] for text in texts])
    spread = sizes.std(axis=0)
    sizes = (sizes - sizes.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    return sparse.hstack([normalize(counts), sparse.csr_matrix(sizes)], format="csr")
