"""Where a text or value comes from, and what that lets it decide.

Rules
- Every text and value has one source; sources are totally ordered by authority:
  principal > operator > user > model > memory > tool > external.
- Joining values takes the lowest of their sources. Nothing raises a source: not quoting, not summarising, not a
  model's own reasoning over it, not writing it to memory and reading it back.
- What comes from tools, memory and strangers is data. It may fill an argument; it never grants a permission,
  never is an instruction and never approves.
- A value whose source nobody stated is external.

The seven sources of goals that Herd names for agents built on language models ("Seven sources of goals in LLM
agents", 2025) are this lattice seen from the agent's side:

    base training, fine-tuning            MODEL      dispositions of the weights: no authority of their own
    developer's system prompt             OPERATOR
    user's prompt                         USER
    prompt injection                      TOOL, EXTERNAL (the text keeps the source it arrived by)
    chain of thought                      the lowest of what was read, at most MODEL
    reinterpretation by continued learning   MEMORY, and lower where the lineage is lower

PRINCIPAL is what none of the seven reaches: a statement whose signatures the charter's quorum verifies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from adhere.warden.canonical import Refused, digest, dumps


class Source(IntEnum):
    """Who a value speaks for; a larger number has more authority."""

    EXTERNAL = 0
    TOOL = 1
    MEMORY = 2
    MODEL = 3
    USER = 4
    OPERATOR = 5
    PRINCIPAL = 6

    @property
    def may_instruct(self) -> bool:
        """Whether text from here can ask for anything at all; below this it is data."""
        return self >= Source.USER


def source(name: str | Source) -> Source:
    """The source called `name`.

    Raises:
        Refused: there is none.
    """
    if isinstance(name, Source):
        return name
    try:
        return Source[name.upper()]
    except KeyError:
        known = ", ".join(s.name.lower() for s in reversed(Source))
        raise Refused("source", f"no source is called {name!r}; there are: {known}") from None


def join(sources: Iterable[Source]) -> Source:
    """The lowest of `sources`; of none, the lowest there is."""
    return min(sources, default=Source.EXTERNAL)


@dataclass(frozen=True)
class Labelled:
    """A value with its source. Build new ones with `combine`, so that no label is lost on the way."""

    value: Any
    source: Source = Source.EXTERNAL

    def combine(self, value: Any, *others: Labelled) -> Labelled:
        """`value`, made from this and `others`: it has the lowest of their sources."""
        return Labelled(value, join([self.source, *(other.source for other in others)]))


class Memory:
    """A store that gives back what was put in with the lowest source of its lineage, and never a higher one.

    Restoring information never restores authority: what comes out is at most MEMORY. Writing under a key
    that was written before keeps the lower of both sources, so that a poisoned entry cannot be washed by
    writing over it.
    """

    def __init__(self) -> None:
        self._held: dict[str, Labelled] = {}

    def write(self, key: str, *parts: Labelled, value: Any = None) -> Labelled:
        """Keep `value` (by default the only part's own) under `key`, with the lineage `parts`."""
        if value is None and len(parts) == 1:
            value = parts[0].value
        before = [self._held[key].source] if key in self._held else []
        kept = Labelled(value, min(join(part.source for part in parts), Source.MEMORY, *before))
        self._held[key] = kept
        return kept

    def read(self, key: str) -> Labelled:
        """What is kept under `key`.

        Raises:
            KeyError: nothing is.
        """
        return self._held[key]

    def digest(self) -> str:
        """Digest of everything kept, for the ledger: values and labels."""
        return digest(dumps({k: [v.value, v.source.name] for k, v in self._held.items()}))
