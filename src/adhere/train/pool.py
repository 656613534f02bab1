"""Pools: prompts with sampled answers, each checked. What is kept, and which answers make pairs.

- An answer passes where its constraints pay in full and its problem, if there is one, is solved.
- `kept` are the passing answers of prompts of useful difficulty (rejection sampling), each text once for a prompt.
- `pairs` put a passing answer beside a failing one of the same prompt, the k-th passing with the k-th failing: no
  answer stands in two pairs. Of several orders the one nearest in length is not sought: lengths are reported instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adhere.constraints.reasoning import answer
from adhere.core.errors import UserError
from adhere.problems.grading import grade_all
from adhere.train.hygiene import DIFFICULTY, of_use
from adhere.train.reward import Reward
from adhere.train.rows import PromptRow, row_from_json


@dataclass(frozen=True)
class CheckedAnswer:
    """One sampled answer.

    Attributes:
        text: as it was written.
        tokens: its number of tokens; 0 where the engine does not say.
        reward: of the constraints, from 0 to 1; 1 where the row has none.
        solved: whether the problem is solved; None where there is none or it could not be decided.
        reason: why the reward is what it is.
    """

    text: str
    tokens: int
    reward: float
    solved: bool | None
    reason: str

    @property
    def passes(self) -> bool:
        """Whether it earns in full."""
        return self.reward == 1.0 and self.solved is not False


@dataclass(frozen=True)
class SampledPrompt:
    """A row with its sampled answers."""

    row: PromptRow
    answers: tuple[CheckedAnswer, ...]

    @property
    def share(self) -> float:
        """Share of the answers that pass: the prompt's difficulty, 1 is easiest."""
        return sum(one.passes for one in self.answers) / len(self.answers)

    def to_json(self) -> dict[str, Any]:
        """The prompt with its answers as a JSON object."""
        answers = [
            {"text": one.text, "tokens": one.tokens, "reward": one.reward, "solved": one.solved, "reason": one.reason}
            for one in self.answers
        ]
        return {**self.row.to_json(), "share": self.share, "answers": answers}


def sampled_from_json(record: Mapping[str, Any]) -> SampledPrompt:
    """What `SampledPrompt.to_json` wrote.

    Raises:
        UserError: it is malformed.
    """
    try:
        answers = tuple(
            CheckedAnswer(one["text"], int(one["tokens"]), float(one["reward"]), one["solved"], one["reason"])
            for one in record["answers"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"not a sampled prompt ({type(error).__name__}: {error})") from None
    if not answers:
        raise UserError("a sampled prompt has no answers")
    return SampledPrompt(row_from_json(record), answers)


def check_answers(
    rows: Sequence[PromptRow], answers: Sequence[Sequence[tuple[str, int]]], reward: Reward
) -> list[SampledPrompt]:
    """Check `answers[i]`, pairs of text and tokens, against `rows[i]`.

    Raises:
        BrokenCheckError: a check ended with an error.
    """
    flat = [
        (row, text) for row, texts in zip(rows, answers, strict=True) for text, _ in texts if row.problem is not None
    ]
    problems = [row.problem for row, _ in flat if row.problem is not None]
    grades = iter(grade_all(problems, [answer(text).text for _, text in flat]))
    sampled = []
    for row, texts in zip(rows, answers, strict=True):
        checked = []
        for text, tokens in texts:
            solved = next(grades).correct if row.problem is not None else None
            if row.constraints:
                scored = reward.score(text, row.constraints, row.text)
                checked.append(CheckedAnswer(text, tokens, scored.value, solved, scored.reason))
            else:
                checked.append(CheckedAnswer(text, tokens, 1.0, solved, ""))
        sampled.append(SampledPrompt(row, tuple(checked)))
    return sampled


def kept(
    pool: Iterable[SampledPrompt], difficulty: tuple[float, float] = DIFFICULTY
) -> Iterator[tuple[PromptRow, CheckedAnswer]]:
    """The passing answers of prompts of useful difficulty, each text once for a prompt."""
    for prompt in pool:
        if of_use(prompt.share, difficulty):
            texts: set[str] = set()
            for one in prompt.answers:
                if one.passes and one.text not in texts:
                    texts.add(one.text)
                    yield prompt.row, one


def pairs(pool: Iterable[SampledPrompt]) -> Iterator[tuple[PromptRow, CheckedAnswer, CheckedAnswer]]:
    """(row, preferred, rejected), made from verdicts."""
    for prompt in pool:
        passing = _once(one for one in prompt.answers if one.passes)
        failing = _once(one for one in prompt.answers if not one.passes)
        for preferred, rejected in zip(passing, failing, strict=False):
            yield prompt.row, preferred, rejected


def _once(answers: Iterable[CheckedAnswer]) -> list[CheckedAnswer]:
    return list({one.text: one for one in answers}.values())
