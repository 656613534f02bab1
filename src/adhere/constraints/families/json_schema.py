"""JSON Schema: the answer is one JSON value that a schema allows."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar, Self

from pydantic import field_serializer, field_validator

from adhere.constraints.constraint import BROKEN, HOLDS, UNSURE, Check, Constraint, Monitor, Span, Verdict
from adhere.constraints.reading.json_reader import JsonReader
from adhere.constraints.reading.json_schema import Evaluator, TooCostly, checked, evaluator, names
from adhere.constraints.reading.json_schema_parts import Part, whole
from adhere.constraints.registry import register

Chain = tuple["Chain", str] | None
"""A text in pieces, the last first: it grows in constant time, and to fork is to keep it."""


def _text(chain: Chain) -> str:
    pieces = []
    while chain is not None:
        chain, piece = chain
        pieces.append(piece)
    return "".join(reversed(pieces))


@register
class JsonSchema(Constraint):
    """The answer is one JSON value, whole and alone, that a JSON Schema allows (draft 2020-12 unless `$schema` names
    another).

    While it is written, the verdict is BROKEN at the first character after which it is no JSON; a value begins that has
    another type; an object gets a key that it may not have, or closes without one that it must have; an array begins an
    item too many; or a text, number or literal ends that its part of the schema refuses. Everything else is judged at
    the end. UNSURE where the evaluation would be too costly.

    json_schema: the schema, an object (or true or false).
    fence: whether it may stand in one Markdown fence, as people expect of a chat; not so where a program reads it.
    """

    kind: ClassVar[str] = "format.json_schema"
    empty_meets: ClassVar[bool] = True
    pieces: ClassVar[tuple[str, ...]] = (
        "{", "}", "[", "]", '"name"', '"age"', ":", ",", "1", "1.5", "-2", "true", "null", '"x"', "```json\n", "\n```",
        '{"name": "x"}', '{"name": "x", "age": 3}', '["a", "b"]', '"other": 1', '"red"',
    )  # fmt: skip
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\bJSON (?:\w+ ){0,4}(?:JSON )?schema:? ?`?(?P<schema>\{[^\n]{1,20000}\})", re.I),
    )

    json_schema: str
    fence: bool = True

    @field_validator("json_schema", mode="before")
    @classmethod
    def _canonical(cls, schema: Any) -> str:
        if isinstance(schema, str):
            try:
                schema = json.loads(schema)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"the JSON Schema is no JSON: {error}") from None
        return json.dumps(checked(schema), ensure_ascii=False, separators=(",", ":"))

    @field_serializer("json_schema")
    def _as_object(self, schema: str) -> Any:
        return json.loads(schema)

    def describe(self) -> str:
        return f"Answer in JSON that follows this JSON schema: `{self.json_schema}`"

    def monitor(self) -> Monitor:
        return _SchemaMonitor(evaluator(self.json_schema), self.fence)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        person = {
            "type": "object",
            "properties": {"name": {"type": "string", "maxLength": 3}, "age": {"type": "integer", "minimum": 0}},
            "required": ["name"],
            "additionalProperties": False,
        }
        return (
            cls(json_schema=person),  # type: ignore[arg-type]  # the validator takes objects
            cls(json_schema={"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2}),  # type: ignore[arg-type]
            cls(json_schema={"type": ["integer", "null"]}),  # type: ignore[arg-type]
        )

    @classmethod
    def read(cls, match: re.Match[str]) -> Self | None:
        try:
            schema, _ = json.JSONDecoder().raw_decode(match["schema"])
            return cls(json_schema=schema)
        except (ValueError, RecursionError):
            return None


class _SchemaReader(JsonReader):
    """Reads JSON of any type, and follows the schema as far as it can be told."""

    def __init__(self, part: Part | None, fence: bool) -> None:
        super().__init__()
        self._fence_allowed = fence
        self._part = part
        """Of the value that comes next."""
        self._frames: tuple[Any, Part | None, frozenset[str], int] | None = None
        """Per open object or array: the outer ones, its part, the keys still required, the items begun."""
        self._raw: Chain = None
        """The key, text, number or literal being read, where it matters."""
        self._kept = False
        self.refused: str | None = None
        """Why the schema refuses what was read."""
        self.to_judge: tuple[str, Part] | None = None
        """A scalar that ended, for the monitor to judge."""

    @property
    def complete(self) -> bool:
        return super().complete or (self._frames is None and self.state in ("zero", "integer", "fraction", "power"))

    def _start(self, c: str) -> bool:
        return (c != "`" or self._fence_allowed) and super()._start(c)

    def _root(self, c: str) -> bool:
        return self._value(c)

    def _value(self, c: str) -> bool:
        frames, part = self._frames, self._part
        if frames is not None and self._stack is not None and self._stack[1] == "[":
            outer, array, required, index = frames
            if array is not None and array.most is not None and index >= array.most:
                self.refused = f"more than {array.most} items"
                return False
            part = array.item(index) if array is not None else None
            self._frames = (outer, array, required, index + 1)
        if not super()._value(c):
            return False
        if part is not None and not part.allows(c):
            wanted = " or ".join(sorted(part.types or ())) or "nothing"
            self.refused = f"a value of another type: {wanted} wanted"
            return False
        if c in "{[":
            self._frames = (self._frames, part, part.required if part is not None and c == "{" else frozenset(), 0)
        else:
            self._part = part
            self._kept = part is not None and (part.judged or part.types is not None)
            self._raw = (None, c) if self._kept else None
        return True

    def _key(self, c: str) -> bool:
        if not super()._key(c):
            return False
        part = self._frames[1] if self._frames else None
        self._kept = part is not None
        self._raw = (None, c) if self._kept else None
        return True

    def _collect(self, piece: str) -> None:
        if self._kept and piece:
            self._raw = (self._raw, piece)

    def _step(self, c: str) -> bool:
        before = self.state
        if before in ("string", "escape", "hex"):
            if c == '"' and before == "string":
                self._collect(c)
                return self._string_ended()
        elif self._kept and before not in ("start", "root", "value", "first", "member", "key", "after", "colon"):
            in_number = before in ("minus", "zero", "integer", "point", "fraction", "exponent", "sign", "power")
            if not in_number or c in "0123456789.eE+-":
                self._collect(c)
        return super()._step(c)

    def _string_ended(self) -> bool:
        if not self._is_key:
            self._ended()
            return True
        self.state = "colon"
        frames = self._frames
        part = frames[1] if frames else None
        self._part = None
        if self._kept and part is not None and frames is not None:
            try:
                key = json.loads(_text(self._raw), strict=False)
            except ValueError:
                key = None
            if isinstance(key, str):
                if not part.knows(key):
                    self.refused = f"the key {key[:80]!r} is not among the properties"
                    return False
                self._part = part.member(key)
                self._frames = (frames[0], part, frames[2] - {key}, frames[3])
        self._kept, self._raw = False, None
        return True

    def _ended(self) -> None:
        if self._kept and self._part is not None:
            self.to_judge = _text(self._raw), self._part
        self._kept, self._raw = False, None
        self.state = "after" if self._stack else "done"

    def _closes(self) -> bool:
        if self._frames is not None:
            if self._stack is not None and self._stack[1] == "{" and self._frames[2]:
                self.refused = f"{names(self._frames[2])} missing"
                return False
            self._frames = self._frames[0]
        return super()._closes()

    def last_scalar(self) -> tuple[str, Part] | None:
        """The number that the text ends with, where it is the whole value."""
        if self._kept and self._part is not None and self.state in ("zero", "integer", "fraction", "power"):
            return _text(self._raw), self._part
        return None


class _SchemaMonitor(Monitor):
    def __init__(self, judge: Evaluator, fence: bool) -> None:
        super().__init__()
        self._judge = judge
        self._reader = _SchemaReader(whole(judge.schema), fence)
        self._chunks: Chain = None
        self._problem = ""

    def fork(self) -> Self:
        other = super().fork()
        other._reader = self._reader.fork()
        return other

    def standing(self) -> Verdict:
        if self.verdict is BROKEN or not self._reader.complete:
            return BROKEN
        return UNSURE  # the value is judged whole, once

    def _read(self, chunk: str) -> None:
        if self.verdict is BROKEN:
            return
        self._chunks = (self._chunks, chunk)
        reader = self._reader
        start = 0
        while start < len(chunk):
            # a scalar is judged where it ends, before anything behind it is read
            end = _scalar_end(chunk, start)
            at = reader.read(chunk[start:end])
            if at is not None:
                expected = f"expected {reader.expected}, found {chunk[start + at - 1]!r}"
                self._break(reader.refused or expected, start + at)
                return
            if reader.to_judge is not None:
                raw, part = reader.to_judge
                reader.to_judge = None
                problem = self._scalar_problem(raw, part)
                if problem:
                    self._break(problem, end)
                    return
            start = end

    def _scalar_problem(self, raw: str, part: Part) -> str | None:
        try:
            return self._judge.problem(json.loads(raw, strict=False), len(raw), part.schema)
        except (TooCostly, ValueError):
            return None  # judged with the whole, at the end

    def _break(self, problem: str, at: int) -> None:
        self._problem = problem
        self._decide(BROKEN, at)

    def _conclude(self) -> Check:
        wanted = "JSON that the schema allows"
        if self.at is not None:
            return Check(BROKEN, self._problem, wanted=wanted, spans=(Span(max(0, self.at - 1), self.at),))
        if not self._reader.complete:
            return Check(BROKEN, f"unfinished: expected {self._reader.expected}", wanted=wanted)
        text = _text(self._chunks)
        try:
            problem = self._judge.problem(json.loads(_unfenced(text)), len(text))
        except (TooCostly, RecursionError, ValueError):
            return Check(UNSURE, "the value is too large or too deep to be judged by this schema", wanted=wanted)
        if problem:
            return Check(BROKEN, problem, wanted=wanted)
        return Check(HOLDS, "the schema allows the value", wanted=wanted)


_ENDS_SCALAR = re.compile(r'["\s,\]}el]')


def _scalar_end(chunk: str, start: int) -> int:
    """Up to where a chunk is read before a scalar may have ended: one character beyond each sign that can end one."""
    match = _ENDS_SCALAR.search(chunk, start)
    return len(chunk) if match is None else match.end()


def _unfenced(text: str) -> str:
    text = text.strip()
    if not text.startswith("```"):
        return text
    return text.split("\n", 1)[-1].removesuffix("```")
