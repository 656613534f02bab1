"""Choosing the next token of every row: each by its own sampling, random numbers and guide.

For a sampled answer, striking out a refused token and drawing again is exact sampling from the distribution without the
refused tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from adhere.models.generation.requests import Opinion, Sampling, TokenLogprob

if TYPE_CHECKING:
    from adhere.models.generation.rows import Row

MOST_REFUSED = 400
"""Tokens that a guide may refuse at one place before the answer ends there: what it wants is not to be had."""
HEAD = 64
"""Likeliest tokens among which a draw is looked for before all are sorted."""


def choose(logits: torch.Tensor, rows: Sequence[Row]) -> list[int | None]:
    """The next token of each row, by its own sampling; None where the row's guide refuses all or ends it."""
    for k, row in enumerate(rows):
        if row.reason is None and row.request.guide is not None:
            allowed = row.request.guide.allowed(row.tokens, logits[k])
            if allowed is not None:
                logits[k, ~allowed.to(logits.device)] = -torch.inf
    chosen: list[int | None] = [*_draw(logits, rows)]
    for k, row in enumerate(rows):
        if row.reason is None and row.request.guide is not None:
            chosen[k] = _accepted(logits[k : k + 1], row, chosen[k])
    if any(row.request.sampling.logprobs is not None for row in rows):
        logs = logits.log_softmax(dim=-1)
        for k, row in enumerate(rows):
            token = chosen[k]
            if (most := row.request.sampling.logprobs) is not None and row.reason is None and token is not None:
                best = logs[k].topk(most) if most else None
                top = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True)) if best else ()
                row.logprobs.append(TokenLogprob(token, float(logs[k, token]), top))
    return chosen


def _draw(logits: torch.Tensor, rows: Sequence[Row]) -> list[int]:
    """A token for each row from `logits` [rows, vocabulary]."""
    chosen: list[int] = logits.argmax(dim=-1).tolist()
    sampled = [k for k, row in enumerate(rows) if row.request.sampling.temperature > 0]
    if sampled:
        heat = torch.tensor([rows[k].request.sampling.temperature for k in sampled], device=logits.device)
        drawn = _sampled(logits[sampled] / heat[:, None], [rows[k] for k in sampled])
        for k, token in zip(sampled, drawn, strict=True):
            chosen[k] = token
    return chosen


def _sampled(logits: torch.Tensor, rows: Sequence[Row]) -> list[int]:
    """A token for each row, the likeliest of `logits` [rows, vocabulary] standing first along the line from which one
    is drawn. Most draws fall among the first few: only the rest need all of it sorted."""
    draws = torch.tensor([row.uniform() for row in rows], device=logits.device, dtype=torch.float64)
    shares = logits.softmax(dim=-1)
    head, order = shares.topk(min(HEAD, shares.shape[1]))
    aims = draws * shares.double().sum(dim=-1)
    at = torch.searchsorted(head.double().cumsum(dim=-1), aims[:, None], right=True)[:, 0]
    within = (at < head.shape[1]).tolist()
    tokens: list[int] = order.gather(1, at.clamp(max=head.shape[1] - 1)[:, None])[:, 0].tolist()
    wanted = [row.request.sampling for row in rows]
    rest = [k for k, one in enumerate(wanted) if not within[k] or one.top_p < 1 or one.top_k is not None]
    if rest:
        for k, token in zip(rest, _from_all(logits[rest], draws[rest], [wanted[k] for k in rest]), strict=True):
            tokens[k] = token
    return tokens


def _from_all(logits: torch.Tensor, draws: torch.Tensor, wanted: Sequence[Sampling]) -> list[int]:
    """As `_sampled`, with all of the vocabulary sorted, and what `wanted` leaves out left out."""
    ordered, order = torch.sort(logits, dim=-1, descending=True)
    shares = ordered.softmax(dim=-1)
    for j, one in enumerate(wanted):
        if one.top_k is not None:
            shares[j, one.top_k :] = 0
    before = shares.cumsum(dim=-1) - shares
    kept = torch.tensor([one.top_p for one in wanted], device=logits.device)
    shares = shares.masked_fill(before > kept[:, None], 0)
    cumulative = shares.double().cumsum(dim=-1)
    at = torch.searchsorted(cumulative, (draws * cumulative[:, -1])[:, None], right=True)
    tokens: list[int] = order.gather(1, at.clamp(max=logits.shape[1] - 1))[:, 0].tolist()
    return tokens


def _accepted(logits: torch.Tensor, row: Row, token: int | None) -> int | None:
    """`token`, or the next choice from `logits` [1, vocabulary] that the row's guide accepts; None if there is none."""
    guide = row.request.guide
    assert guide is not None
    for _ in range(MOST_REFUSED):
        if token is None or not torch.isfinite(logits[0, token]):
            return None
        opinion = guide.judge(row.tokens, token)
        if opinion is not Opinion.REFUSE:
            return token if opinion is Opinion.ACCEPT else None
        logits[0, token] = -torch.inf
        if (struck := guide.struck(row.tokens, logits[0])) is not None:
            logits[0, struck.to(logits.device)] = -torch.inf
        token = _draw(logits, [row])[0]
    return None
