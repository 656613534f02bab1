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
from collections.abc import Iterator

from adhere.constraints.conflicts import conflicts, contradict
from adhere.constraints.constraint import Constraint
from adhere.constraints.parse import parse
from adhere.gateway.exchange import Media, Request
from adhere.gateway.hooks import Admission, Caller, Exchange, GatewayHooks, StatedConstraint
from adhere.gateway.wire.form import Failure
from adhere.warden.acts.acts import Decision, Verdict, broke, refusal

ADMIT_SECONDS = 10.0


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
    if (request := _readable(admission)) is not admission.request:
        admission = dataclasses.replace(admission, request=request)
    # reading a long prompt takes a while, and nobody else's stream is to wait for it
    asked = await asyncio.to_thread(_asked, admission) if admission.handling.read_prompt else _asked(admission)
    return Exchange(secrets.token_hex(16), caller, admission, asked)


def stopped(points: GatewayHooks) -> str | None:
    """Why everything is to stop. A switch that breaks has been thrown."""
    try:
        return points.stopped()
    except Exception as error:
        return f"the stop switch broke: {type(error).__name__}"


def denial(decision: Decision) -> Failure:
    """A decision against a request as the client is told it."""
    kind = "stopped" if decision.verdict is Verdict.STOP else "denied"
    return Failure(503 if decision.failed and decision.retry else 403, kind, refusal(decision))


def _readable(admission: Admission) -> Request:
    request, handling = admission.request, admission.handling
    for name in request.unread:
        if name not in handling.parameters:
            text = f"nobody here can read the field {str(name)[:80]!r}; a policy may let it through by `parameters`"
            raise Failure(400, "unreadable", text, str(name)[:80])
    for place, message in enumerate(request.messages):
        for part in message.parts:
            if isinstance(part, Media) and part.kind not in handling.media:
                text = f"{part.kind}: nobody here can look into it; a policy may let it through by `media`"
                raise Failure(400, "unreadable", text, f"messages[{place}]")
    if not request.unread:
        return request
    return dataclasses.replace(request, parameters={**request.parameters, **request.unread}, unread={})


def _asked(admission: Admission) -> tuple[StatedConstraint, ...]:
    """All constraints in force, each once, those of most authority first."""
    if not admission.request.constraints and not admission.handling.read_prompt:
        return admission.asked
    given = [
        *admission.asked,
        *(StatedConstraint(constraint, "request") for constraint in admission.request.constraints),
    ]
    first: dict[Constraint, StatedConstraint] = {}
    for asked in given:
        first.setdefault(asked.constraint, asked)
    for conflict in conflicts(first):
        one, other = (f'"{c.describe()}" ({first[c].origin})' for c in (conflict.one, conflict.other))
        text = f"no answer can meet both {one} and {other}: {conflict.reason}"
        raise Failure(400, "contradiction", text, "constraints")
    if admission.handling.read_prompt:
        for instruction in instructions(admission.request):
            for constraint in parse(instruction):
                if constraint not in first and not any(contradict(constraint, known) for known in first):
                    first[constraint] = StatedConstraint(constraint, "prompt")
    return tuple(first.values())


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
