"""The prompts that a SustainScore run over saved responses still needs answered."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.core.extras import naming_extras
from adhere.core.files import write_text
from adhere.measure.sustain import arms as laid

if TYPE_CHECKING:
    from adhere.measure.sustain.outcome import Exclusion


@dataclass(frozen=True)
class PromptsToAnswer:
    """What to ask next.

    Attributes:
        prompts: a row for each prompt; `response` is None where it is still to be answered.
        left_out: prompts that cannot be asked, and why.
        solved, asked: base answers that are right, and all of them.
    """

    prompts: tuple[dict[str, Any], ...]
    left_out: tuple[Exclusion, ...]
    solved: int
    asked: int

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the rows as JSON lines.

        Raises:
            UserError: the file cannot be written.
        """
        write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.prompts))

    def lines(self, path: Path) -> list[str]:
        """What to do next, in lines for a person."""
        open_ = sum(row["response"] is None for row in self.prompts)
        lines = [f"{self.solved} of {self.asked} problems solved; {open_} prompts to be answered in {path}."]
        for why, places in Counter(one.why for one in self.left_out).items():
            total = sum(one.count for one in self.left_out if one.why == why)
            lines.append(f"left out, {why}: {total} in {places} places")
        lines.append(f'Fill in each "response" that is null, then: adhere sustain --from-responses {path}')
        return lines


def prompts_to_answer(
    responses: str | os.PathLike[str],
    *,
    data: str | None = None,
    arms: str = "all",
    constraints: tuple[int, ...] = laid.LADDER,
    seed: int = 0,
) -> PromptsToAnswer:
    """The prompts of every arm for the problems that `responses` solve.

    Args:
        responses: base answers, and whatever else is answered already.
        data, arms, constraints, seed: as `sustain`.

    Raises:
        UserError: the responses or the data cannot be read, or an arm of that name does not exist.
    """
    with naming_extras():
        from adhere.measure.sustain import saved

        answers = saved.read(Path(responses), data)
        conditions = laid.plan(laid.parse_arms(arms, attends=False), constraints)
        rows, left_out = saved.plan(answers, conditions, seed)
    base = [outcome for outcome in answers.outcomes if outcome.arm == "base"]
    return PromptsToAnswer(tuple(rows), tuple(left_out), sum(bool(one.correct) for one in base), len(base))
