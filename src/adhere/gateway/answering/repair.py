"""What to ask next, as data, when an answer did not meet its constraints. Nothing here asks a model: `exchange_runner`
does.

Rules
- A repair is one of two. `continue`: the safe beginning of the answer is prefilled, where the upstream can, and the
  model goes on from there. `again`: the model is asked anew. Either way the violated constraints are named, each with
  the reason that its check gave.
- The first repair goes on from the last safe place, at the end of a word; each further one from further back (a
  sentence, a line, what was released), since what leads up to a mistake often leads to it again.
- What the client has cannot be taken back: text that was released is never asked for again, and an answer to `again`
  that begins with it is taken to go on behind it.
- With `decompose` the constraints that failed are repaired one at a time, in the order and the words of
  `constraints.repair`. A repair that breaks what was met before is discarded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from adhere.constraints import repair
from adhere.gateway.answering.draft import Draft
from adhere.gateway.exchange import Message, Request, Text
from adhere.gateway.hooks import Checked, Handling
from adhere.gateway.upstream.client import Upstream

_WORD_END = re.compile(r"\s+(?=\S)")
_SENTENCE_END = re.compile(r"(?<=[.!?。])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Repair:
    """What to ask next. `prefix` is the safe beginning of the answer that the model is to go on from."""

    kind: Literal["continue", "again"]
    request: Request
    prefix: str = ""


def next_repair(
    draft: Draft, request: Request, handling: Handling, upstream: Upstream, step: int, delivered: str
) -> Repair | None:
    """The `step`-th repair (from 1) of `draft`; None where nothing would help.

    `delivered` is the text that the client has: no repair takes it back.
    """
    if draft.error is not None:
        return _after_error(draft, request, upstream, delivered)
    if draft.fault:
        return None if delivered else Repair("again", request)
    if handling.decompose:
        one = sorted(draft.broken, key=rank)[(step - 1) % len(draft.broken)]
        kept = [c for c in draft.checked if c.check is not None and c.check.met]
        return again(request, draft.text, "", (one,), kept)
    # what only its end violates is repaired by going on only under a mask: a model left to itself would end again
    can_go_on = upstream.prefill and (draft.guard.broken or upstream.constrained)
    if can_go_on and (step < handling.attempts or delivered):
        return go_on(request, draft.text, draft.guard.safe(), step, len(delivered), draft.broken)
    return again(request, draft.text, delivered, draft.broken)


def _after_error(draft: Draft, request: Request, upstream: Upstream, delivered: str) -> Repair | None:
    """The upstream gave no whole answer. Before its first piece the client has asked again already."""
    assert draft.error is not None
    if not draft.error.retry or not (draft.pieces or draft.calls):
        return None
    if upstream.prefill and draft.guard.text:
        return Repair("continue", request, draft.guard.text)
    return None if delivered else Repair("again", request)


def rank(checked: Checked) -> int:
    """The place of a constraint in the order of repairs."""
    return repair.rank(checked.asked.constraint.kind)


def failures(broken: Sequence[Checked]) -> list[tuple[str, str]]:
    """The violated constraints in a sentence each, with what was found."""
    return [(c.asked.described, c.check.reason if c.check else "") for c in broken]


def _asking(request: Request, line: str) -> Request:
    return request.with_messages((*request.messages, Message("user", (Text(line),))))


def cut_back(text: str, safe: int, step: int, floor: int) -> int:
    """Where the `step`-th repair (from 1) goes on: at or before `safe`, never before `floor` (what was released).

    White space at the end is left to the model, which writes it with the word that follows.
    """
    if step > 1:
        borders = [0, *(m.end() for m in _SENTENCE_END.finditer(text, 0, safe) if m.end() < safe)]
        end = borders[max(0, len(borders) - (step - 1))]
    elif safe < len(text) and safe and not text[safe - 1].isspace() and not text[safe].isspace():
        borders = [m.end() for m in _WORD_END.finditer(text, 0, safe)]
        end = borders[-1] if borders else 0
    else:
        end = safe
    return max(len(text[:end].rstrip()), floor)


def go_on(request: Request, text: str, safe: int, step: int, released: int, broken: Sequence[Checked]) -> Repair:
    """Going on from a safe place, by prefill."""
    prefix = text[: cut_back(text, safe, step, released)]
    line = (
        "Your answer to the request above did not meet these constraints:\n"
        f"{repair.named(failures(broken))}\n"
        "Give the answer to the request again so that all of them are met. Say nothing about this message."
    )
    return Repair("continue", _asking(request, line), prefix)


def again(
    request: Request, text: str, released: str, broken: Sequence[Checked], kept: Sequence[Checked] = ()
) -> Repair:
    """Asking anew, the violated constraints named and the judged text fenced.

    `kept` are constraints that are met and have to stay so, for repairs one at a time.
    """
    line = repair.rewriting(text, failures(broken), [c.asked.described for c in kept], delivered=released)
    return Repair("again", _asking(request, line), released)
