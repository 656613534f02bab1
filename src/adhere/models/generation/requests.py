"""Requests to a model, how tokens are chosen, who observes, and the resulting answer.

- A `Guide` says which tokens may come next and when to stop: constrained generation.
- A `Listener` is called with every token as it is chosen and may end the answer.
- A `Watcher` reads the residual stream while answers are written and may end them: saved probes at run time.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch

from adhere.models.forward.attention_scaling import Emphasis

Reason = Literal["end", "length", "stop", "guide", "watcher", "cancelled", "loop"]
"""Why an answer ended: the model's end token, the limit, a stop string, the guide (it said so, or refused every token),
a watcher, the listener, or that it had become a loop."""


class Opinion(enum.Enum):
    """A guide's decision on a token."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    """Another is to be chosen."""
    END = "end"
    """The answer is to end here, without it."""


class Guide(Protocol):
    """Steers one answer from outside: constrained generation.

    When memory runs out a batch is begun again: a guide that keeps state starts over where `tokens` got shorter.
    """

    def allowed(self, tokens: Sequence[int], logits: torch.Tensor) -> torch.Tensor | None:
        """Which tokens may follow the answer's `tokens`, as a bool tensor [vocabulary]; None for all of them.
        `logits` [vocabulary] are what the model itself gives them."""

    def judge(self, tokens: Sequence[int], token: int) -> Opinion:
        """Decide on `token`, which was chosen to follow."""

    def struck(self, tokens: Sequence[int], logits: torch.Tensor) -> torch.Tensor | None:
        """Tokens that are refused together with the one that `judge` just refused, as a bool tensor [vocabulary]; None
        for no others. `logits` [vocabulary] are without what was refused before."""

    def done(self, tokens: Sequence[int]) -> bool:
        """Whether the answer ends here."""


Listener = Callable[[int, int], bool]
"""Called with each token, as (place in the answer, token), including the end token; False ends the answer. A place may
be repeated if memory ran out and the answer was restarted."""


class Watcher(Protocol):
    """Reads the residual stream while answers are written."""

    layer: int
    """The block after which it reads; 0 is before the first."""

    def begin(self, rows: Sequence[int]) -> None:
        """These answers begin now; discard states read of them earlier, from a batch that was restarted."""

    def read(self, states: torch.Tensor, rows: Sequence[int]) -> Sequence[int]:
        """`states` [rows, width] at the newest token of each row (numbered as the requests); the rows to stop."""


@dataclass(frozen=True)
class Sampling:
    """How to choose tokens. Temperature 0 takes the likeliest."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int | None = None
    seed: int = 0
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    """How many alternatives to report beside each token chosen; None reports nothing."""


@dataclass(frozen=True)
class Request:
    tokens: tuple[int, ...]
    sampling: Sampling = Sampling()
    guide: Guide | None = None
    emphasis: Emphasis | None = None
    listener: Listener | None = None
    stop_loops: bool = False
    """Whether the answer ends where it has become a loop (`constraints.degeneration.is_loop`)."""


@dataclass(frozen=True)
class TokenLogprob:
    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Generation:
    """An answer. `tokens` holds the end token if one was written; `text` does not, nor the stop string."""

    tokens: tuple[int, ...]
    text: str
    reason: Reason
    prompt_tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()
