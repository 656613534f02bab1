"""Constraints of constraints: all of them, any of them, not this one.

Verdicts are those of LTL3 taken part by part: `AllOf` is BROKEN with its first broken part and HOLDS once every part
does; `AnyOf` the other way round; `Not` swaps the two. A combination does not see that two open parts rule each
other out ("at most 3 words", "at least 5"): `conflicts.py` says so beforehand. At the end an UNSURE part makes a
combination UNSURE unless the other parts decide it.

In JSON combinations nest: {"kind": "not", "of": {"kind": "contains.terms", "terms": ["sea"]}}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from adhere.constraints.constraint import (
    BROKEN,
    HOLDS,
    MOST_SPANS,
    OPEN,
    UNSURE,
    Check,
    Constraint,
    Monitor,
    Profile,
    Span,
    Verdict,
    Wanted,
)
from adhere.constraints.registry import from_json, register

DEEPEST = 16
"""Levels to which combinations may nest; what people and policies write has two or three."""


def _part(value: Any) -> Any:
    if isinstance(value, Mapping):
        if _levels(value) > DEEPEST:
            raise ValueError(f"combinations nest more than {DEEPEST} levels deep")
        return from_json(value)
    return value


def _levels(record: Any) -> int:
    """How many combinations a JSON object nests, counted no further than one more than `DEEPEST`."""
    level = [record]
    depth = 0
    while level and depth <= DEEPEST:
        depth += 1
        inner: list[Any] = []
        for one in level:
            of = one.get("of") if isinstance(one, Mapping) else getattr(one, "of", None)
            inner += of if isinstance(of, list | tuple) else [of] if isinstance(of, Mapping | Constraint) else []
        level = [one for one in inner if isinstance(one, Mapping | Constraint)]
    return depth


def _json(part: Constraint) -> dict[str, Any]:
    return part.to_json()


Part = Annotated[Constraint, BeforeValidator(_part), PlainSerializer(_json)]
Parts = Annotated[tuple[Part, ...], Field(min_length=1)]


def _listed(parts: tuple[Constraint, ...]) -> str:
    return " ".join(f"{{{part.describe()}}}" for part in parts)


def in_braces(part: Constraint) -> str:
    """A part as the end of a sentence that states something of it."""
    return f": {{{part.describe()}}}"


class _Nesting(Constraint):
    """What is made of other constraints, `DEEPEST` levels at most."""

    @model_validator(mode="after")
    def _not_too_deep(self) -> Self:
        if _levels(self) > DEEPEST:
            raise ValueError(f"combinations nest more than {DEEPEST} levels deep")
        return self


class OfOne(_Nesting):
    """What says something of one other constraint."""

    of: Part

    def under(self, profile: Profile) -> Self:
        return self.model_copy(update={"of": self.of.under(profile), "profile": profile})


class _Combination(_Nesting):
    """What `AllOf` and `AnyOf` share."""

    of: Parts

    def under(self, profile: Profile) -> Self:
        of = tuple(part.under(profile) for part in self.of)
        return self.model_copy(update={"of": of, "profile": profile})


@register
class AllOf(_Combination):
    """Every part is met."""

    kind: ClassVar[str] = "all_of"

    def describe(self) -> str:
        return f"Do all of the following: {_listed(self.of)}"

    def monitor(self) -> Monitor:
        return _PartsMonitor(self.of, decisive=BROKEN)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        words, terms, case = sample_parts()
        return cls(of=(words, terms)), cls(of=(Not(of=terms), AnyOf(of=(words, case))))


@register
class AnyOf(_Combination):
    """At least one part is met."""

    kind: ClassVar[str] = "any_of"

    def describe(self) -> str:
        return f"Do at least one of the following: {_listed(self.of)}"

    def monitor(self) -> Monitor:
        return _PartsMonitor(self.of, decisive=HOLDS)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        words, terms, case = sample_parts()
        return cls(of=(words, terms)), cls(of=(case, AllOf(of=(words, Not(of=terms)))))


def sample_parts() -> tuple[Constraint, Constraint, Constraint]:
    """A length, a term and a case, to show combinations of."""
    return tuple(
        from_json(record)
        for record in (
            {"kind": "length.words", "at_most": 2},
            {"kind": "contains.terms", "terms": ["sea"]},
            {"kind": "case.letters", "case": "lower"},
        )
    )  # type: ignore[return-value]  # three go in, three come out


_SWAPPED = {HOLDS: BROKEN, BROKEN: HOLDS, OPEN: OPEN, UNSURE: UNSURE}


@register
class Not(OfOne):
    """The part is not met; UNSURE where it is UNSURE."""

    kind: ClassVar[str] = "not"

    def describe(self) -> str:
        return f"Do the opposite of: {_listed((self.of,))}"

    def monitor(self) -> Monitor:
        return _NotMonitor(self.of)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        words, terms, case = sample_parts()
        return cls(of=words), cls(of=terms), cls(of=cls(of=case))


class _NotMonitor(Monitor):
    def __init__(self, part: Constraint) -> None:
        super().__init__()
        self._part = part.monitor()
        self._follow()

    def fork(self) -> Self:
        other = super().fork()
        other._part = self._part.fork()
        return other

    def standing(self) -> Verdict:
        return _SWAPPED[self._part.standing()]

    def unsettled(self) -> int:
        return self._part.awaited()

    def awaited(self) -> int:
        return self._part.unsettled()

    def _read(self, chunk: str) -> None:
        self._part.feed(chunk)
        self._follow()

    def _follow(self) -> None:
        if self._part.verdict.decided:
            assert self._part.at is not None
            self._decide(_SWAPPED[self._part.verdict], self._part.at - self.length)

    def _conclude(self) -> Check:
        check = self._part.close()
        return Check(_SWAPPED[check.verdict], f"not: {check.reason}", check.found, f"not: {check.wanted}", check.spans)


class _PartsMonitor(Monitor):
    """Watches the parts; one part with the `decisive` verdict settles it, the opposite takes them all."""

    def __init__(self, parts: tuple[Constraint, ...], decisive: Verdict) -> None:
        super().__init__()
        self._parts = tuple(part.monitor() for part in parts)
        self._decisive = decisive
        self._follow()

    def fork(self) -> Self:
        other = super().fork()
        other._parts = tuple(part.fork() for part in self._parts)
        return other

    def standing(self) -> Verdict:
        return self._together([part.standing() for part in self._parts])

    def unsettled(self) -> int:
        return max(part.unsettled() for part in self._parts)

    def awaited(self) -> int:
        return max(part.awaited() for part in self._parts)

    def _together(self, verdicts: list[Verdict]) -> Verdict:
        """The verdict at the end, from those of the parts at the end."""
        if self._decisive in verdicts:
            return self._decisive
        return UNSURE if UNSURE in verdicts else _SWAPPED[self._decisive]

    def wanted(self) -> Wanted:
        if self.fork().close().met:
            return Wanted()
        wanted = [part.wanted() for part in self._parts]
        # what may stand anywhere first: what must end the text would not end it if something followed
        anywhere = tuple(piece for one in wanted if not one.at_end for piece in one.pieces)
        return Wanted(anywhere) if anywhere else next((one for one in wanted if one.pieces), Wanted())

    def _read(self, chunk: str) -> None:
        for part in self._parts:
            part.feed(chunk)
        self._follow()

    def _follow(self) -> None:
        if self.verdict is not OPEN:
            return
        settled = [part.at for part in self._parts if part.verdict is self._decisive and part.at is not None]
        opposed = [part.at for part in self._parts if part.verdict is _SWAPPED[self._decisive] and part.at is not None]
        if settled:
            self._decide(self._decisive, min(settled) - self.length)
        elif len(opposed) == len(self._parts):
            self._decide(_SWAPPED[self._decisive], max(opposed) - self.length)

    def _conclude(self) -> Check:
        checks = [part.close() for part in self._parts]
        met = sum(1 for check in checks if check.met)
        settling = [check for check in checks if check.verdict is self._decisive]
        unsure = [check for check in checks if check.verdict is UNSURE]
        verdict = self._together([check.verdict for check in checks])
        telling = settling or unsure or checks
        spans: tuple[Span, ...] = tuple(span for check in telling for span in check.spans)[:MOST_SPANS]
        wanted = "all of them" if self._decisive is BROKEN else "any of them"
        return Check(verdict, "; ".join(check.reason for check in telling), met, wanted, spans)
