"""Where an act of an agent comes from, said explicitly instead of guessed.

    with acting_for(Source.MODEL):            # a plan that was made before anything was read
        await execute_tools(...)

    mark(message, Source.TOOL)                # a message that carries somebody's words

Rules

- Within `acting_for` the sources are those that are named, and nothing is guessed. Code says this, never a model.
- Elsewhere every message of the conversation counts: by its mark, else by its role. A tool's message is TOOL, unless
  the tool only confirms what it did (`receipts`); everything else is MODEL, because a model wrote the call.
- A conversation that begins afresh within a sample (a sub-agent) inherits the lowest source of everything that the
  sample's agents have read before: a fresh context launders nothing.
- Nothing here raises a source above MODEL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from adhere.warden.acts.conditions import wildcard
from adhere.warden.acts.sources import Source, join, source

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage

MARK = "adhere_source"
"""Key of a message's metadata under which its source stands."""
_acting: ContextVar[tuple[Source, ...] | None] = ContextVar("adhere_acting_for", default=None)


@contextmanager
def acting_for(*sources: Source | str) -> Iterator[None]:
    """Within this, acts have exactly these sources, and MODEL."""
    token = _acting.set((Source.MODEL, *(source(one) for one in sources)))
    try:
        yield
    finally:
        _acting.reset(token)


def declared() -> tuple[Source, ...] | None:
    """The sources that `acting_for` names here; None outside it."""
    return _acting.get()


def mark(message: ChatMessage, origin: Source) -> ChatMessage:
    """The message, marked as carrying the words of `origin`."""
    return message.model_copy(update={"metadata": {**(message.metadata or {}), MARK: origin.name.lower()}})


def sources_of(history: Sequence[ChatMessage], receipts: Iterable[str] = ()) -> tuple[Source, ...]:
    """The sources of a call that is made after `history`; `receipts` are patterns of tools that only confirm."""
    patterns = tuple(receipts)
    found = {Source.MODEL}
    for message in history:
        label = (message.metadata or {}).get(MARK)
        if label is not None:
            found.add(_marked(label))
        elif message.role == "tool":
            found.add(Source.MODEL if matches(message.function or "", patterns) else Source.TOOL)
    return tuple(sorted({min(one, Source.MODEL) for one in found}, reverse=True))


def matches(tool: str, patterns: Iterable[str]) -> bool:
    """Whether one of `patterns` is about `tool`."""
    return any(wildcard(one, tool) for one in patterns)


def _marked(label: object) -> Source:
    """The source that a mark names; a mark that cannot be read is external."""
    try:
        return Source[str(label).upper()]
    except KeyError:
        return Source.EXTERNAL


def lowest(sources: Iterable[Source]) -> Source:
    """The lowest of `sources`, at most MODEL."""
    return min(join(sources), Source.MODEL)
