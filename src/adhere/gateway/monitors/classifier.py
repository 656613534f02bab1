"""The fast classifier: hashed character n-grams and a logistic regression, read from a file, scored in numpy.

    adhere monitor train ../shared/data/control --out attacks.npz

Rules
- The file holds weights, an intercept and a card (JSON: what it was trained on, how it does on families and sources it
  never saw, thresholds): arrays only, read without pickle. A file that is something else is refused.
- A text's score is the highest of its windows, so padding does not hide an attack.
- The thresholds on the card are those at which the false-alarm rate on harmless sources *left out of training* is what
  their name says. The rate on texts of sources that were seen is far lower, and no promise.
- It misses most attacks of a kind it has never seen (`docs/results/monitors.md`): it may ask for a second look and is
  never the last line of defence.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adhere.core.errors import UserError
from adhere.core.files import write_bytes
from adhere.gateway.monitors import features
from adhere.gateway.monitors.monitor import Passage
from adhere.gateway.policy.thresholds import Reading

FORMAT = 1
IN_LINE = 4_000
"""Characters that are read at once, about a millisecond; more of them in a thread."""


@dataclass(frozen=True)
class Classifier:
    """`weights`: one a bucket (float32), a power of two of them."""

    weights: NDArray[np.float32]
    intercept: float
    card: Mapping[str, Any]
    name: str = "classifier"

    def logit(self, text: str) -> tuple[float, int]:
        """The highest log-odds of any window, and where that begins in the normalised text."""
        best, where = -math.inf, 0
        for window in features.windows(text, len(self.weights)):
            value = float(self.weights[window.buckets] @ window.values) + self.intercept
            if value > best:
                best, where = value, window.start
        return best, where

    def score(self, text: str) -> float:
        """Between 0 and 1; 0 for a text without characters."""
        return sigmoid(self.logit(text)[0])

    async def read(self, passages: Sequence[Passage]) -> Reading:
        """The worst of `passages`. Long ones are read in a thread, so that no stream waits."""
        if sum(len(passage.text) for passage in passages) > IN_LINE:
            return await asyncio.to_thread(self._worst, passages)
        return self._worst(passages)

    def _worst(self, passages: Sequence[Passage]) -> Reading:
        worst, reason = 0.0, "nothing to read"
        for passage in passages:
            logit, where = self.logit(passage.text)
            if (score := sigmoid(logit)) > worst:
                at = f", from character {where:,} on" if where else ""
                worst, reason = score, f"reads like an attack ({score:.2f}) in {passage.where}{at}"
        return Reading(self.name, worst, reason)

    def save(self, path: Path) -> None:
        """Write it to `path`, whole.

        Raises:
            UserError: it cannot be written.
        """
        buffer = io.BytesIO()
        card = np.frombuffer(json.dumps(dict(self.card), sort_keys=True).encode(), dtype=np.uint8)
        np.savez_compressed(
            buffer,
            format=np.array([FORMAT]),
            weights=self.weights.astype(np.float16),
            intercept=np.array([self.intercept]),
            card=card,
        )
        write_bytes(path, buffer.getvalue())


def load(path: Path) -> Classifier:
    """The classifier in `path`.

    Raises:
        UserError: not there, or not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if int(arrays["format"][0]) != FORMAT:
                raise ValueError(f"of format {int(arrays['format'][0])}, this reads {FORMAT}")
            weights = arrays["weights"].astype(np.float32)
            card = json.loads(arrays["card"].tobytes())
            intercept = float(arrays["intercept"][0])
        size = len(weights)
        if weights.ndim != 1 or size < 2 or size & (size - 1) or not np.isfinite(weights).all():
            raise ValueError("its weights are not those of a classifier")
        if not math.isfinite(intercept) or not isinstance(card, dict):
            raise ValueError("its card cannot be read")
    except OSError as error:
        raise UserError(f"{path}: no classifier can be read there ({error.strerror or error})") from error
    except (ValueError, KeyError, IndexError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a classifier that `adhere monitor train` wrote ({error})") from error
    return Classifier(weights, intercept, card, path.stem)


def sigmoid(logit: float) -> float:
    """1 / (1 + exp(-logit)), without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    grown = math.exp(logit) if logit > -700 else 0.0
    return grown / (1.0 + grown)
