"""Tests in a process of their own, the answer in another one that has neither the tests nor the pipe for reports.

The tests see a stand-in for the function: arguments and values cross as plain data (`values.py`), so whatever the
answer does to comparisons, builtins, frames or modules stays in its own process, and comparisons are made in the
tests'. What the answer's process says is read as a message of a liar: it can return a value, raise, or fail.

Only the standard library is imported: this file is loaded by path inside a bare interpreter.
"""

from __future__ import annotations

import os
import struct
import typing
from collections.abc import Callable

Json = dict[str, typing.Any]
performing: typing.Any = None  # performing.py and values.py, loaded by path by the cell
values: typing.Any = None


class AnswerGone(BaseException):
    """The answer's process has ended, or must; no test that is left can be run. Holds its last message, if any."""


FAILURES = ("assertion", "error", "memory", "output", "processes", "exit", "refused")


def _failure(failed: object) -> Json:
    """What the answer's process says of its own failure, as a report that cannot say anything else."""
    status = failed.get("status") if isinstance(failed, dict) else None
    if not isinstance(failed, dict) or not isinstance(status, str) or status not in FAILURES:
        return {"stage": "tampered"}
    return {"stage": "answer", "status": status, "error": str(failed.get("error", ""))[:400], "line": None}


class Channel:
    """Messages to and from the other process: four bytes of length, big-endian, and plain data."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing

    def send(self, message: object) -> None:
        body = values.encode(message)
        data = struct.pack(">I", len(body)) + body
        while data:
            data = data[os.write(self._writing, data) :]

    def receive(self) -> typing.Any:
        """The next message.

        Raises:
            EOFError: the other end is gone, or what it sends is no message.
        """
        (size,) = struct.unpack(">I", self._exactly(4))
        if size > values.LARGEST:
            raise EOFError
        try:
            return values.decode(self._exactly(size))
        except ValueError as error:
            raise EOFError from error

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = os.read(self._reading, min(size, 1 << 16))
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def answer(job: Json, channel: Channel) -> None:
    """The answer's process: define, then serve calls."""
    send, receive = channel.send, channel.receive
    explain, name_of = performing.describe, type.__getattribute__
    scope = performing.fresh_module()
    try:
        performing.define(job, scope)
        call = scope[job["entry"]]
    except BaseException as error:
        send({"failed": explain(error)})
        return
    send({"ready": True})
    while True:
        try:
            positional, named = receive()
        except EOFError:
            return
        try:
            value = call(*positional, **named)
            reply = {"value": value, "arguments": list(positional)}
            send(reply)
        except BaseException as error:
            code = error.errno if isinstance(error, OSError) else None
            send({"raised": name_of(type(error), "__name__"), "message": performing.message_of(error), "errno": code})


def _stand_in(name: str, channel: Channel) -> Callable[..., typing.Any]:
    """The function under test as the tests see it."""

    def function(*positional: typing.Any, **named: typing.Any) -> typing.Any:
        try:
            channel.send([list(positional), named])
            reply = channel.receive()
        except (EOFError, BrokenPipeError):
            raise AnswerGone from None
        if not isinstance(reply, dict) or "failed" in reply:
            raise AnswerGone(reply)
        if "raised" in reply:
            error = values.raised(reply["raised"], reply.get("message"))
            if isinstance(error, OSError) and isinstance(reply.get("errno"), int):
                error.errno = reply["errno"]
            raise error
        after = reply.get("arguments")
        if isinstance(after, list) and len(after) == len(positional):
            for before, now in zip(positional, after, strict=True):
                _update(before, now)
        return reply.get("value")

    function.__name__ = function.__qualname__ = name
    return function


def _update(before: typing.Any, now: typing.Any) -> None:
    """Show in an argument what the answer did to it in its own process."""
    if type(before) is not type(now) or before == now:
        return
    if isinstance(before, list):
        before[:] = now
    elif isinstance(before, dict | set):
        before.clear()
        before.update(now)


def test(job: Json, channel: Channel, child: int, say: Callable[..., None]) -> None:
    """The tests' process: its reports are about the answer, whose end is the item's end."""
    scope = performing.fresh_module()
    say({"stage": "pid", "pid": child})
    try:
        _meet(channel)
        for source in filter(None, [job["helpers"], *job["setup"]]):
            exec(compile(source, "<setup>", "exec", dont_inherit=True), scope)
        scope[job["entry"]] = _stand_in(job["entry"], channel)
        for index, test in enumerate(job["tests"]):
            say({"stage": "test", "test": index, **_tested(test, scope, child)})
    except AnswerGone as error:
        [message] = error.args or (None,)
        if isinstance(message, dict):
            say(_failure(message.get("failed")))
        else:
            say({"stage": "gone", "status": os.wait4(child, 0)[1] if child not in _ends else _ends[child]})
    say({"stage": "end"})


def _meet(channel: Channel) -> None:
    """Wait until the answer is defined.

    Raises:
        AnswerGone: it failed.
    """
    try:
        ready = channel.receive()
    except EOFError:
        raise AnswerGone from None
    if not isinstance(ready, dict) or "failed" in ready:
        raise AnswerGone(ready)


def _tested(test: str, scope: dict[str, typing.Any], child: int) -> Json:
    try:
        exec(compile(test, "<test>", "exec", dont_inherit=True), scope)
    except AnswerGone:
        raise
    except BaseException as error:
        if _has_ended(child):  # a bare `except` of the test has swallowed it
            raise AnswerGone from None
        return typing.cast("Json", performing.describe(error))
    return {"status": "passed"}


_ends: dict[int, int] = {}


def _has_ended(child: int) -> bool:
    if child not in _ends:
        pid, status, _ = os.wait4(child, os.WNOHANG)
        if pid:
            _ends[child] = status
    return child in _ends


def part(job: Json) -> tuple[int, Channel]:
    """Fork the answer's process, which gets neither tests nor speech: its pid (0 there), the channel to the other."""
    there, here_writes = os.pipe()
    here, there_writes = os.pipe()
    child = os.fork()
    if child == 0:
        job["tests"] = ()
        job["helpers"] = ""
        os.dup2(0, 3)
        os.close(here)
        os.close(here_writes)
        return child, Channel(there, there_writes)
    os.close(there)
    os.close(there_writes)
    return child, Channel(here, here_writes)
