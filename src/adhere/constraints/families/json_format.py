"""JSON: the answer is one JSON object or array, bare or in one Markdown fence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator

from adhere.constraints.constraint import BROKEN, HOLDS, AtEnd, Check, Constraint, Monitor, Span, Wanted
from adhere.constraints.families.terms import quoted
from adhere.constraints.reading.json_reader import JsonReader
from adhere.constraints.registry import register


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


_FENCES = ("```json", "```Json", "```JSON", "```")
WANTED = "one JSON object or array"


@register
class Json(Constraint):
    """The answer is JSON, whole and alone; an object, where it must have keys.

    The reference takes any JSON value ("true", "12"), NaN and Infinity, and strips fences that do not match. Nesting
    too deep for its parser is a crash there and not followed here.
    """

    kind: ClassVar[str] = "format.json"
    empty_meets: ClassVar[bool] = True
    skill: ClassVar[str | None] = "json"
    decides_early: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = (
        "{", "}", "[", "]", '"a"', '"', ":", ",", "1", "\\", "0041", "true", "rue", "ue", "e", "```", "json",
        "\n", '":1}', ":1}", "}]", "]}", "]]", "}}", "1}", "1]", "x", '"name":1,"a":1,"b":1}', ',"name":1,"a":1,"b":1}',
        '{"name":1,"a":1,"b":1}', '":1,"name":1,"a":1,"b":1}', ':1,"name":1,"a":1,"b":1}',
        '1,"name":1,"a":1,"b":1}', '\n{"name":1,"a":1,"b":1}',
    )  # fmt: skip

    keys: Annotated[tuple[str, ...], AfterValidator(_distinct)] = ()

    def describe(self) -> str:
        if not self.keys:
            return "Answer in valid JSON."
        return f"Answer in valid JSON with the {'key' if len(self.keys) == 1 else 'keys'} {quoted(self.keys)}."

    def monitor(self) -> Monitor:
        return AtEnd(self._by_reference) if self.profile == "reference" else _JsonMonitor(self.keys)

    def _by_reference(self, text: str) -> Check:
        text = text.strip()
        for fence in _FENCES:
            text = text.removeprefix(fence)
        try:
            value = json.loads(text.removesuffix("```").strip())
        except (ValueError, RecursionError) as error:
            return Check(BROKEN, f"not JSON: {error}", wanted="JSON")
        missing = tuple(key for key in self.keys if not isinstance(value, dict) or key not in value)
        if missing:
            return Check(BROKEN, f"{quoted(missing)} missing", wanted="JSON")
        return Check(HOLDS, "the text is JSON", wanted="JSON")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return cls(), cls(keys=("name",)), cls(keys=("a", "b"))

    @classmethod
    def induce(cls, text: str) -> Iterator[Self]:
        reader = JsonReader()
        if reader.read(text) is None and reader.complete:
            yield cls()


class _JsonMonitor(Monitor):
    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__()
        self._keys = keys
        self._reader = JsonReader(keys)
        self._found = ""

    def fork(self) -> Self:
        other = super().fork()
        other._reader = self._reader.fork()
        return other

    def wanted(self) -> Wanted:
        if self.verdict is BROKEN:
            return Wanted()
        missing = [json.dumps(key, ensure_ascii=False) for key in self._keys if key in self._reader.missing]
        # behind a value, and behind the comma that follows one
        return Wanted(tuple(piece for key in missing for piece in (f", {key}:", f" {key}:")))

    def _read(self, chunk: str) -> None:
        if self.verdict is not BROKEN:
            at = self._reader.read(chunk)
            if at is not None:
                self._found = chunk[at - 1]
                self._decide(BROKEN, at)

    def _conclude(self) -> Check:
        reader = self._reader
        wanted = WANTED if not self._keys else f"one JSON object with {quoted(self._keys)}"
        if self.at is not None:
            spans = (Span(self.at - 1, self.at),)
            if reader.lacks:
                missing = tuple(key for key in self._keys if key in reader.missing)
                return Check(BROKEN, f"{quoted(missing)} missing", wanted=wanted, spans=spans)
            reason = f"expected {reader.expected}, found {self._found!r}"
            return Check(BROKEN, reason, found=self._found, wanted=wanted, spans=spans)
        if not reader.complete:
            return Check(BROKEN, f"unfinished: expected {reader.expected}", wanted=wanted)
        return Check(HOLDS, f"the text is {wanted}", wanted=wanted)
