"""What is fuzzed: readers of files, logs, policies, charters, streams, requests, constraints and answers.

A target takes bytes. It may return, or raise what its reader documents (`UserError` and the like). Everything else is a
finding: another exception, or more than `SECONDS` of processor time or `MEMORY` bytes for one input.
"""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adhere.core.errors import UserError
from adhere.core.reading import parse_json

SECONDS = 5.0
MEMORY = 4 << 30
LONGEST = 20_000  # bytes of an input


@dataclass(frozen=True)
class Target:
    """A reader under test.

    Attributes:
        read: takes the input.
        seeds: inputs that it accepts, or nearly.
        allowed: exceptions that it documents.
    """

    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    allowed: tuple[type[BaseException], ...] = (UserError,)


@contextmanager
def _file(data: bytes, suffix: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"input{suffix}"
        path.write_bytes(data)
        yield path


def _responses(data: bytes) -> None:
    from adhere.measure.adherence.responses import read
    from adhere.measure.files.line import Line
    from adhere.measure.files.streams import lines

    with _file(data, ".jsonl") as path:
        for line in lines(path):
            if isinstance(line, Line):
                try:
                    read(line)
                except UserError:
                    continue


def _findings(data: bytes) -> None:
    from adhere.core.findings import read

    with _file(data, ".json") as path:
        read(path)


def _problems(data: bytes) -> None:
    from adhere.problems.loading import load

    with _file(data, ".jsonl") as path:
        load(path)


def _rows(data: bytes) -> None:
    from adhere.train.rows import read_rows

    with _file(data, ".jsonl") as path:
        read_rows(path)


def _policy(data: bytes) -> None:
    from adhere.gateway.policy.policy import load

    with _file(data, ".yaml") as path:
        load(path)


def _charter(data: bytes) -> None:
    from adhere.warden.charter.charter import Charter

    Charter.from_bytes(data, "input")


def _rules(data: bytes) -> None:
    from adhere.warden.acts.acts import rules_from

    rules_from(data.decode("utf-8", "replace"), "input")


def _canonical(data: bytes) -> None:
    from adhere.warden.canonical import loads

    loads(data, "input")


def _stream(data: bytes) -> None:
    from adhere.gateway.upstream.client import dialect
    from adhere.gateway.wire.sse import Reader

    for name in ("chat", "messages"):
        reading = dialect(name).reading()
        reader = Reader()
        for start in range(0, len(data), 97):
            for sent in reader.feed(data[start : start + 97]):
                for _ in reading.sent(sent):
                    pass


def _whole_answer(data: bytes) -> None:
    from adhere.gateway.upstream.client import dialect

    body = parse_json(data)
    if isinstance(body, dict):
        for name in ("chat", "messages"):
            list(dialect(name).reading().whole(body))


def _request(data: bytes) -> None:
    from adhere.gateway.wire import chat, completions, messages, responses

    body = parse_json(data)
    if isinstance(body, dict):
        for wire in (chat, completions, messages, responses):
            try:
                wire.read(body)
            except _unreadable():
                continue


def _constraint(data: bytes) -> None:
    from adhere.constraints.registry import from_json

    record = parse_json(data)
    if isinstance(record, dict):
        from_json(record).check("One text, and no more than that.")


def _instruction(data: bytes) -> None:
    import adhere

    text = data.decode("utf-8", "replace")
    adhere.parse(text)


def _answer_text(data: bytes) -> None:
    from adhere.constraints.registry import from_json

    text = data.decode("utf-8", "replace")
    for record in (
        {"kind": "length.words", "at_most": 5},
        {"kind": "format.json"},
        {"kind": "contains.terms", "terms": ["sea"]},
    ):
        from_json(record).check(text)


def _math(data: bytes) -> None:
    from adhere.problems.expression_size import is_too_large
    from adhere.problems.mathematics import equations, plain_value, read_answer

    text = data.decode("utf-8", "replace")
    equations(text)
    plain_value(text)
    is_too_large(read_answer(text) or "")


def _program(data: bytes) -> None:
    from adhere.problems.source import read_program
    from adhere.problems.tampering import can_be_apart, suspicion

    text = data.decode("utf-8", "replace")
    program = read_program(text, "f", "def f(x):\n    ''' '''\n") or text
    suspicion(program, (program,))
    can_be_apart((program,), (), "f", "")


def _sandbox_value(data: bytes) -> None:
    from adhere.problems.sandbox.values import decode

    decode(data)


def _ledger(data: bytes) -> None:
    from adhere.warden.ledger.verify import verify

    with _file(data, ".sqlite") as path:
        verify(path)


def _unreadable() -> tuple[type[BaseException], ...]:
    from adhere.gateway.exchange import Unreadable
    from adhere.gateway.upstream.dialect import UpstreamError

    return Unreadable, UpstreamError, UserError


def _packed(*rows: bytes) -> tuple[bytes, ...]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({"version": 2, "status": "success", "eval": {"model": "m"}}))
        archive.writestr("samples/a_epoch_1.json", json.dumps({"id": "a", "epoch": 1, "input": "hi", "target": ""}))
    return buffer.getvalue(), gzip.compress(b"\n".join(rows))


def _json(*records: Any) -> tuple[bytes, ...]:
    return tuple(json.dumps(record).encode() for record in records)


def targets() -> dict[str, Target]:
    """Every target by its name. Seeds are small, so that mutations meet structure."""
    row = b'{"key": 1, "prompt": "Write a poem in all lowercase.", "response": "the sea", "model": "m"}'
    constraint = {"kind": "length.words", "at_most": 50}
    chat = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True, "max_tokens": 5}
    policy = b"""routes:
  - name: all
    models: ["*"]
    upstream: {url: "http://localhost:1/v1", dialect: chat}
    constraints: [{kind: length.words, at_most: 50}]
    handling: repair
clients: []
monitors: {}
"""
    chunk = b'data: {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": null}]}\n\ndata: [DONE]\n\n'
    anthropic = b'event: message_start\ndata: {"type": "message_start", "message": {"usage": {"input_tokens": 1}}}\n\n'
    unreadable = (*_unreadable(), ValueError)
    finding = {"what": "adherence.prompt.strict", "estimate": 0.5, "interval": [0.4, 0.6], "n": 3}
    return {
        "responses": Target(_responses, (row, b"[" + row + b"]", b"prompt,response\nhi,there\n", *_packed(row))),
        "findings": Target(_findings, _json({"adhere": "0", "findings": [finding]})),
        "problems": Target(_problems, _json({"question": "1+1?", "answer": "2 #### 2"}, {"task_id": 1, "text": "t"})),
        "rows": Target(_rows, _json({"prompt": "hi", "constraints": [constraint]})),
        "policy": Target(_policy, (policy, b"a: &a [1]\nb: *a\n", b"routes: []")),
        "charter": Target(_charter, _json({"signatures": [], "signed": {"_type": "charter", "version": 1}})),
        "rules": Target(_rules, _json([{"tools": ["read_*"], "effect": "allow"}])),
        "canonical": Target(_canonical, _json({"a": [1, "b", None]})),
        "stream": Target(_stream, (chunk, anthropic), unreadable),
        "whole answer": Target(
            _whole_answer, _json({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}), unreadable
        ),
        "request": Target(_request, _json(chat, {**chat, "constraints": [constraint]}), unreadable),
        "constraint": Target(
            _constraint,
            _json(
                constraint, {"kind": "not", "constraint": constraint}, {"kind": "format.json_schema", "json_schema": {}}
            ),
            (UserError, ValueError),
        ),
        "instruction": Target(_instruction, (b"Answer in under 50 words, without commas, and end with 'sea'.",)),
        "answer text": Target(_answer_text, (b'{"a": [1, 2]}', b"The sea is wide. It is blue.")),
        "math": Target(_math, (rb"So \boxed{\frac{1}{2}}", b"#### 18", b"3 + 4 = 7, the answer is $7.00")),
        "program": Target(
            _program, (b"```python\ndef f(x):\n    return x\n```", b"class A:\n  def __eq__(s, o): pass")
        ),
        "sandbox value": Target(_sandbox_value, (b'{"dict": [["a", {"tuple": [1]}]]}',), (ValueError,)),
        "ledger": Target(_ledger, (b"SQLite format 3\x00" + bytes(84),)),
    }
