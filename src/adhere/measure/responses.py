"""Reads saved responses, in the forms people have, one JSON object per line, plain or gzipped.

    ours         {"prompt": ..., "response": ..., "constraints": [{"kind": "length.words", "at_most": 50}]}
    benchmark    {"key": ..., "prompt": ..., "instruction_id_list": [...], "kwargs": [...], "response": ...}
    apart        {"key" or "prompt": ..., "response": ...}, with a prompts file in either form to join it with
    lm-eval      {"doc": {benchmark}, "resps": [["..."]]}: what its --log_samples writes
    batch        {"custom_id": ..., "response": {"body": {"choices": [...]}}}: what OpenAI's batch API returns

Rules.

- A response is a string, a list of content parts, or a chat message; reasoning is taken out (`constraints.reasoning`).
- An empty response is a legal answer: it is scored, follows nothing, and is counted apart.
- The model's name is the field "model", or else the file's name. The prompt's identity is "key" or "id", or else a
  digest of its text. "epoch" tells several responses to one prompt apart.
- What is wrong with a line is said in one line that names the field; `lines` and `read` never let another error out.
- Streaming: of a file one line is held, and none longer than `limit` bytes; the rest of such a line is passed over.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn, cast

from adhere.constraints.reasoning import Answer, answer, answer_from_parts
from adhere.constraints.registry import nearest
from adhere.errors import UserError
from adhere.measure.journal import Bad

LIMIT = 16_000_000
"""Bytes of the longest line that is read: some 3,000 pages. What is longer is no answer but an accident."""

_CUT = frozenset({"length", "max_tokens", "model_length", "MAX_TOKENS"})
"""What model providers call an answer that ended because its tokens ran out."""


class Line(NamedTuple):
    """A line as it stands in a file."""

    file: str
    number: int
    raw: bytes
    digest: str
    """Of the file's bytes up to the end of this line."""


class Asked(NamedTuple):
    """One instruction of a prompt, not yet understood."""

    asked_as: str | None
    """A benchmark's instruction id; None where `parameters` is a constraint in our own format."""
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and what it asks for. `messages`, as (role, content), are how it is asked live where the instructions
    stand apart from the task (RealGuardrails' `sys_ifeval`); empty where the prompt is asked as it is."""

    prompt_id: str
    prompt: str
    asked: tuple[Asked, ...]
    messages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """A model's response to a question, its reasoning taken out."""

    model: str
    question: Question
    epoch: int
    answer: Answer
    cut: bool
    """Whether its maker says that its tokens ran out."""


@dataclass(slots=True)
class Prompts:
    """Questions by their id and by their text."""

    by_id: dict[str, Question] = field(default_factory=dict)
    by_text: dict[str, Question] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | os.PathLike[str], limit: int = LIMIT) -> Prompts:
        """The questions in a file of prompts, ours or a benchmark's.

        Raises:
            UserError: the file or a line in it cannot be read; a key stands there twice.
        """
        prompts = cls()
        for line in lines(path, limit):
            if isinstance(line, Bad):
                raise UserError(str(line))
            try:
                question = question_of(_object(line.raw, line.number))
                if question is None:
                    raise UserError('missing field: "constraints", or "instruction_id_list" and "kwargs"')
                if question.prompt_id in prompts.by_id:
                    raise UserError(f"duplicate key: {question.prompt_id}")
            except UserError as error:
                raise UserError(f"{line.file}:{line.number}: {error}") from None
            prompts.by_id[question.prompt_id] = question
            if question.prompt:
                prompts.by_text[question.prompt] = question
        if not prompts.by_id:
            raise UserError(f"{path}: no prompts in it")
        return prompts


def lines(
    path: str | os.PathLike[str], limit: int = LIMIT, advanced: Callable[[int], None] | None = None
) -> Iterator[Line | Bad]:
    """The lines of a file that hold something, and what could not be read.

    `advanced` is told how many bytes of the file (as it lies on disk) have been read so far.
    """
    name = os.fspath(path)
    number = 0
    digest = hashlib.blake2b(digest_size=8)
    try:
        with open(path, "rb") as disk:
            packed = name.endswith(".gz")
            file = cast(BinaryIO, gzip.GzipFile(fileobj=disk)) if packed else disk
            while raw := file.readline(limit + 1):
                number += 1
                digest.update(raw)
                whole = len(raw)
                while len(raw) > limit and not raw.endswith(b"\n"):
                    raw = file.readline(limit + 1)
                    digest.update(raw)
                    whole += len(raw)
                    if not raw:
                        break
                if advanced is not None:
                    advanced(disk.tell())
                if whole > limit + 1:
                    yield Bad(name, number, f"a line of {whole:,} bytes; the most is {limit:,}", digest.hexdigest())
                elif not raw.isspace():
                    yield Line(name, number, raw, digest.hexdigest())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield Bad(name, number + 1, f"damaged gzip file ({error})", digest.hexdigest())
    except OSError as error:
        yield Bad(name, number + 1 if number else 0, error.strerror or str(error), digest.hexdigest())


@lru_cache(maxsize=256)
def model_of(path: str) -> str:
    """A model's name from its file's: "meta__llama-3.jsonl.gz" holds responses of meta/llama-3."""
    name = Path(path).name
    for ending in (".gz", ".jsonl", ".json", ".ndjson"):
        name = name.removesuffix(ending)
    return name.replace("__", "/") or path


def read(line: Line, prompts: Prompts | None = None) -> list[Response]:
    """The responses in a line: one, or several where a sampler kept its repeats together.

    Raises:
        UserError: what is wrong with the line; the place is not in it.
    """
    record = _object(line.raw, line.number)
    question = question_of(record) or _joined(record, prompts)
    model = record.get("model")
    if model is not None and not isinstance(model, str):
        _wrong("model", "a string", model)
    epoch = record.get("epoch", 1)
    if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 1:
        _wrong("epoch", "a number from 1", epoch)
    said = _said(record)
    if len(said) > 1 and "epoch" in record:
        raise UserError('"epoch" stands beside several responses')
    reason = record.get("finish_reason", record.get("stop_reason"))
    return [
        Response(model or model_of(line.file), question, epoch + k, *_answer(value, reason in _CUT))
        for k, value in enumerate(said)
    ]


class _Duplicate(Exception):
    pass


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Duplicate(next(name for k, name in enumerate(names) if name in names[:k]))
    return record


_DECODER = json.JSONDecoder(object_pairs_hook=_distinct)


def _object(raw: bytes, number: int = 0) -> dict[str, Any]:
    """The JSON object that a line is."""
    if number == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in raw:
        raise UserError(f"NUL byte at byte {raw.index(0) + 1} (a file in UTF-16, or a damaged one?)")
    try:
        record = _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8: byte 0x{raw[error.start]:02x} at byte {error.start + 1}") from None
    except _Duplicate as error:
        raise UserError(f"duplicate key: {json.dumps(error.args[0])} stands twice in one object") from None
    except RecursionError:
        raise UserError("JSON nested too deep") from None
    except json.JSONDecodeError as error:
        raise UserError(f"not JSON: {error.msg} at column {error.colno}") from None
    except ValueError as error:
        raise UserError(f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise UserError(f"{_kind_of(record)}, not an object; the file needs one JSON object per line")
    return record


def _kind_of(value: object) -> str:
    names = {
        str: "a string",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null")


def _wrong(name: str, wanted: str, value: object) -> NoReturn:
    raise UserError(f'"{name}" must be {wanted}, not {_kind_of(value)}')


def _identity(record: Mapping[str, Any]) -> str | None:
    for name in ("key", "id", "prompt_id", "custom_id"):
        value = record.get(name)
        if value is not None:
            if isinstance(value, (bool, float)) or not isinstance(value, (str, int)):
                _wrong(name, "a string or a whole number", value)
            return str(value)
    return None


def _prompt(record: Mapping[str, Any]) -> str:
    value = record.get("prompt")
    if value is not None and not isinstance(value, str):
        _wrong("prompt", "a string", value)
    return value or ""


def question_of(record: Mapping[str, Any]) -> Question | None:
    """The question in a record; None where the record does not say what is asked for."""
    document = record.get("doc")
    if isinstance(document, dict):
        record = document
    asked = _asked(record)
    if asked is None:
        return None
    prompt, identity = _prompt(record), _identity(record)
    if identity is None:
        if not prompt:
            raise UserError('missing field: "prompt" (or a "key")')
        identity = hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return Question(identity, prompt, asked, _messages(record))


def _messages(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """A conversation that ends with the user, if the record has one; any other is an answer's, and not asked."""
    value = record.get("messages")
    if not isinstance(value, list) or not value:
        return ()
    said = [(one.get("role"), one.get("content")) for one in value if isinstance(one, dict)]
    texts = [(role, text) for role, text in said if role in ("system", "user") and isinstance(text, str)]
    return tuple(texts) if len(texts) == len(value) and texts[-1][0] == "user" else ()


def _asked(record: Mapping[str, Any]) -> tuple[Asked, ...] | None:
    if "constraints" in record:
        constraints = record["constraints"]
        if not isinstance(constraints, list):
            _wrong("constraints", "a list", constraints)
        for k, entry in enumerate(constraints):
            if not isinstance(entry, dict):
                _wrong(f"constraints[{k}]", "an object", entry)
        if not constraints:
            raise UserError('"constraints" is empty: the prompt asks for nothing')
        return tuple(Asked(None, entry) for entry in constraints)
    if "instruction_id_list" not in record:
        return None
    names, kwargs = record["instruction_id_list"], record.get("kwargs")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError('"instruction_id_list" must be a list of instruction ids, not empty')
    if kwargs is None:
        raise UserError('missing field: "kwargs" beside "instruction_id_list"')
    if not isinstance(kwargs, list):
        _wrong("kwargs", "a list", kwargs)
    if len(kwargs) != len(names):
        raise UserError(f'"kwargs" has {len(kwargs)} entries for {len(names)} instructions')
    for k, entry in enumerate(kwargs):
        if entry is not None and not isinstance(entry, dict):
            _wrong(f"kwargs[{k}]", "an object", entry)
    # copies on the Hub fill every argument of every instruction in, with null where it has none
    return tuple(
        Asked(name, {key: value for key, value in (entry or {}).items() if value is not None})
        for name, entry in zip(names, kwargs, strict=True)
    )


def _joined(record: Mapping[str, Any], prompts: Prompts | None) -> Question:
    """The question in the prompts file that a record answers."""
    identity, prompt = _identity(record), _prompt(record)
    if prompts is None:
        raise UserError('missing field: "constraints", or "instruction_id_list" and "kwargs" (or give --prompts FILE)')
    if identity is not None:
        found = prompts.by_id.get(identity)
        if found is not None:
            return found
    if prompt:
        found = prompts.by_text.get(prompt)
        if found is not None:
            return found
    if identity is not None:
        hint = nearest(identity, prompts.by_id) if len(prompts.by_id) <= _FEW else ""
        raise UserError(f"no prompt has the key {identity}{hint}")
    if prompt:
        raise UserError("its prompt is not in the prompts file")
    raise UserError('missing field: "key" or "prompt", to join it with the prompts file')


_FEW = 2_000
"""Prompts among which a nearest key is looked for: the search is slow, and may come once a line."""

_RESPONSE = ("response", "output", "completion")


def _said(record: Mapping[str, Any]) -> Sequence[Any]:
    """What the model said, once or several times."""
    repeats = record.get("resps")
    if isinstance(repeats, list) and repeats:
        return repeats[0] if isinstance(repeats[0], list) and repeats[0] else repeats
    for name in _RESPONSE:
        if record.get(name) is not None:
            return (record[name],)
    null = next((name for name in _RESPONSE if name in record), None)
    raise UserError(f'"{null}" is null' if null else 'missing field: "response"')


def _answer(value: Any, cut: bool) -> tuple[Answer, bool]:
    """The answer in what a model said, and whether its tokens ran out."""
    if isinstance(value, dict):
        body = value.get("body", value)
        choices = body.get("choices") if isinstance(body, dict) else None
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            cut = cut or choices[0].get("finish_reason") in _CUT
            value = choices[0].get("message", choices[0].get("text"))
        if isinstance(value, dict):
            # a chat message whose every token was reasoning has no content
            value = value["content"] or "" if "content" in value else value
    if isinstance(value, str):
        found = answer(value)
    elif isinstance(value, list):
        try:
            found = answer_from_parts(value)
        except ValueError as error:
            raise UserError(f'"response": {error}') from None
    else:
        _wrong("response", "a string, a list of content parts or a chat message", value)
    if "\0" in found.text:
        raise UserError(f"NUL character in the response, at character {found.text.index(chr(0)) + 1}")
    return found, cut
