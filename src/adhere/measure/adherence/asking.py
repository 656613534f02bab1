"""What a prompt asks for, understood: from a benchmark's id and arguments, or from our own JSON, to a constraint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from adhere.constraints.constraint import Constraint, Profile
from adhere.constraints.registry import from_json, nearest
from adhere.core.errors import UserError
from adhere.measure.adherence.responses import StatedInstruction

OWN = "own"
"""The set of prompts that ask in our own format."""


class Understood(NamedTuple):
    """An instruction under each profile asked for, and as the record shows it."""

    constraints: tuple[tuple[Profile, Constraint], ...]
    kind: str
    skill: str | None
    shown: dict[str, Any]
    """The constraint as JSON, under the first profile; shared, not to be changed."""


def understand(asked: StatedInstruction, profiles: tuple[Profile, ...]) -> Understood:
    """What one instruction of a prompt states.

    Raises:
        UserError: its id or kind is unknown (names the nearest), or its parameters are wrong.
    """
    return _understood(asked.asked_as, _encode(asked.parameters), profiles)


_encode = json.JSONEncoder().encode


@lru_cache(maxsize=20_000)
def _understood(asked_as: str | None, parameters: str, profiles: tuple[Profile, ...]) -> Understood:
    record = json.loads(parameters)
    constraints = tuple((profile, _constraint(asked_as, record, profile)) for profile in profiles)
    first = constraints[0][1]
    return Understood(constraints, first.kind, first.skill, first.to_json())


def _constraint(asked_as: str | None, record: dict[str, Any], profile: Profile) -> Constraint:
    if asked_as is None:
        return from_json(record).under(profile)
    from adhere.constraints.benchmarks import ifbench, ifeval, iftrain

    if asked_as in ifeval.IDS:
        return ifeval.from_ifeval(asked_as, record, profile)
    if asked_as in ifbench.IDS:
        return ifbench.from_ifbench(asked_as, record, profile)
    if asked_as in iftrain.IDS:
        return iftrain.from_iftrain(asked_as, record, profile)
    known = dict.fromkeys((*ifeval.IDS, *ifbench.IDS, *iftrain.IDS))
    raise UserError(f"no benchmark has the instruction {asked_as!r}{nearest(asked_as, known)}")


def set_of(asked: Sequence[StatedInstruction]) -> str:
    """Which set of prompts asks so."""
    names = {entry.asked_as for entry in asked}
    if None in names:
        return OWN
    from adhere.constraints.benchmarks import ifbench, ifeval

    if names <= set(ifeval.IDS):
        return "ifeval"
    return "ifbench" if names & set(ifbench.IDS) else "iftrain"
