"""Answers to a list of requests: a flight that is kept full until all are answered.

Rules:

- Requests are sorted by the length of their prompts. Those that wait join when others end, several at a time: while the
  model reads prompts, no answer gets a token.
- Running out of memory halves the rows and begins those under way again, with the same seeds; only a single row that
  does not fit is an error.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from adhere.core.errors import UserError
from adhere.models.generation.flight import Flight
from adhere.models.generation.requests import (
    Generation,
    Guide,
    Listener,
    Opinion,
    Reason,
    Request,
    Sampling,
    TokenLogprob,
    Watcher,
)

if TYPE_CHECKING:
    from adhere.models.load import OpenModel

__all__ = [
    "Generation",
    "Guide",
    "Listener",
    "Opinion",
    "Reason",
    "Request",
    "Sampling",
    "TokenLogprob",
    "Watcher",
    "generate",
    "require_room",
]

JOINING = 8
"""One place in so many must be free before waiting requests join."""


def generate(
    opened: OpenModel,
    requests: Sequence[Request],
    *,
    batch: int = 64,
    watchers: Sequence[Watcher] = (),
    progress: Callable[[int], None] | None = None,
) -> list[Generation]:
    """Answers to `requests`, in their order.

    Args:
        opened: the model.
        requests: any number.
        batch: rows at once.
        watchers: readers of the residual stream, over all requests.
        progress: called with the number of answers finished, as they finish.

    Raises:
        UserError: a prompt leaves no room for an answer, or one row alone runs out of memory.
    """
    for number, request in enumerate(requests):
        require_room(opened, request, f"prompt {number + 1}")
    waiting = sorted(range(len(requests)), key=lambda i: len(requests[i].tokens))
    answers: dict[int, Generation] = {}
    while waiting:
        flight = Flight(opened, batch, watchers)
        try:
            for number, answer in _fly(flight, requests, waiting):
                answers[number] = answer
                if progress:
                    progress(1)
        except torch.OutOfMemoryError:
            if flight.capacity == 1:
                raise UserError(f"{opened.name} runs out of memory on a single prompt; shorten it") from None
        waiting = [number for number in waiting if number not in answers]
        if waiting:
            rows = min(flight.capacity, len(waiting) + 1)
            batch = max(1, rows // 2)
            warnings.warn(f"out of memory with {rows} rows: going on with {batch}", stacklevel=2)
    return [answers[i] for i in range(len(requests))]


def require_room(opened: OpenModel, request: Request, what: str = "the prompt") -> None:
    """Raises: UserError: the prompt leaves no room for an answer."""
    if len(request.tokens) >= opened.context:
        raise UserError(f"{what} has {len(request.tokens)} tokens and {opened.name} reads {opened.context} at most")


def _fly(flight: Flight, requests: Sequence[Request], order: Sequence[int]) -> Iterator[tuple[int, Generation]]:
    """Fly until all are answered; each answer as it ends."""
    waiting = list(reversed(order))
    with flight:
        while waiting or flight.rows:
            count = min(flight.room, len(waiting))
            if count and (not flight.rows or flight.room * JOINING >= flight.capacity):
                joining = [waiting.pop() for _ in range(count)]
                flight.admit([(number, requests[number]) for number in joining])
            for row in flight.step():
                yield row.index, flight.finish(row)
