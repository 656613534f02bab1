"""A model of ours for the tests: it answers from a table, and remembers what it was asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from inspect_ai.model import GenerateConfig, Model, ModelOutput, ModelUsage, get_model

from adhere.measure.sustain.problem_sets import Material
from adhere.problems import Problem

Reply = Callable[["Asked"], str | ModelOutput]


class Asked:
    """One request: the problem it is about, the whole text, the user's text, the configuration."""

    def __init__(self, problem: Problem | None, system: str, prompt: str, config: GenerateConfig) -> None:
        self.problem, self.system, self.prompt, self.config = problem, system, prompt, config

    @property
    def plain(self) -> bool:
        """Whether nothing stands around the problem."""
        return self.problem is not None and not self.system and self.prompt == self.problem.prompt


def right(problem: Problem | None) -> str:
    """An answer that solves the problem."""
    assert problem is not None
    if problem.domain == "code":
        return problem.reference
    return f"We look at it again and again. The answer is {problem.reference}."


def about(prompt: str, problems: list[Problem]) -> Problem | None:
    """The problem that a prompt is about, however it is worded: most of its words are there."""

    def share(problem: Problem) -> float:
        words = set(re.findall(r"\w+", problem.prompt))
        return len(words & set(re.findall(r"\w+", prompt))) / len(words)

    found = max(problems, key=share, default=None)
    return found if found is not None and share(found) > 0.9 else None


def mock(material: tuple[Material, ...], reply: Reply) -> tuple[Model, list[Asked]]:
    """A model that answers with `reply`, and the list of what it is asked."""
    problems = [problem for one in material for problem in one.problems]
    asked: list[Asked] = []

    def answer(messages: list[Any], _tools: Any, _choice: Any, config: GenerateConfig) -> ModelOutput:
        system = next((message.text for message in messages if message.role == "system"), "")
        prompt = messages[-1].text
        asked.append(Asked(about(prompt, problems), system, prompt, config))
        said = reply(asked[-1])
        output = said if isinstance(said, ModelOutput) else ModelOutput.from_content("mock", said)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    return get_model("mockllm/model", custom_outputs=answer, memoize=False), asked
