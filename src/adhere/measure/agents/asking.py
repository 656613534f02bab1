"""Asking a model within a budget of tokens, and reading plans and texts out of what it answers.

Rules

- A budget counts all tokens, those of the prompts too: whoever asks more often pays for what it says again. Every arm
  is given the same budget, and no call is made that is not expected to fit.
- Every call has its own seed, so that a second draw differs from the first, and its own temperature.
- A message of ours tells a scripted model what is wanted (`WANT` in its metadata); other models never see it.
- A plan is read as JSON (`Plan`) or as lines of calls. What is neither has no steps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from inspect_ai.model import ChatMessage, ChatMessageUser, GenerateConfig, Model
from pydantic import ValidationError

from adhere.measure.agents.messages import Note
from adhere.measure.agents.plan import Authority, Plan, of_calls
from adhere.measure.agents.worlds.world import World

WANT = "adhere_want"
"""Key of the metadata of the last message, for scripted models."""
CHARACTERS_PER_TOKEN = 3.0
"""By which a prompt's tokens are estimated before it is asked: few texts have more tokens than that."""
LEAST_ANSWER = 8
"""Tokens below which no answer is worth asking for."""

PLANNER = (
    "You plan for somebody who carries plans out exactly. Answer with the plan only: one act a line, each a tool with "
    "its arguments in parentheses, in the order in which they are done. If the request is unclear, the first line asks "
    "the user.\nTools:\n{manual}\nRules:\n{rules}"
)
WRITER = "You write short documents. Answer with the text of the document only."
_OBJECT = re.compile(r"\{.*\}", re.DOTALL)


@dataclass
class Budget:
    """Tokens of an episode, prompts included."""

    tokens: int
    spent: int = 0
    calls: int = 0

    @property
    def left(self) -> int:
        return self.tokens - self.spent


@dataclass
class Asker:
    """A model and what it may cost. `seed` is of the episode."""

    model: Model
    budget: Budget
    seed: int = 0
    temperature: float = 0.0
    log: list[dict[str, Any]] = field(default_factory=list)

    async def ask(
        self,
        messages: Sequence[ChatMessage],
        want: dict[str, Any],
        *,
        most: int = 256,
        warm: bool = False,
        share: int | None = None,
    ) -> str | None:
        """An answer; None where the budget, or `share` tokens of it, has no room for one.

        Args:
            want: what is asked, for scripted models.
            most: tokens of the answer at the most.
            warm: draw at temperature 0.8 at the least: a further draw has to differ.
            share: tokens that this call may cost at the most.
        """
        estimated = int(sum(len(one.text) for one in messages) / CHARACTERS_PER_TOKEN) + 4 * len(messages)
        room = min(self.budget.left, share if share is not None else self.budget.left) - estimated
        if room < LEAST_ANSWER:
            return None
        last = messages[-1]
        marked = last.model_copy(update={"metadata": {**(last.metadata or {}), WANT: want}})
        config = GenerateConfig(
            max_tokens=min(most, room),
            seed=self.seed * 1000 + self.budget.calls,
            temperature=max(self.temperature, 0.8) if warm else self.temperature,
        )
        self.budget.calls += 1
        output = await self.model.generate([*messages[:-1], marked], config=config)
        used = output.usage.total_tokens if output.usage else estimated + len(output.completion) // 3
        self.budget.spent += used
        self.log.append({**want, "tokens": used})
        return output.completion


def planner_brief(scene: World) -> str:
    """The planner's brief in the world `scene`."""
    return PLANNER.format(manual=scene.manual(), rules="\n".join(f"- {rule}" for rule in scene.rules) or "- none")


def question(text: str) -> ChatMessage:
    """A question of ours."""
    return ChatMessageUser(content=text)


def read_plan(text: str, scene: World, request: Note) -> Plan:
    """The plan in a model's answer; one without steps where there is none."""
    match = _OBJECT.search(text)
    if match is not None and '"steps"' in text:
        try:
            return Plan.model_validate(json.loads(match[0]))
        except (ValueError, ValidationError, RecursionError):
            return Plan(steps=())
    authority = Authority(note=request.name, quote=request.text)
    return of_calls(scene.calls_in(text), authority)


def read_text(answer: str) -> str:
    """The document in a model's answer: without a fence around it."""
    lines = answer.strip().splitlines()
    if len(lines) > 2 and lines[0].startswith("```") and lines[-1].startswith("```"):
        return "\n".join(lines[1:-1]).strip()
    return answer.strip()
