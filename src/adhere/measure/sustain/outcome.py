"""The outcome of one arm of one problem: written by the task, read by scores, failure patterns and the report.

    for outcome in outcomes(log): ...            # of an Inspect log, or of its path
    for excluded in exclusions(log): ...         # what was left out, and why

Rules:

- One `ArmOutcome` is one response: to one problem, under one condition (`arm`, `k`, `position`, `factor`), judged.
  Within one log, (problem, epoch, condition) is unique, but in a study of kinds, where a problem has one arm with
  k = 1 for each kind: there (problem, epoch, condition, kinds) is. The problem is the cluster.
- `base` is there for every problem that was asked. The other arms are there only where base was correct: base selects.
- `k` is how many constraints stand in the prompt. For `placebo` and `long` it is the number of constraints whose length
  they match; for `base` and `control` it is 0. `position` and `factor` differ from their defaults only in the arms
  made for them: arm "constraint" with position "before" or "system", and arm "attend".
- `grade` is what the problem's own grader says of `answer`. `grade.correct` is None where nothing could be decided (a
  sandbox that broke): neither a pass nor a fail, to be left out and counted.
- `met` holds one verdict for each of `constraints`, on this `answer`: None where it could not be told (UNSURE).
- `response` is as written, reasoning included; `answer` is what was graded: reasoning removed, byte-exactly.
- What could not be asked (no constraint could be chosen, a paraphrase changed a number, the provider refused) is an
  `Exclusion`, with the reason, never an outcome.
- All of it stands in the log: in the metadata of the sample's score, under "outcomes" and "exclusions", as JSON.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from adhere.constraints.constraint import Constraint
from adhere.constraints.registry import from_json
from adhere.core.errors import UserError
from adhere.problems.problem import Grade, Step

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog

Arm = Literal["base", "control", "placebo", "long", "constraint", "attend"]
"""What stands around the problem.

base        nothing: this answer selects the problem, and its constraints are taken from it
control     nothing, a fresh sample: what being selected by one success costs by itself
placebo     a true sentence that asks for nothing, as long as the constraints
long        nothing, and the problem itself is reworded to that length
constraint  k self-evident constraints
attend      the same as constraint, with the attention to the constraints' tokens scaled by `factor`
"""
ARMS: tuple[Arm, ...] = get_args(Arm)

Position = Literal["after", "before", "system"]
"""Where the constraints stand: after the problem, before it, or in the system prompt."""


@dataclass(frozen=True, slots=True)
class ArmOutcome:
    """One response and what it is worth.

    Attributes:
        problem: the problem's id.
        domain: "math", "multihop" or "code".
        arm, k, position, factor: the condition; see the module's rules.
        grade: correct or not, the answer as it was read, the reason, the steps.
        response: as written, reasoning included.
        answer: what was graded.
        constraints: those inserted, in the order in which they stand.
        sentences: each of them as it stands in the prompt, letter for letter.
        met: whether `answer` meets each.
        truncated: the answer ended because its tokens ran out, or within its reasoning.
        loop: the answer goes round in circles (`measure.degenerate`).
        system, prompt: what was asked; `system` is empty where there was no system prompt.
        reference: the right answer.
        model, epoch: who was asked, and which time.
        added, unit: how much longer than the problem the prompts were, in the model's own tokens or in characters.
    """

    problem: str
    domain: str
    arm: Arm
    grade: Grade
    response: str
    answer: str
    k: int = 0
    position: Position = "after"
    factor: float = 1.0
    constraints: tuple[Constraint, ...] = ()
    sentences: tuple[str, ...] = ()
    met: tuple[bool | None, ...] = ()
    truncated: bool = False
    loop: bool = False
    system: str = ""
    prompt: str = ""
    reference: str = ""
    model: str = ""
    epoch: int = 1
    added: int = 0
    unit: str = "characters"

    @property
    def correct(self) -> bool | None:
        """Whether the answer is right; None where that could not be decided."""
        return self.grade.correct

    @property
    def readable(self) -> bool:
        """Whether an answer could be read."""
        return self.grade.readable

    @property
    def read(self) -> str | None:
        """The answer as it was read."""
        return self.grade.answer

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the constraints inserted."""
        return tuple(constraint.kind for constraint in self.constraints)

    @property
    def condition(self) -> tuple[Arm, int, Position, float]:
        """Arm, k, position, factor: what a problem is compared under."""
        return self.arm, self.k, self.position, self.factor

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object; `model` and `epoch` are left to the log."""
        record = {name: getattr(self, name) for name in _PLAIN}
        record |= {"added": self.added, "unit": self.unit}
        record["grade"] = asdict(self.grade)
        record["constraints"] = [constraint.to_json() for constraint in self.constraints]
        record["sentences"] = list(self.sentences)
        record["met"] = list(self.met)
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any], model: str = "", epoch: int = 1) -> ArmOutcome:
        """The outcome that `to_json` wrote.

        Raises:
            UserError: a field is missing or wrong.
        """
        try:
            grade = dict(record["grade"])
            grade["steps"] = tuple(Step(**step) for step in grade.get("steps", ()))
            return cls(
                **{name: record[name] for name in _PLAIN},
                grade=Grade(**grade),
                constraints=tuple(from_json(one) for one in record["constraints"]),
                sentences=tuple(record["sentences"]),
                met=tuple(record["met"]),
                model=model,
                epoch=epoch,
                added=record.get("added", 0),
                unit=record.get("unit", "characters"),
            )
        except (KeyError, TypeError) as error:
            raise UserError(f"not an outcome of a sustain run ({error})") from error


_PLAIN = (
    "problem",
    "domain",
    "arm",
    "k",
    "position",
    "factor",
    "response",
    "answer",
    "truncated",
    "loop",
    "system",
    "prompt",
    "reference",
)

Why = Literal["no_constraint", "names_answer", "contradiction", "paraphrase", "refused", "error", "undecided"]
"""Why something was left out, or counted apart.

no_constraint  the solution yields fewer constraints than the arm needs
names_answer   a constraint would have stated or hinted at the answer
contradiction  a constraint contradicts one chosen before it
paraphrase     the longer wording of the problem lost a number or a name
refused        the provider gave no answer (a content filter); the outcome stands, and is wrong
error          the provider failed, and failed again; the outcome of a saved answer stands, and is wrong
undecided      the grader could not decide: the sandbox or the comparison broke
"""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Something that was not asked, does not count, or counts as wrong because no answer came: a whole condition, or
    candidates among the constraints.

    `count` is 1 for a condition, and the number of candidates where constraints were dropped (`names_answer`,
    `contradiction`); `detail` says what, of candidates the first.
    """

    problem: str
    domain: str
    arm: Arm
    why: Why
    detail: str
    k: int = 0
    position: Position = "after"
    count: int = 1


def outcomes(log: EvalLog | str | os.PathLike[str]) -> Iterator[ArmOutcome]:
    """The outcomes in an Inspect log, or in the log at a path, sample by sample.

    Raises:
        UserError: the log cannot be read, or is none of a sustain run.
    """
    for metadata, model, epoch in _scored(log):
        for record in metadata["outcomes"]:
            yield ArmOutcome.from_json(record, model, epoch)


def exclusions(log: EvalLog | str | os.PathLike[str]) -> Iterator[Exclusion]:
    """What a log's run left out.

    Raises:
        UserError: the log cannot be read, or is none of a sustain run.
    """
    for metadata, _, _ in _scored(log):
        for record in metadata["exclusions"]:
            yield Exclusion(**record)


def _scored(log: EvalLog | str | os.PathLike[str]) -> Iterator[tuple[dict[str, Any], str, int]]:
    if isinstance(log, (str, os.PathLike)):
        log = _read(os.fspath(log))
    any_outcome = False
    for sample in log.samples or []:
        for score in (sample.scores or {}).values():
            if score.metadata and "outcomes" in score.metadata:
                any_outcome = True
                yield score.metadata, log.eval.model, sample.epoch
    if not any_outcome:
        raise UserError(f"{log.location or 'the log'}: holds no outcome of a sustain run")


def _read(path: str) -> EvalLog:
    from inspect_ai.log import read_eval_log

    try:
        return read_eval_log(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: not an Inspect log ({reason})") from error
