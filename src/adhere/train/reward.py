"""A verifiable reward from constraints: the callable that trainers take.

    reward = Reward((Include(terms=("sea",)),))
    reward("By the sea.")                                      # 1.0
    reward(["By the sea.", ""])                                # [1.0, 0.0]
    reward([[{"role": "assistant", "content": "The sea."}]])   # [1.0], as TRL gives conversations

    GRPOTrainer(reward_funcs=[reward, ProblemReward()], ...)   # the problem's own grade as a second reward

Rules:

- How verdicts become a number is `credit`'s (`all`, `share`, `weighted`, `distance`). A verdict that cannot be told
  pays nothing. `loose` takes IFEval's eight loosened texts and pays if one of them passes.
- What is paid nothing whatever it meets is `guards`'s. Reasoning is taken out first (`constraints.reasoning`). An
  answer cut off within its reasoning is empty.
- A check that fails with an error raises `BrokenCheckError`. It never pays and never punishes.
- Without constraints of its own, a reward reads those of each completion from the data column `constraints` (a JSON
  string, or the objects), as trainers pass it.
- Where the trainer takes logs of rewards (`log_metric`, `log_extra`, as TRL does), every call logs its parts: the share
  that each guard paid nothing for, the share met of each kind, and for each completion the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from adhere.constraints.benchmarks.loose import Loosened, loose
from adhere.constraints.constraint import Check, Constraint
from adhere.constraints.reasoning import answer
from adhere.constraints.registry import from_json
from adhere.core.errors import UserError
from adhere.problems.grading import grade_all
from adhere.problems.problem import Problem
from adhere.train.credit import AGGREGATIONS, Aggregation, aggregate
from adhere.train.guards import GUARDS, Guard, guarded
from adhere.train.problem_rows import problem_from_json

__all__ = ["Aggregation", "BrokenCheckError", "Guard", "ProblemReward", "Reward", "ScoredCompletion"]


class BrokenCheckError(RuntimeError):
    """A constraint's check ended with an error: there is no reward to give."""


@dataclass(frozen=True, slots=True)
class ScoredCompletion:
    """The reward of one completion and where it comes from.

    Attributes:
        value: from 0 to 1.
        guard: why nothing is paid whatever the constraints say; None where no guard applies.
        constraints: what was checked.
        checks: the verdict of every constraint, in order; empty where a guard applies.
    """

    value: float
    guard: Guard | None
    constraints: tuple[Constraint, ...]
    checks: tuple[Check, ...]

    @property
    def reason(self) -> str:
        """Why it is worth that, in one line."""
        if self.guard is not None:
            return f"nothing: {self.guard}"
        return "; ".join(f"{'met' if check.met else 'missed'}: {check.reason}" for check in self.checks)


@dataclass(frozen=True)
class Reward:
    """A reward function over constraints; see the module's rules.

    Attributes:
        constraints: checked on every completion; empty to read them from the data.
        aggregation: `all`, `share`, `weighted` or `distance`; see `credit`.
        weights: of `weighted`: one for each constraint.
        loose: whether one of IFEval's eight loosened texts may pass.
        words: the fewest and the most words of an answer that is paid at all; None for no limit.
        without: guards that do not apply.
    """

    constraints: tuple[Constraint, ...] = ()
    aggregation: Aggregation = "all"
    weights: tuple[float, ...] = ()
    loose: bool = False
    words: tuple[int | None, int | None] = (None, None)
    without: tuple[Guard, ...] = ()

    def __post_init__(self) -> None:
        if self.aggregation not in AGGREGATIONS:
            raise UserError(f"a reward aggregates by {' or '.join(AGGREGATIONS)}, not {self.aggregation!r}")
        if unknown := sorted(set(self.without) - set(GUARDS)):
            raise UserError(f"no guard is called {unknown[0]!r}; there are: {', '.join(GUARDS)}")
        if (self.aggregation == "weighted") != bool(self.weights):
            raise UserError("weights go with the aggregation weighted, and it needs them")
        if self.weights and (min(self.weights) < 0 or not sum(self.weights) > 0):
            raise UserError("weights are not negative, and one of them is more than 0")
        if self.weights and len(self.weights) != len(self.constraints):
            raise UserError(f"there are {len(self.weights)} weights for {len(self.constraints)} constraints")
        kinds = "+".join(one.kind for one in self.constraints) or "constraints"
        object.__setattr__(self, "__name__", f"adhere[{kinds}]")  # trainers log rewards under it

    @overload
    def __call__(self, completions: str, **columns: Any) -> float: ...
    @overload
    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float]: ...
    def __call__(self, completions: str | Sequence[Any], **columns: Any) -> float | list[float]:
        """The rewards of `completions`, in order.

        Args:
            completions: one text, or several: texts, or conversations whose assistant messages are the answer.
            columns: what the trainer passes besides. Read are `prompts` (for the guard against copies), `constraints`
                (only where the reward has none), `log_metric` and `log_extra`.

        Raises:
            BrokenCheckError: a check ended with an error.
            UserError: there are no constraints, or those of the data are malformed.
            TypeError: a completion is neither a text nor a conversation.
        """
        column = None if self.constraints else columns.get("constraints")
        if isinstance(completions, str):
            prompt = columns.get("prompts", "")
            asked_for = None if column is None else constraints_of(column)
            return self.score(completions, asked_for, prompt_text(prompt)).value
        count = len(completions)
        if column is not None and (isinstance(column, str) or len(column) != count):
            raise UserError("the column `constraints` must have one entry for each completion")
        prompts = columns.get("prompts") or [""] * count
        entries = [None] * count if column is None else [constraints_of(entry) for entry in column]
        scored = [
            self.score(completion_text(one), entry, prompt_text(prompt))
            for one, entry, prompt in zip(completions, entries, prompts, strict=True)
        ]
        _log(scored, columns)
        return [one.value for one in scored]

    def score(
        self, completion: str, constraints: Sequence[Constraint] | None = None, prompt: str = ""
    ) -> ScoredCompletion:
        """The reward of one completion with its parts.

        Args:
            completion: a text.
            constraints: in place of the reward's own.
            prompt: what was asked, for the guard against copies.

        Raises:
            BrokenCheckError: a check ended with an error.
            UserError: there are no constraints.
        """
        required = self.constraints if constraints is None else tuple(constraints)
        if not required:
            raise UserError("a reward needs constraints: give it some, or a data column named `constraints`")
        guard = guarded(completion, prompt, words=self.words, without=self.without)
        if guard is not None:
            return ScoredCompletion(0.0, guard, required, ())
        text = answer(completion).text
        checks = tuple(_checked(one, text, self.loose) for one in required)
        return ScoredCompletion(aggregate(required, checks, self.aggregation, self.weights), None, required, checks)


@dataclass(frozen=True)
class ProblemReward:
    """The problem's own grade as a reward: 1 for a right answer, 0 for a wrong one, for TRL's `reward_funcs`.

    Problems are read from the data column `problem` (a JSON object or string; see `problem_rows`). A row without one,
    and a grade that could not be decided, give None: TRL then leaves this reward out for that completion. A program
    that may have cheated its tests ("suspect") is paid nothing; the log has the share of such programs.
    """

    __name__ = "adhere[problem]"

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """The grades of `completions`, in order.

        Raises:
            UserError: the column `problem` is missing or malformed.
        """
        column = columns.get("problem")
        if column is None or len(column) != len(completions):
            raise UserError("the column `problem` must have one entry for each completion")
        problems = [problem_of(entry) for entry in column]
        texts = [answer(completion_text(one)).text for one in completions]
        rows = [(at, problem) for at, problem in enumerate(problems) if problem is not None]
        grades = grade_all([problem for _, problem in rows], [texts[at] for at, _ in rows])
        rewards: list[float | None] = [None] * len(texts)
        for (at, _), grade in zip(rows, grades, strict=True):
            rewards[at] = None if grade.correct is None else float(grade.correct)
        metric: Callable[[str, float], None] | None = columns.get("log_metric")
        if metric is not None and grades:
            for outcome in ("suspect", "undecided"):
                metric(f"adhere/problem/{outcome}", sum(one.outcome == outcome for one in grades) / len(grades))
        return rewards


def _log(scored: Sequence[ScoredCompletion], columns: Mapping[str, Any]) -> None:
    """The parts of the rewards, where the trainer takes them."""
    metric: Callable[[str, float], None] | None = columns.get("log_metric")
    extra: Callable[[str, list[Any]], None] | None = columns.get("log_extra")
    if extra is not None:
        extra("adhere/reason", [one.reason for one in scored])
    if metric is None or not scored:
        return
    for guard in GUARDS:
        metric(f"adhere/guard/{guard}", sum(one.guard == guard for one in scored) / len(scored))
    by_kind: dict[str, list[bool]] = {}
    for one in scored:
        for constraint, check in zip(one.constraints, one.checks or (None,) * len(one.constraints), strict=True):
            by_kind.setdefault(constraint.kind, []).append(check is not None and check.met)
    for kind, verdicts in by_kind.items():
        metric(f"adhere/met/{kind}", sum(verdicts) / len(verdicts))


def _checked(constraint: Constraint, text: str, loosely: bool) -> Check:
    try:
        return loose(constraint, Loosened(text)) if loosely else constraint.check(text)
    except Exception as error:
        raise BrokenCheckError(f"the check of {constraint.kind} failed: {type(error).__name__}: {error}") from error


def completion_text(completion: object) -> str:
    """The answer in a completion: a text, or what the assistant says in a conversation.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(completion, str):
        return completion
    if isinstance(completion, Sequence) and all(isinstance(one, Mapping) for one in completion):
        contents = [one.get("content") or "" for one in completion if one.get("role") == "assistant"]
        if all(isinstance(one, str) for one in contents):
            return "\n".join(contents)
    raise TypeError(f"a completion is a text or a list of messages, not {type(completion).__name__}")


def prompt_text(prompt: object) -> str:
    """What the user asked last: a text, or the last user message of a conversation; empty where there is none."""
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, Sequence):
        contents = [one.get("content") for one in prompt if isinstance(one, Mapping) and one.get("role") == "user"]
        return contents[-1] if contents and isinstance(contents[-1], str) else ""
    return ""


def constraints_of(entry: object) -> tuple[Constraint, ...]:
    """The constraints of one row of data: JSON, JSON objects, or constraints.

    Raises:
        UserError: it holds anything else, or a constraint is malformed.
    """
    if isinstance(entry, str):
        try:
            entry = json.loads(entry)
        except ValueError as error:
            raise UserError(f"the column `constraints` holds no JSON: {error}") from error
    listed = entry if isinstance(entry, Sequence) and not isinstance(entry, str) else [entry]
    constraints = []
    for one in listed:
        if isinstance(one, Constraint):
            constraints.append(one)
        elif isinstance(one, Mapping):
            constraints.append(from_json(one))
        else:
            raise UserError(f"the column `constraints` holds a {type(one).__name__}, not a constraint")
    return tuple(constraints)


def problem_of(entry: object) -> Problem | None:
    """The problem of one row of data: JSON, a JSON object, or a problem; None where the row has none.

    Raises:
        UserError: it holds anything else, or a problem is malformed.
    """
    if entry is None or entry == "":
        return None
    if isinstance(entry, str):
        try:
            entry = json.loads(entry)
        except ValueError as error:
            raise UserError(f"the column `problem` holds no JSON: {error}") from error
    if isinstance(entry, Mapping):
        return problem_from_json(entry)
    if isinstance(entry, Problem):
        return entry
    raise UserError(f"the column `problem` holds a {type(entry).__name__}, not a problem")
