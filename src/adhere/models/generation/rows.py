"""An answer being written: its tokens so far, and why it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from adhere.constraints.degeneration import LOOP_LENGTH, is_loop
from adhere.models.generation.requests import Reason, Request, TokenLogprob

if TYPE_CHECKING:
    from adhere.models.load import OpenModel

LOOK_EVERY = 16
"""Tokens between two looks for a loop."""
TAIL = 1_500
"""Tokens of the end of an answer that are looked at for a loop."""


@dataclass
class Row:
    """An answer being written. `index` is the caller's."""

    index: int
    request: Request
    limit: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    reason: Reason | None = None
    cut: int | None = None
    """Characters of the text to keep, where a stop string cut it."""
    random: np.random.Generator | None = None

    def uniform(self) -> float:
        """The next random number in [0, 1)."""
        if self.random is None:
            self.random = np.random.Generator(np.random.Philox(key=self.request.sampling.seed % 2**64))
        return float(self.random.random())

    def __len__(self) -> int:
        """Tokens of prompt and answer."""
        return len(self.request.tokens) + len(self.tokens)


def append(opened: OpenModel, row: Row, token: int | None) -> None:
    """Add the token chosen, or None where the row's guide ended it, and see whether the answer ends with it."""
    if token is None:
        row.reason = "guide"
        return
    row.tokens.append(token)
    heard = row.request.listener is None or row.request.listener(len(row.tokens) - 1, token)
    if token in opened.end_ids:
        row.reason = "end"
    elif (cut := _stopped(opened, row)) is not None:
        row.reason, row.cut = "stop", cut
    elif not heard:
        row.reason = "cancelled"
    elif row.request.guide is not None and row.request.guide.done(row.tokens):
        row.reason = "guide"
    elif len(row.tokens) >= row.limit:
        row.reason = "length"
    elif row.request.stop_loops and len(row.tokens) % LOOK_EVERY == 0 and _loops(opened, row):
        row.reason = "loop"


def _stopped(opened: OpenModel, row: Row) -> int | None:
    """Where a stop string begins that the newest token completed."""
    stops = row.request.sampling.stop
    if not stops:
        return None
    # Every token brings a byte or more, or is special and brings none: the last tokens are looked at first.
    end = decoded(opened, row.tokens[-(max(len(stop.encode()) for stop in stops) + 8) :])
    if not any(stop in end for stop in stops):
        return None
    text = decoded(opened, row.tokens)
    return min((at for stop in stops if (at := text.find(stop)) >= 0), default=None)


def _loops(opened: OpenModel, row: Row) -> bool:
    if len(row.tokens) * 16 < LOOP_LENGTH:
        return False
    return is_loop(decoded(opened, row.tokens[-TAIL:]))


def decoded(opened: OpenModel, tokens: Sequence[int]) -> str:
    """The text of `tokens`, without special ones."""
    return str(opened.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))
