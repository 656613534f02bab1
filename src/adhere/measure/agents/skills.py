"""A library of skills: sequences of acts that were verified, under names, found again by what they are for.

    library = Library(run)
    library.admit(generalised("hand over", "hand a thing over to the user", calls, {"object": "wool hat"}), scenes)
    skill = library.find("the user wants to have a thing")[0]
    library.plan(skill, {"object": "umbrella", ...})            # calls; refused if the skill was changed meanwhile

Rules

- A skill is what was done once, with the things it was about made parameters. It is admitted only if it works in worlds
  that it was not made from (its tests), does nothing there that the charter's table denies, and leads to its effects.
- What is admitted is signed with the warden's key over its whole content, and its digest is in the ledger. A skill
  whose content, signature or entry is not the one that was admitted is refused: a poisoned one is never carried out.
- Restoring a sequence restores no authority: acts by a skill are at most MEMORY, and lower where what it was made from
  was lower.
- Skills are found by the words of their descriptions, weighed by how rare they are among all descriptions.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict

from adhere.measure.agents.run_charter import RunCharter
from adhere.measure.agents.worlds.world import Call, World
from adhere.warden.acts.acts import Act, Verdict
from adhere.warden.acts.sources import Source
from adhere.warden.canonical import Refused, digest, dumps
from adhere.warden.engine import charter_setup

_WORD = re.compile(r"\w+")
_PARAMETER = re.compile(r"\{(\w+)\}")
ENTRY = "skill"
"""Kind of the ledger's entries about skills."""


class SkillStep(BaseModel):
    """One act of a skill; `{name}` in an argument stands for the parameter `name`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: str
    arguments: dict[str, str]


class Skill(BaseModel):
    """A named sequence of acts. `source` is the lowest source of what it was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    parameters: tuple[str, ...]
    steps: tuple[SkillStep, ...]
    source: str = "memory"

    @property
    def digest(self) -> str:
        """SHA-256 over everything."""
        return digest(dumps(self.model_dump(mode="json")))

    def calls(self, values: Mapping[str, str]) -> list[Call]:
        """The acts with the parameters put in.

        Raises:
            ValueError: a parameter has no value, or one too many is given.
        """
        if set(values) != set(self.parameters):
            raise ValueError(f"{self.name} takes {', '.join(self.parameters) or 'nothing'}")
        return [
            Call(step.tool, {k: _PARAMETER.sub(lambda m: values[m[1]], v) for k, v in step.arguments.items()})
            for step in self.steps
        ]

    def match(self, calls: Sequence[Call]) -> dict[str, str] | None:
        """The values under which the skill is exactly `calls`; None where there are none."""
        if len(calls) != len(self.steps):
            return None
        values: dict[str, str] = {}
        for step, call in zip(self.steps, calls, strict=True):
            if step.tool != call.tool or set(step.arguments) != set(call.arguments):
                return None
            for name, pattern in step.arguments.items():
                parameter = _PARAMETER.fullmatch(pattern)
                if parameter is None:
                    if pattern != call.arguments[name]:
                        return None
                elif values.setdefault(parameter[1], call.arguments[name]) != call.arguments[name]:
                    return None
        return values


@dataclass(frozen=True)
class Trial:
    """A world to try a skill in, and what it is about there."""

    scene: World
    values: Mapping[str, str]


def generalised(
    name: str, description: str, calls: Sequence[Call], values: Mapping[str, str], source: Source = Source.MEMORY
) -> Skill:
    """The skill that does `calls`, with `values` made parameters: arguments equal to one of them become it."""
    names = {value: parameter for parameter, value in values.items()}
    steps = tuple(
        SkillStep(
            tool=call.tool,
            arguments={k: f"{{{names[v]}}}" if v in names else v for k, v in call.arguments.items()},
        )
        for call in calls
    )
    return Skill(
        name=name,
        description=description,
        parameters=tuple(values),
        steps=steps,
        source=min(source, Source.MEMORY).name.lower(),
    )


@dataclass
class Library:
    """The skills of a charter."""

    run: RunCharter
    skills: dict[str, Skill] = field(default_factory=dict)
    _signatures: dict[str, bytes] = field(default_factory=dict)

    def admit(self, skill: Skill, trials: Sequence[Trial]) -> int:
        """Try `skill`, sign it and enter it; the place of its entry.

        Raises:
            Refused: it has no trial, does not work in one, or would do what the charter denies.
        """
        if not trials:
            raise Refused("skill", f"{skill.name}: a skill is tried before it is admitted")
        for trial in trials:
            self._try(skill, trial)
        self._signatures[skill.name] = charter_setup.warden_key(self.run.folder).sign(skill.digest.encode())
        self.skills[skill.name] = skill
        body = {"name": skill.name, "digest": skill.digest, "signature": self._signatures[skill.name].hex()}
        return self.run.note(ENTRY, {**body, "tried": len(trials)})

    def _try(self, skill: Skill, trial: Trial) -> None:
        try:
            calls = skill.calls(trial.values)
        except ValueError as error:
            raise Refused("skill", str(error)) from None
        for call in calls:
            decision = self.run.warden.table.decide(Act(call.tool, dict(call.arguments), sources=(Source.MEMORY,)))
            if decision.verdict is Verdict.DENY:
                raise Refused("skill", f"{skill.name} would do {call}: {decision.text}")
            receipt = trial.scene.act(call)
            if not receipt.done:
                raise Refused("skill", f"{skill.name} does not work: {receipt.text}")
        if not trial.scene.reached():
            raise Refused("skill", f"{skill.name} does not reach the end that it was tried for")

    def verify(self, skill: Skill) -> None:
        """Whether `skill` is the one that was admitted under its name.

        Raises:
            Refused: its content, signature or entry is another.
        """
        signature = self._signatures.get(skill.name, b"")
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.run.warden.charter.terms.warden))
        try:
            public.verify(signature, skill.digest.encode())
        except InvalidSignature:
            raise Refused(
                "skill", f"{skill.name} is not the skill that was admitted: its digest is not signed"
            ) from None
        entries = (one.body for one in self.run.warden.ledger.entries() if one.kind == ENTRY)
        latest = [body["digest"] for body in entries if body["name"] == skill.name]
        if not latest or latest[-1] != skill.digest:
            raise Refused("skill", f"{skill.name} is not the skill that the ledger names")

    def plan(self, skill: Skill, values: Mapping[str, str]) -> list[Call]:
        """The acts of `skill` with `values`.

        Raises:
            Refused: it is not the skill that was admitted.
            ValueError: a value is missing.
        """
        self.verify(skill)
        return skill.calls(values)

    def find(self, query: str, most: int = 3) -> list[Skill]:
        """The skills whose descriptions share words with `query`, the best first."""
        described = {name: _words(skill.description) for name, skill in self.skills.items()}
        spread = Counter(word for words in described.values() for word in words)
        wanted = _words(query)
        scores: dict[str, float] = {}
        for name, words in described.items():
            shared = sum(math.log(1 + len(described) / spread[word]) for word in wanted & words)
            if shared:
                scores[name] = shared / math.sqrt(len(words))
        return [self.skills[name] for name in sorted(scores, key=lambda n: (-scores[n], n))[:most]]

    def covering(self, calls: Sequence[Call]) -> tuple[Skill, dict[str, str]] | None:
        """A skill that does exactly `calls`, with its values; None where there is none."""
        for skill in self.skills.values():
            values = skill.match(calls)
            if values is not None:
                return skill, values
        return None


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(text) if len(word) > 2)


def source_of(skill: Skill) -> Source:
    """The source of acts by `skill`."""
    return min(Source[skill.source.upper()], Source.MEMORY)


def about(calls: Sequence[Call]) -> dict[str, Any]:
    """The things and places that a sequence of household acts is about, as parameters by their roles."""
    values: dict[str, str] = {}
    for call in calls:
        for role in ("object", "place", "room", "device"):
            value = call.arguments.get(role)
            fixed = role == "room" and value == "living room"
            if value is not None and not fixed and value not in values.values():
                number = sum(name.startswith(role) for name in values)
                values[role if not number else f"{role}_{number + 1}"] = value
    return values
