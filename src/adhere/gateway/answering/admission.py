"""A request is admitted, or refused in one line: by the policy, and because of what it asks for.

Rules
- The policy decides first. Where it breaks or takes too long nothing is admitted.
- In force are the constraints of the policy, of the request, and, where the handling says so, those read out of the
  prompt: of every system and developer message, and of all user turns since the assistant last spoke (two turns in a
  row are one asking).
- Constraints of policy and request that contradict each other, or themselves, are refused by name: no answer could meet
  them. One read out of the prompt that contradicts another of more authority (policy, request, system, developer, user,
  in this order) is not in force.
- Media and unknown fields go through only where the handling names them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from adhere.constraints.conflicts import conflicts, contradict
from adhere.constraints.constraint import Constraint
from adhere.constraints.families.terms import Searching
from adhere.constraints.instructions.reading import Reading, read_instructions
from adhere.constraints.registry import from_json
from adhere.core.errors import UserError
from adhere.gateway.answering.readers import READERS
from adhere.gateway.exchange import Media, Request, ToolResult
from adhere.gateway.hooks import Admission, Caller, Exchange, GatewayHooks, StatedConstraint
from adhere.gateway.wire.form import Failure
from adhere.gateway.wire.kinds import is_hint
from adhere.warden.acts.acts import Decision, Verdict, broke, refusal

ADMIT_SECONDS = 10.0
RATE_LIMITED = "rate-limited"
"""The reason of a denial that is over when the time it names has passed."""
FEW, SMALL = 8, 2_000
"""Constraints of a request that are built and compared at once, and their characters as JSON."""
MOST_AT_ONE_PLACE = 16
"""Terms of a request's list that may end at one place of an answer ("a", "b a", "c b a"): each is counted there."""


async def admit(points: GatewayHooks, caller: Caller, request: Request) -> Exchange:
    """The exchange that an admitted request begins.

    Raises:
        Failure: it is not admitted.
    """
    why = stopped(points)
    if why is not None:
        raise Failure(403, "stopped", why)
    try:
        async with asyncio.timeout(ADMIT_SECONDS):
            admission = await points.admit(caller, request)
    except TimeoutError:
        raise denial(broke("admission-timeout", "the policy took too long to decide", retry=True)) from None
    except Failure:
        raise
    except Exception as error:
        raise denial(broke("admission-broke", f"the policy broke: {type(error).__name__}", retry=True)) from error
    if not admission.decision.allowed:
        raise denial(admission.decision)
    try:
        if (request := _readable(admission)) is not admission.request:
            admission = dataclasses.replace(admission, request=request)
        return Exchange(secrets.token_hex(16), caller, admission, *await _in_force(admission))
    except BaseException:
        await points.forget(admission)
        raise


async def _in_force(admission: Admission) -> tuple[tuple[StatedConstraint, ...], tuple[Reading, ...]]:
    """`_asked`, in a thread where it may take a while, so that no other stream waits for it."""
    if not admission.handling.read_prompt and _is_little(admission.request.constraints):
        return _asked(admission)
    try:
        async with asyncio.timeout(ADMIT_SECONDS):
            return await asyncio.get_running_loop().run_in_executor(READERS, _asked, admission)
    except TimeoutError:
        text = "the constraints took too long to read"
        raise denial(broke("admission-timeout", text, retry=True)) from None


def in_force(admission: Admission) -> tuple[StatedConstraint, ...]:
    """The constraints that the answer to an admitted request is held to.

    Raises:
        Failure: the request cannot be admitted.
    """
    return _asked(dataclasses.replace(admission, request=_readable(admission)))[0]


def stopped(points: GatewayHooks) -> str | None:
    """Why everything is to stop. A switch that breaks has been thrown."""
    try:
        return points.stopped()
    except Exception as error:
        return f"the stop switch broke: {type(error).__name__}"


def denial(decision: Decision) -> Failure:
    """A decision against a request as the client is told it."""
    if decision.reason == "unknown-key":
        return Failure(401, "invalid_api_key", refusal(decision))
    if decision.reason == RATE_LIMITED:
        return Failure(429, "rate_limit_exceeded", refusal(decision), after=decision.evidence.get("after"))
    kind = "stopped" if decision.verdict is Verdict.STOP else "denied"
    return Failure(503 if decision.failed and decision.retry else 403, kind, refusal(decision))


def _readable(admission: Admission) -> Request:
    request, handling = admission.request, admission.handling
    passed, dropped = {}, request.dropped
    for name, value in request.unread.items():
        if name in handling.parameters:
            passed[name] = value
        elif is_hint(value):
            dropped += (name,)
        else:
            text = (
                f"the field {str(name)[:80]!r} is unknown, and what it holds cannot be checked; "
                "a policy may let it through with `parameters`"
            )
            raise Failure(400, "unreadable", text, str(name)[:80])
    for place, message in enumerate(request.messages):
        for part in message.parts:
            media = part.media if isinstance(part, ToolResult) else (part,)
            for one in media:
                if isinstance(one, Media) and one.kind not in handling.media:
                    text = f"{one.kind} content cannot be checked; a policy may let it through with `media`"
                    raise Failure(400, "unreadable", text, f"messages[{place}]")
    if not request.unread:
        return request
    return dataclasses.replace(request, parameters={**request.parameters, **passed}, unread={}, dropped=dropped)


def _read(request: Request) -> tuple[Reading, ...]:
    return tuple(read_instructions(instruction) for instruction in instructions(request))


def _asked(admission: Admission) -> tuple[tuple[StatedConstraint, ...], tuple[Reading, ...]]:
    """All constraints in force, each once, those of most authority first, and how the prompt was read."""
    readings = _read(admission.request) if admission.handling.read_prompt else ()
    request = admission.request
    if not request.constraints and "response_format" not in request.parameters and not readings:
        return admission.asked, readings
    given = [
        *admission.asked,
        *(StatedConstraint(constraint, "request") for constraint in admission.request.constraints),
    ]
    if layout := response_format(admission.request):
        given.append(StatedConstraint(layout, "request"))
    first: dict[Constraint, StatedConstraint] = {}
    for asked in given:
        first.setdefault(asked.constraint, asked)
    for constraint in admission.request.constraints:
        _prepare(constraint)
    for conflict in conflicts(first):
        one, other = (f'"{c.describe()}" ({first[c].origin})' for c in (conflict.one, conflict.other))
        text = f"no answer can meet both {one} and {other}: {conflict.reason}"
        raise Failure(400, "contradiction", text, "constraints")
    for constraint in (constraint for reading in readings for constraint in reading.constraints):
        if constraint not in first and not any(contradict(constraint, known) for known in first):
            first[constraint] = StatedConstraint(constraint, "prompt")
    return tuple(first.values()), readings


def response_format(request: Request) -> Constraint | None:
    """The constraint that the request's `response_format` states: what is asked of the model is checked here.

    Raises:
        Failure: a format that is none.
    """
    layout = request.parameters.get("response_format")
    if not isinstance(layout, dict) or layout.get("type") in (None, "text"):
        return None
    if layout["type"] == "json_object":
        schema: Any = {"type": "object"}
    elif layout["type"] == "json_schema" and isinstance(layout.get("json_schema"), dict):
        schema = layout["json_schema"].get("schema", {})
    else:
        kind = str(layout["type"])[:40]
        raise Failure(400, "unreadable", f"response_format: the type {kind!r} is unknown", "response_format")
    try:
        return from_json({"kind": "format.json_schema", "json_schema": schema, "fence": False})
    except UserError as error:
        raise Failure(400, "unreadable", f"response_format: {error}", "response_format") from None


def _is_little(constraints: Sequence[Constraint]) -> bool:
    return len(constraints) <= FEW and sum(len(one.model_dump_json()) for one in constraints) <= SMALL


def _prepare(constraint: Constraint) -> None:
    """Build what the first answer would build, while no stream waits for it.

    Raises:
        Failure: its terms stand within one another too often.
    """
    constraint.monitor()
    for part in _leaves(constraint):
        automaton = part.automaton if isinstance(part, Searching) else None
        if automaton is not None and automaton.most_at_once() > MOST_AT_ONE_PLACE:
            text = f"more than {MOST_AT_ONE_PLACE} terms of one list end in the same words; leave the longer ones out"
            raise Failure(400, "unreadable", text, "constraints")


def _leaves(constraint: Constraint) -> Iterator[Constraint]:
    parts = getattr(constraint, "of", ())
    for part in parts if isinstance(parts, tuple) else (parts,):
        if isinstance(part, Constraint):
            yield from _leaves(part)
    if not parts:
        yield constraint


def instructions(request: Request) -> Iterator[str]:
    """The texts that may instruct, those of most authority first."""
    yield from request.said_by("system")
    yield from request.said_by("developer")
    turns = 0
    for message in reversed(request.messages):
        if message.role == "assistant":
            break
        turns += 1
    for message in request.messages[len(request.messages) - turns :]:
        if message.role == "user":
            yield message.text
