"""Running an answer and its tests in this process, and saying in a report what became of each.

Only the standard library is imported: this file is loaded by path inside a bare interpreter.
"""

from __future__ import annotations

import ast
import errno
import math
import random
import sys
import types
import typing
from collections.abc import Callable

Json = dict[str, typing.Any]


def message_of(error: BaseException) -> str:
    """The error's text, "" where it cannot say it."""
    try:
        return str(error)[:300]
    except BaseException:
        return ""


def describe(error: BaseException) -> Json:
    """Status, message and place of what ended the item's code."""
    status = "error"
    if isinstance(error, AssertionError):
        status = "assertion"
    elif isinstance(error, MemoryError):
        status = "memory"
    elif isinstance(error, SystemExit):
        status = "exit"
    elif isinstance(error, OSError) and error.errno == errno.EFBIG:
        status = "output"
    elif isinstance(error, OSError) and error.errno == errno.EAGAIN:
        status = "processes"
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<test>":
            line = trace.tb_lineno
        trace = trace.tb_next
    name = type.__getattribute__(type(error), "__name__")
    return {"status": status, "error": f"{name}: {message_of(error)}".rstrip(": "), "line": line}


def _literal(value: object, depth: int = 0) -> str:
    """`repr` of a value made of plain builtins only; no method of the item's own classes is ever called."""
    kind = type(value)
    if kind in (int, str, bool, bytes, type(None)):
        return repr(value)
    if kind is float and math.isfinite(typing.cast(float, value)):
        return repr(value)
    if depth < 20:
        if kind in (list, tuple, set):
            parts = [_literal(part, depth + 1) for part in typing.cast("list[object]", value)]
            if kind is tuple:
                return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
            if kind is set:
                return f"{{{', '.join(parts)}}}" if parts else "set()"
            return f"[{', '.join(parts)}]"
        if kind is dict:
            pairs = typing.cast("dict[object, object]", value).items()
            return f"{{{', '.join(f'{_literal(k, depth + 1)}: {_literal(v, depth + 1)}' for k, v in pairs)}}}"
    raise TypeError(f"the value is not plain data but {kind.__name__}")


def define(job: Json, scope: dict[str, typing.Any]) -> None:
    """Run the answer and the setup in `scope`.

    Raises:
        NameError: the function that was asked for is not there.
        BaseException: whatever the answer raises.
    """
    exec(compile(job["answer"], "<answer>", "exec", dont_inherit=True), scope)
    for part in job["setup"]:
        exec(compile(part, "<setup>", "exec", dont_inherit=True), scope)
    entry = job["entry"]
    if entry and not callable(scope.get(entry)):
        raise NameError(f"no function named {entry}")


def perform(job: Json, scope: dict[str, typing.Any], say: Callable[..., None]) -> None:
    """Run the answer, the setup, then every test or call, each reported when it ends."""
    # The answer may replace `compile` and `exec` for whoever looks them up later, and could then rewrite its tests.
    run, literal, explain, evaluate = exec, _literal, describe, ast.literal_eval
    try:
        tests = [compile(test, "<test>", "exec", dont_inherit=True) for test in job["tests"]]
        calls = [evaluate(arguments) for arguments in job["calls"]]
        define(job, scope)
    except BaseException as error:
        say({"stage": "answer", **explain(error)})
        return
    for index, test in enumerate(tests):
        try:
            run(test, scope)
        except BaseException as error:
            say({"stage": "test", "test": index, **explain(error)})
        else:
            say({"stage": "test", "test": index, "status": "passed"})
    for index, arguments in enumerate(calls):
        try:
            value = literal(scope[job["entry"]](*arguments))
        except BaseException as error:
            say({"stage": "test", "test": index, **explain(error)})
        else:
            say({"stage": "test", "test": index, "status": "returned", "value": value})


def fresh_module() -> dict[str, typing.Any]:
    """The namespace of a new module, which is all that the answer can import as `answer` or `__main__`."""
    module = types.ModuleType("answer")
    sys.modules["answer"] = sys.modules["__main__"] = module
    random.seed(0)
    return module.__dict__
