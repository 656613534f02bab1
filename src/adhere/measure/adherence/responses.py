"""Reads saved responses: from a row of a file (`files`) to a model's answer and what it was asked.

    ours         {"prompt": ..., "response": ..., "constraints": [{"kind": "length.words", "at_most": 50}]}
    benchmark    {"key": ..., "prompt": ..., "instruction_id_list": [...], "kwargs": [...], "response": ...}
    apart        {"key" or "prompt": ..., "response": ...}, with a prompts file in either form to join it with, or
                 with the instructions read from the prompt's own words
    wrapped      what OpenAI's and Anthropic's batches, lm-eval, Inspect and chat data sets write: see `files.replies`

Rules.

- A response is a text, a list of content parts, or a chat message; reasoning is taken out (`constraints.reasoning`).
- An empty response is a legal answer: it is scored, follows nothing, and is counted apart.
- A null, failed, expired or cancelled response is no answer: it is a `Response` with a `failure`, follows nothing, and
  is counted apart. Only a row that cannot be read is an error.
- The model's name is the field "model" or the body's, or else the file's. The prompt's identity is one of `IDENTITIES`,
  or else a digest of its text. "epoch" tells several responses to one prompt apart.
- Tables hold lists as text, and whole numbers as floats: both are read as what they mean.
- A conversation whose messages state constraints is a row of several responses, one for each turn (`conversations`).
- What is wrong with a row is said in one line that names the field; `read` never lets another error out.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from adhere.constraints.instructions.reading import read_instructions
from adhere.constraints.reasoning import Answer, answer, answer_from_parts
from adhere.constraints.registry import nearest
from adhere.core.errors import UserError
from adhere.measure.adherence import iheval
from adhere.measure.adherence.conversations import Overruled, is_conversation, turns_of
from adhere.measure.files import LIMIT, Bad, Line, lines, model_of
from adhere.measure.files.replies import Reply, conversation, one_reply, opened

__all__ = [
    "LIMIT",
    "Line",
    "Prompts",
    "Question",
    "Response",
    "StatedInstruction",
    "lines",
    "model_of",
    "question_of",
    "read",
]

IDENTITIES = ("key", "custom_id", "prompt_id", "question_id", "id", "doc_id")
"""Fields with the prompt's identity, the surest first. Of an API's own ids (`chatcmpl-...`) none is a prompt's."""

_OF_APIS = re.compile(r"(?:chatcmpl|cmpl|batch_req|resp|msg|gen|run)[-_]\w{8,}")


class StatedInstruction(NamedTuple):
    """One instruction of a prompt, not yet understood."""

    asked_as: str | None
    """A benchmark's instruction id; None where `parameters` is a constraint in our own format."""
    parameters: dict[str, Any]
    since: int = 0
    """In a conversation, the turn at which it was stated; 0 for the system prompt."""


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and what it asks for. `messages`, as (role, content), are how it is asked live where the instructions
    stand apart from the task (RealGuardrails' `sys_ifeval`); empty where the prompt is asked as it is."""

    prompt_id: str
    prompt: str
    asked: tuple[StatedInstruction, ...]
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
    failure: str | None = None
    """Why there is no answer; `answer` is empty then."""
    turn: int = 0
    """In a conversation, which of its answers it is; 0 otherwise."""
    overruled: tuple[Overruled, ...] = ()
    """In a conversation, the instructions that contradict one in force from higher up."""


class NothingStated(UserError):
    """A prompt that was to be read states no constraint that is understood."""


@dataclass(slots=True)
class Prompts:
    """Questions by their id and by their text.

    With `reads`, a row that states no constraints and fits no question is asked for what its prompt says in English.
    """

    by_id: dict[str, Question] = field(default_factory=dict)
    by_text: dict[str, Question] = field(default_factory=dict)
    reads: bool = False

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


def read(line: Line, prompts: Prompts | None = None) -> list[Response]:
    """The responses in a row: one, or several where a sampler kept its repeats together.

    Raises:
        UserError: what is wrong with the row; the place is not in it.
    """
    record = _object(line.raw, line.number)
    if is_conversation(record):
        return _conversation(record, line)
    question = question_in(record, prompts)
    model = record.get("model") or None
    if model is not None and not isinstance(model, str):
        _wrong("model", "a string", model)
    epoch = _epoch(record)
    envelope = opened(record)
    if len(envelope.replies) > 1 and "epoch" in record:
        raise UserError('"epoch" stands beside several responses')
    name = (model or envelope.model or model_of(line.file)) + envelope.suffix
    return [_response(name, question, epoch + k, reply) for k, reply in enumerate(envelope.replies)]


def _conversation(record: Mapping[str, Any], line: Line) -> list[Response]:
    """The answers of a conversation: one session, an epoch for each turn."""
    turns = turns_of(record, meant)
    identity = next(_identities(record), None)
    if identity is None:
        opening = "\n".join(turn.prompt for turn in turns)
        identity = hashlib.blake2b(opening.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    epoch = _epoch(record)
    session = identity if epoch == 1 else f"{identity} @{epoch}"
    model = record.get("model") or model_of(line.file)
    if not isinstance(model, str):
        _wrong("model", "a string", model)
    responses = []
    for turn in turns:
        asked = tuple(StatedInstruction(one.asked_as, _given(one.parameters), one.since) for one in turn.stated)
        reply = one_reply(turn.message) if turn.message is not None else Reply(None, failure="the turn has no answer")
        response = _response(model, Question(session, turn.prompt, asked), turn.number, reply)
        responses.append(replace(response, turn=turn.number, overruled=turn.overruled))
    return responses


def _response(model: str, question: Question, epoch: int, reply: Reply) -> Response:
    if reply.failure is not None:
        return Response(model, question, epoch, Answer(""), reply.cut, reply.failure)
    return Response(model, question, epoch, _answer(reply.value), reply.cut)


def _epoch(record: Mapping[str, Any]) -> int:
    epoch = record.get("epoch", 1)
    if isinstance(epoch, str) and epoch.isascii() and epoch.isdigit() and len(epoch) < 10:
        epoch = int(epoch)
    if isinstance(epoch, float) and epoch.is_integer():
        epoch = int(epoch)
    if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 1:
        _wrong("epoch", "a number from 1", epoch)
    return epoch


def question_in(record: Mapping[str, Any], prompts: Prompts | None) -> Question:
    """What a row answers: stated in it, or joined from the prompts file.

    Raises:
        UserError: it states nothing, and no prompt fits.
    """
    document = record.get("doc")
    stated = document if isinstance(document, dict) else record
    if prompts is not None and stated.get("instruction_id_list") and stated.get("kwargs") in (None, ""):
        return _joined(stated, prompts)  # google's own result files repeat the ids, not their arguments
    return question_of(record) or _joined(record, prompts)


def question_shown(line: Line, prompts: Prompts | None) -> Question | None:
    """The question of a row whose answer cannot be read; None where that cannot be told either."""
    try:
        return question_in(_object(line.raw, line.number), prompts)
    except UserError:
        return None


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


def row_of(line: Line) -> dict[str, Any]:
    """A line's record, what its cells hold as text read as what it means.

    Raises:
        UserError: it is no JSON object.
    """
    return {name: meant(value) for name, value in _object(line.raw, line.number).items()}


def identity_of(record: Mapping[str, Any]) -> str | None:
    """The prompt's identity that a record gives, by one of `IDENTITIES`."""
    return next(_identities(record), None)


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


def _identities(record: Mapping[str, Any]) -> Iterator[str]:
    """The fields that may be the prompt's identity, the surest first."""
    for name in IDENTITIES:
        value = record.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, (bool, float)) or not isinstance(value, (str, int)):
            _wrong(name, "a string or a whole number", value)
        if name != "id" or not _OF_APIS.match(str(value)):
            yield str(value)


def _prompt(record: Mapping[str, Any]) -> str:
    """The prompt's text: the last message of the user where it is a conversation."""
    value = record.get("prompt")
    if isinstance(value, str) and value[:1] != "[":
        return value
    chat = conversation(record)
    if chat:
        texts = [text for role, text in chat if role == "user" and isinstance(text, str)]
        return texts[-1] if texts else ""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0]
    if value is not None and not isinstance(value, str):
        _wrong("prompt", "a string or a list of chat messages", value)
    return value or ""


def question_of(record: Mapping[str, Any]) -> Question | None:
    """The question in a record; None where the record does not say what is asked for."""
    document = record.get("doc")
    if isinstance(document, dict):
        record = {"doc_id": record.get("doc_id"), **document}
    record = iheval.as_benchmark(record)
    asked = _asked(record)
    if asked is None:
        return None
    prompt, identity = _prompt(record), next(_identities(record), None)
    if identity is None:
        if not prompt:
            raise UserError('missing field: "prompt" (or a "key")')
        identity = hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return Question(identity, prompt, asked, _messages(record))


def _messages(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """A conversation that ends with the user, if the record has one; any other is an answer's, and not asked."""
    chat = conversation(record)
    texts = tuple(
        (role, text) for role, text in chat if role in ("system", "user", "assistant") and isinstance(text, str)
    )
    return texts if texts and len(texts) == len(chat) and texts[-1][0] == "user" else ()


def meant(value: Any) -> Any:
    """What a cell of a table means: lists and objects are written as JSON or as Python writes them."""
    if isinstance(value, str) and value[:1] in ("[", "{") and value[-1:] in ("]", "}"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            pass
        try:
            return ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return value
    return None if value == "" else value


def _whole(value: Any) -> Any:
    """Whole numbers that a table turned into floats, as whole numbers again."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _whole(entry) for key, entry in value.items()}
    return value


def _ground_truth(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """open-instruct's rows keep ids and arguments in a text: `"[{'instruction_id': [...], 'kwargs': [...]}]"`."""
    truth = record.get("ground_truth")
    if not isinstance(truth, (str, list)) or "instruction_id_list" in record or "constraints" in record:
        return record
    truth = meant(truth)
    stated = truth[0] if isinstance(truth, list) and len(truth) == 1 else truth
    if not isinstance(stated, dict) or "instruction_id" not in stated:
        return record
    return {**record, "instruction_id_list": stated["instruction_id"], "kwargs": stated.get("kwargs")}


def _asked(record: Mapping[str, Any]) -> tuple[StatedInstruction, ...] | None:
    record = _ground_truth(record)
    constraints = meant(record.get("constraints"))
    if "constraints" in record and not (constraints is None and "instruction_id_list" in record):
        if not isinstance(constraints, list):
            _wrong("constraints", "a list", constraints)
        constraints = [meant(entry) for entry in constraints]
        for k, entry in enumerate(constraints):
            if not isinstance(entry, dict):
                _wrong(f"constraints[{k}]", "an object", entry)
        if not constraints:
            raise UserError('"constraints" is empty: the prompt asks for nothing')
        return tuple(StatedInstruction(None, _given(entry)) for entry in constraints)
    if record.get("instruction_id_list") in (None, ""):
        return None
    names, kwargs = meant(record["instruction_id_list"]), meant(record.get("kwargs"))
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError('"instruction_id_list" must be a list of instruction ids, not empty')
    if kwargs is None:
        raise UserError('missing field: "kwargs" beside "instruction_id_list" (or give --prompts FILE)')
    if not isinstance(kwargs, list):
        kwargs = [kwargs] if isinstance(kwargs, dict) and len(names) == 1 else _wrong("kwargs", "a list", kwargs)
    if len(kwargs) != len(names):
        raise UserError(f'"kwargs" has {len(kwargs)} entries for {len(names)} instructions')
    kwargs = [meant(entry) for entry in kwargs]
    for k, entry in enumerate(kwargs):
        if entry is not None and not isinstance(entry, dict):
            _wrong(f"kwargs[{k}]", "an object", entry)
    return tuple(StatedInstruction(name, _given(entry or {})) for name, entry in zip(names, kwargs, strict=True))


def _given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are given: copies on the Hub fill every parameter of every instruction in, with null where
    it has none."""
    return {key: _whole(value) for key, value in parameters.items() if value is not None}


def _joined(record: Mapping[str, Any], prompts: Prompts | None) -> Question:
    """The question in the prompts file that a record answers."""
    if prompts is None:
        raise UserError(
            'missing field: "constraints", or "instruction_id_list" and "kwargs" '
            "(or give --prompts FILE, or --read-prompt)"
        )
    identities, prompt = list(_identities(record)), _prompt(record)
    if prompts.reads and not prompts.by_id:
        return _question_read(record)
    for identity in identities:
        if identity in prompts.by_id:
            return prompts.by_id[identity]
    if prompt and prompt in prompts.by_text:
        return prompts.by_text[prompt]
    if prompts.reads:
        return _question_read(record)
    if identities:
        hint = nearest(identities[0], prompts.by_id) if len(prompts.by_id) <= _FEW else ""
        raise UserError(f"no prompt has the key {identities[0]}{hint}")
    if prompt:
        raise UserError("its prompt is not in the prompts file")
    raise UserError('missing field: "key" or "prompt", to join it with the prompts file')


def _question_read(record: Mapping[str, Any]) -> Question:
    """The question that the words of a record's prompt, and of its system prompt, ask.

    Raises:
        NothingStated: no constraint is understood in them.
        UserError: there is no prompt.
    """
    prompt = _prompt(record)
    system = [text for role, text in conversation(record) if role == "system" and isinstance(text, str)]
    text = "\n\n".join([*system, prompt])
    if not text.strip():
        raise UserError('missing field: "prompt", whose words are to be read')
    asked = _stated_in(text)
    if not asked:
        raise NothingStated("the prompt states no constraint that is understood")
    identity = identity_of(record) or hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return Question(identity, prompt, asked, _messages(record))


@lru_cache(maxsize=2_000)
def _stated_in(text: str) -> tuple[StatedInstruction, ...]:
    """The constraints that a text states in English; several models' answers to a prompt follow each other."""
    return tuple(StatedInstruction(None, one.to_json()) for one in read_instructions(text).constraints)


_FEW = 2_000
"""Prompts among which a nearest key is looked for: the search is slow, and may come once a line."""


def _answer(value: Any) -> Answer:
    """The answer in what a model said."""
    if isinstance(value, str):
        read_out = answer(value)
    elif isinstance(value, list):
        try:
            read_out = answer_from_parts(value)
        except ValueError as error:
            raise UserError(f'"response": {error}') from None
    else:
        _wrong("response", "a string, a list of content parts or a chat message", value)
    if "\0" in read_out.text:
        raise UserError(f"NUL character in the response, at character {read_out.text.index(chr(0)) + 1}")
    return read_out
