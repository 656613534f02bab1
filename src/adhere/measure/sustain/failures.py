"""Failure patterns: for each answer that is wrong where base was right, one pattern, found by rules.

The first rule that applies names the pattern:

    truncated   the answer ended because its tokens ran out, or within its reasoning
    loop        it goes round in circles
    form        the answer is not given in a readable form: none could be read, or the right one stands inside what was
                read, among other words
    bent        every constraint is met, and would not be if base's answer stood in the place of the one that was given:
                the answer was bent to please the constraint
    broken      a constraint is broken as well
    step        the way to the answer parts from base's at step n: the first intermediate result that differs (math),
                the first hop that is not named (multi-hop), the first test that does not pass (code)
    answer      the way is base's, or comes to the right value, and another answer is stated at its end
    open        no rule can tell; a judge may (`judged`)

Rules:

- A lost answer is compared with the base answer of the same problem and epoch, never with the reference solution: what
  base did was a way that works for this model.
- The control's lost answers get the same patterns, by the same rules, against the constraints of the condition that
  they are the control of. What a constraint does is the difference to control, paired by problem.
- `step` is counted from 1, and kept where another rule came first.
- In math the step rule compares results, not words; a way that reaches the right value is `answer`, whatever its order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal, get_args

from adhere.constraints.constraint import Constraint
from adhere.measure.sustain.outcome import ArmOutcome
from adhere.measure.sustain.selection import BaseTrial, Condition
from adhere.problems.mathematics import same_value
from adhere.problems.multihop import normalise
from adhere.problems.problem import first_difference

Pattern = Literal["truncated", "loop", "form", "bent", "broken", "step", "answer", "open"]
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)

NAMES: dict[Pattern, str] = {
    "truncated": "truncated",
    "loop": "in a loop",
    "form": "not in a readable form",
    "bent": "bent to the constraint",
    "broken": "constraint broken as well",
    "step": "reasoning changed",
    "answer": "only the answer changed",
    "open": "open",
}
"""For people."""

_PIECE = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Failure:
    """A lost answer and why.

    Attributes:
        base, lost: the two outcomes.
        condition: under which it was lost; for a control, the condition it is the control of.
        pattern: the first rule that applies.
        step: the step at which the way parts from base's, from 1; None where it does not or cannot be told.
        why: one line.
        judged: a judge decided it, not a rule.
    """

    base: ArmOutcome
    lost: ArmOutcome
    condition: Condition
    pattern: Pattern
    step: int | None
    why: str
    judged: bool = False

    @property
    def control(self) -> bool:
        """Whether the control lost it."""
        return self.lost.arm == "control"


@dataclass(frozen=True, slots=True)
class Pair:
    """An outcome under a condition beside its control: how each of the two was lost, None where it was not."""

    problem: str
    domain: str
    condition: Condition
    under: Failure | None
    control: Failure | None


def pairs(trials: Iterable[BaseTrial], condition: Condition) -> list[Pair]:
    """The outcomes under `condition`, each beside its control; those where both are decided, as in the interference."""
    failures = []
    for trial in trials:
        control = trial.control
        if control is None or control.correct is None:
            continue
        for under in trial.of(condition):
            if under.correct is not None:
                here, there = (
                    None if one.correct else failure(trial.base, one, condition, under.constraints)
                    for one in (under, control)
                )
                failures.append(Pair(trial.problem, trial.domain, condition, here, there))
    return failures


def failure(base: ArmOutcome, lost: ArmOutcome, condition: Condition, constraints: Sequence[Constraint]) -> Failure:
    """Why `lost` is wrong where `base` was right, `constraints` being those of the condition."""
    step = parting(base, lost)
    pattern, why = _pattern(base, lost, constraints, step)
    return Failure(base, lost, condition, pattern, step, why)


def _pattern(
    base: ArmOutcome, lost: ArmOutcome, constraints: Sequence[Constraint], step: int | None
) -> tuple[Pattern, str]:
    if lost.truncated:
        return "truncated", "the answer ended before it was finished"
    if lost.loop:
        return "loop", "the answer repeats itself until its end"
    if not lost.readable or lost.read is None:
        return "form", lost.grade.reason
    if _inside(base, lost):
        return "form", f"the right answer stands among other words: {_cut(lost.read)}"
    broken = [constraint for constraint in constraints if not constraint.check(lost.answer).met]
    if constraints and not broken:
        instead = swapped(lost, base.read or "")
        would = [constraint for constraint in constraints if instead and not constraint.check(instead).met]
        if would:
            return "bent", f"with base's answer in its place it would not meet: {would[0].describe()}"
    if broken:
        return "broken", f"not met: {broken[0].describe()}"
    if lost.domain == "math" and _arrives(lost):
        return "answer", f"the way comes to {lost.reference}, the answer is given as {_cut(lost.read)}"
    if step is not None:
        return "step", _parted(base, lost, step)
    if lost.grade.steps and any(one.ok or one.value for one in lost.grade.steps):
        return "answer", f"the way is the same, the answer is given as {_cut(lost.read)}"
    return "open", f"no way to the answer is shown, only {_cut(lost.read)}"


def parting(base: ArmOutcome, lost: ArmOutcome) -> int | None:
    """The step, from 1, at which the lost answer's way parts from base's; None where it does not or shows no way."""
    before, after = base.grade.steps, lost.grade.steps
    if lost.domain == "code":
        return next((index for index, step in enumerate(after, 1) if step.ok is not True), None)
    if lost.domain == "multihop":
        first = lost.grade.first_failed
        return None if first is None else first + 1
    if not before or not after:
        return None
    at = first_difference(base.grade, lost.grade)
    return None if at is None else at + 1


def _parted(base: ArmOutcome, lost: ArmOutcome, step: int) -> str:
    before = base.grade.steps[step - 1].text if step <= len(base.grade.steps) else None
    after = lost.grade.steps[step - 1].text if step <= len(lost.grade.steps) else None
    if lost.domain == "code":
        return f"test {step} does not pass: {_cut(after or '')}"
    if lost.domain == "multihop":
        return f"hop {step} is not taken: {_cut(after or '')}"
    if after is None:
        return f"the way ends before step {step}: {_cut(before or '')}"
    if before is None:
        return f"the way goes on after its end, with step {step}: {_cut(after)}"
    return f"step {step} was {_cut(before)} and is {_cut(after)}"


def _arrives(lost: ArmOutcome) -> bool:
    """Whether the last intermediate result is the right answer."""
    steps = [step for step in lost.grade.steps if step.value is not None]
    return bool(steps) and same_value(lost.reference, steps[-1].value or "")


def _inside(base: ArmOutcome, lost: ArmOutcome) -> bool:
    """Whether what was read holds base's answer and more words: right, but not in a form that a program can take.

    Of a number, other words must stand around it, no other numbers: "7 apples left" holds 7, "17" and "7 or 8" do not.
    """
    if lost.domain == "code" or lost.read is None or not base.read:
        return False
    right, given = normalise(base.read), normalise(lost.read)
    if not right or right == given or f" {right} " not in f" {given} ":
        return False
    rest = f" {given} ".replace(f" {right} ", " ", 1)
    return not (lost.domain == "math" and any(character.isdigit() for character in rest))


def swapped(lost: ArmOutcome, answer: str) -> str | None:
    """The lost answer's text with `answer` where it states its own: the last place of that. None if nowhere."""
    if not lost.read or not answer:
        return None
    at = lost.answer.rfind(lost.read)
    return None if at < 0 else lost.answer[:at] + answer + lost.answer[at + len(lost.read) :]


def _cut(text: str, most: int = 80) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


Pieces = tuple[tuple[str, bool], ...]
"""Text in order, each stretch with whether it is marked."""


def marked(before: str, after: str) -> tuple[Pieces, Pieces]:
    """Both texts whole, in pieces, with what only one of them has marked (difflib, by words)."""
    left, right = _PIECE.findall(before), _PIECE.findall(after)
    one: list[tuple[str, bool]] = []
    other: list[tuple[str, bool]] = []
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        one += [("".join(left[a:b]), tag != "equal")] if b > a else []
        other += [("".join(right[c:d]), tag != "equal")] if d > c else []
    return _joined(one), _joined(other)


def _joined(pieces: Iterable[tuple[str, bool]]) -> Pieces:
    """Neighbours of a kind made one; white space alone is never marked."""
    return tuple(_merge((text, mark and not text.isspace()) for text, mark in pieces))


def _merge(pieces: Iterable[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    held: tuple[str, bool] | None = None
    for text, mark in pieces:
        if held is not None and held[1] == mark:
            held = held[0] + text, mark
        else:
            if held is not None:
                yield held
            held = text, mark
    if held is not None:
        yield held
