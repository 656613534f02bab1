"""Long conversations in a short context window: the beginning stays, the oldest exchanges are dropped.

Rules:
- The system prompt stays. What falls out is the oldest exchange, question and answer together, as in any application
  with a window; how many fell out is told.
- A provider that has no room says so (`model_length`) and is asked again with less. One that refuses a conversation
  of one exchange is believed.
- Every request has a seed of its own, made from what it is: a second sample of the same prompt is a fresh one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageSystem, ChatMessageUser, GenerateConfig

if TYPE_CHECKING:
    from inspect_ai.model import Model, ModelOutput


class Talk:
    """A conversation that goes on; `probe` asks aside, and what was asked aside is not remembered."""

    def __init__(
        self,
        model: Model,
        name: str,
        system: str = "",
        *,
        most_tokens: int = 200,
        kept: int = 0,
        temperature: float | None = None,
    ) -> None:
        """
        Args:
            model: who is talked to.
            name: makes the seeds.
            system: the system prompt; none where empty.
            most_tokens: of an answer.
            kept: exchanges at the beginning that never fall out.
            temperature: of sampling; None leaves it to the run.
        """
        self._model = model
        self._name = name
        self._most = most_tokens
        self._head: list[ChatMessage] = [ChatMessageSystem(content=system)] if system else []
        self._kept = kept
        self._temperature = temperature
        self.turns: list[tuple[str, str]] = []
        """What was said and answered, all of it."""
        self.fallen = 0
        """Exchanges that fell out of the window."""

    async def say(self, text: str) -> str:
        """Say `text`, remember it and the answer."""
        output = await self._ask(text, f"turn {len(self.turns)}", remember=True)
        self.turns.append((text, output.completion))
        return output.completion

    async def probe(self, text: str, name: str, *, fresh: bool = False) -> str:
        """The answer to `text` now, or, if `fresh`, at the beginning; neither is remembered."""
        output = await self._ask(text, f"probe {name} {len(self.turns)} {fresh}", fresh=fresh)
        return output.completion

    async def _ask(self, text: str, name: str, *, fresh: bool = False, remember: bool = False) -> ModelOutput:
        config = GenerateConfig(seed=self._seed(name), max_tokens=self._most, temperature=self._temperature)
        turns = [] if fresh else [*self.turns[: self._kept], *self.turns[self._kept + self.fallen :]]
        output = await self._model.generate([*self._messages(turns), ChatMessageUser(content=text)], config=config)
        fell = 0
        while output.stop_reason == "model_length" and not output.completion and len(turns) > self._kept:
            del turns[self._kept]
            fell += 1
            output = await self._model.generate([*self._messages(turns), ChatMessageUser(content=text)], config=config)
        if remember:
            self.fallen += fell
        return output

    def _messages(self, turns: Sequence[tuple[str, str]]) -> list[ChatMessage]:
        window = [*self._head]
        for said, answered in turns:
            window += [ChatMessageUser(content=said), ChatMessageAssistant(content=answered)]
        return window

    def _seed(self, name: str) -> int:
        digest = hashlib.blake2b(f"{self._name} {name}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big") >> 1
