"""From a response to its record: every instruction checked, strict and loose, in each profile.

Rules.

- An instruction of a benchmark is understood by the mapping of its id and arguments (`constraints.ifeval`,
  `constraints.ifbench`), one of our own by its kind. Nothing unknown is guessed at: it is an error that names the
  nearest.
- An answer that says nothing (only punctuation: "***") follows, in the fixed profile, only what asks for such a text.
- A response without an answer follows nothing (see `records`), and a row that cannot be read is none.
- Loose is only looked at where strict fails: the text as it stands is one of the eight loosened texts.
- A check that breaks is an error of the line, never a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

from adhere.constraints.benchmarks.loose import Loosened, loose, strict
from adhere.constraints.constraint import BROKEN, UNSURE, Constraint, Profile
from adhere.core.errors import UserError
from adhere.measure.adherence import degenerate
from adhere.measure.adherence.asking import set_of, understand
from adhere.measure.adherence.conversations import Overruled
from adhere.measure.adherence.records import PROFILES, Conflict, ConstraintOutcome, Instruction, Record
from adhere.measure.adherence.responses import (
    Line,
    NothingStated,
    Prompts,
    Question,
    Response,
    StatedInstruction,
    model_of,
    question_shown,
    read,
)
from adhere.measure.files.line import Bad, shown_in

_PROMPT, _REASON, _VALUE = 300, 300, 200
_BEFORE, _AFTER = 100, 160
_SPANS = 8
"""How much of prompt, reason, found and wanted, of the text around a broken span, and how many spans a record keeps."""


def check_line(line: Line, prompts: Prompts | None, profiles: Sequence[Profile] = PROFILES) -> list[Record] | Bad:
    """The records of the responses in a line, or what is wrong with it."""
    try:
        return [record(response, line, profiles) for response in read(line, prompts)]
    except NothingStated as error:
        return Bad(line.file, line.number, str(error), line.digest, unstated=True)
    except UserError as error:
        identity, model = shown_in(line.raw)
        return Bad(line.file, line.number, str(error), line.digest, identity, model)


def in_place_of(bad: Bad, line: Line, prompts: Prompts | None, profiles: Sequence[Profile]) -> Record | None:
    """The record that stands for a line that cannot be read, where its question can; None where it cannot."""
    if bad.unstated:
        return None
    question = question_shown(line, prompts)
    if question is None and prompts is not None and bad.identity is not None:
        question = prompts.by_id.get(bad.identity)
    if question is None:
        return None
    try:
        return unanswered(question, bad.model or model_of(line.file), line, "unread", bad.problem, profiles)
    except UserError:
        return None


def record(response: Response, line: Line, profiles: Sequence[Profile] = PROFILES) -> Record:
    """The record of one response.

    Raises:
        UserError: an instruction is unknown or has wrong parameters, or a check broke.
    """
    text = response.answer.text
    question = response.question
    missing = _missing(response)
    cut = response.answer.truncated or response.cut
    ways = ("failed",) if response.failure is not None else degenerate.ways(text, truncated=cut)
    loosened = Loosened(text)
    instructions = tuple(_instruction(asked, loosened, tuple(profiles), missing) for asked in question.asked)
    return Record(
        model=response.model,
        set=set_of(question.asked),
        prompt_id=question.prompt_id,
        epoch=response.epoch,
        file=line.file,
        line=line.number,
        prompt=_short(question.prompt, _PROMPT),
        length=len(text),
        instructions=instructions,
        removed=tuple((span.start, span.end) for span in response.answer.removed),
        degenerate=ways,
        digest=line.digest,
        turn=response.turn,
        conflicts=tuple(_conflict(one, instructions, loosened, missing) for one in response.overruled),
    )


def _conflict(one: Overruled, instructions: Sequence[Instruction], answer: Loosened, missing: str) -> Conflict:
    """Which of two contradicting instructions the answer follows, under each profile."""
    lower = _instruction(StatedInstruction(None, one.parameters), answer, PROFILES, missing)
    higher = instructions[one.by]
    return Conflict(
        f"{one.higher} over {one.source}",
        tuple(_followed(higher.outcome(profile)) for profile in PROFILES),
        tuple(_followed(lower.outcome(profile)) for profile in PROFILES),
    )


def _followed(outcome: ConstraintOutcome | None) -> bool:
    return outcome is not None and outcome.strict


def _missing(response: Response) -> str:
    """Why a response is no answer; empty where it is one."""
    if response.failure is not None:
        return f"no answer: {response.failure}"
    if response.answer.text and not response.answer.text.isspace():
        return ""
    return f"no answer: the response {'ends within its reasoning' if response.answer.truncated else 'is empty'}"


def unanswered(
    question: Question, model: str, line: Line, way: str, reason: str, profiles: Sequence[Profile] = PROFILES
) -> Record:
    """The record of a response that is not there: it follows nothing. `way` is one of `UNANSWERED`.

    Raises:
        UserError: an instruction is unknown or has wrong parameters.
    """
    missing = _short(f"no answer: {reason}", _REASON)
    return Record(
        model=model,
        set=set_of(question.asked),
        prompt_id=question.prompt_id,
        epoch=1,
        file=line.file,
        line=line.number,
        prompt=_short(question.prompt, _PROMPT),
        length=0,
        instructions=tuple(_instruction(asked, Loosened(""), tuple(profiles), missing) for asked in question.asked),
        degenerate=(way,),
        digest=line.digest,
    )


def _instruction(
    asked: StatedInstruction, answer: Loosened, profiles: tuple[Profile, ...], missing: str
) -> Instruction:
    understood = understand(asked, profiles)
    outcomes = {profile: _outcome(constraint, answer, missing) for profile, constraint in understood.constraints}
    broken = next((outcome for outcome in outcomes.values() if not outcome.strict), None)
    start, excerpt = _excerpt(answer.text, broken) if broken is not None and not missing else (0, None)
    return Instruction(
        kind=understood.kind,
        constraint=understood.shown,
        skill=understood.skill,
        asked_as=asked.asked_as,
        fixed=outcomes.get("fixed"),
        reference=outcomes.get("reference"),
        excerpt=excerpt,
        excerpt_start=start,
        since=asked.since,
    )


def _outcome(constraint: Constraint, answer: Loosened, missing: str) -> ConstraintOutcome:
    if missing:
        return ConstraintOutcome(strict=False, loose=False, verdict=BROKEN.value, reason=missing, at=len(answer.text))
    if answer.says_nothing and constraint.profile == "fixed" and not constraint.empty_meets:
        reason = "no answer: the response holds no letter, digit or symbol"
        return ConstraintOutcome(strict=False, loose=False, verdict=BROKEN.value, reason=reason, at=len(answer.text))
    try:
        check = strict(constraint, answer)
        loosely = loose(constraint, answer, check).met
    except UserError:
        raise
    except Exception as error:  # a defect of ours: it costs this answer, which is not followed, and no other
        reason = _short(f"the check {constraint.kind} failed over this answer ({error!r}): please report it", _REASON)
        return ConstraintOutcome(strict=False, loose=False, verdict=UNSURE.value, reason=reason, at=len(answer.text))
    return ConstraintOutcome(
        strict=check.met,
        loose=loosely,
        verdict=check.verdict.value,
        reason=_short(check.reason, _REASON),
        found=_value(check.found),
        wanted=_value(check.wanted),
        spans=tuple((span.start, span.end) for span in check.spans[:_SPANS]),
        at=check.at,
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _value(value: str | int | float | None) -> str | int | float | None:
    return _short(value, _VALUE) if isinstance(value, str) else value


def _excerpt(text: str, outcome: ConstraintOutcome) -> tuple[int, str]:
    """The text around the first deciding span; where there is none, around the place of the decision."""
    if outcome.spans:
        place = outcome.spans[0][0]
    else:
        place = outcome.at if outcome.at is not None and outcome.at < len(text) else 0
    start = max(0, place - _BEFORE)
    return start, text[start : place + _AFTER]
