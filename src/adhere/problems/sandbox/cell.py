"""A cell: the program that runs untrusted code, one item after another, each in a fork of its own.

It is started by `adhere.problems.sandbox` as a bare script (`python -P -s -S`, no environment but a fixed hash
seed), goes behind its walls (`namespaces.py`) and then serves jobs from its standard input:

- every item is a fork of this clean, preloaded process, so no item sees what another did, and starting one costs a
  millisecond or two; only programs that are too plain to leave anything behind (`plain.py`) share a fork;
- the fork gets its limits (CPU, memory, file size, processes, open files) before any code of the item runs;
- when an item has answered, died, or run past its wall clock, every process left in the cell is killed and the work
  folder emptied. If anything of that fails, or this process's own limits were tampered with, the cell ends, and
  its owner starts a new one: nothing is ever carried over to the next item;
- killing the parent hits process 1 of a pid namespace, which is immune, and is refused with the item's failure besides.

Without walls (`walls` = "none") the same limits hold and an audit hook refuses processes, sockets, foreign memory and
files outside the work folder. That stops accidents and ordinary mischief; it is not a security boundary, and is
reported as what it is.

Frames on both pipes are four bytes of length, big-endian, and JSON. Only the standard library is imported.
"""

from __future__ import annotations

import array
import ast
import bisect
import cmath
import collections
import contextlib
import copy
import datetime
import decimal
import errno
import fractions
import functools
import gc
import hashlib
import heapq
import importlib.util
import itertools
import json
import math
import operator
import os
import random
import re
import resource
import select
import shutil
import signal
import statistics
import string
import struct
import sys
import time
import types
import typing
from collections.abc import Callable

PRELOADED = (array, bisect, cmath, collections, copy, datetime, decimal, fractions, functools, hashlib, heapq)
PRELOADED += (itertools, math, operator, random, re, statistics, string, typing)  # type: ignore[assignment]
"""What solutions import most, loaded once before any fork."""

SPEECH_LIMIT = 256 * 1024  # bytes an item may report; more than any honest one needs
OPEN_FILES = 64
AWAKE = 0.02  # of a wall clock: an item that had more of the processor was not asleep but starved by a busy machine
PATIENCE = 10  # wall clocks that a starved item gets at most; its CPU limit ends it sooner
OVERHEAD = 3  # processes of the cell's user besides the item's own: launcher, cell, item

Json = dict[str, typing.Any]
plain: typing.Any = None  # plain.py, loaded by path in main()


# ---------------------------------------------------------------- inside the fork


def _plain(value: object, depth: int = 0) -> str:
    """`repr` of a value made of plain builtins only; no method of the item's own classes is ever called."""
    kind = type(value)
    if kind in (int, str, bool, bytes, type(None)):
        return repr(value)
    if kind is float and math.isfinite(typing.cast(float, value)):
        return repr(value)
    if depth < 20:
        if kind in (list, tuple, set):
            parts = [_plain(part, depth + 1) for part in typing.cast("list[object]", value)]
            if kind is tuple:
                return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
            if kind is set:
                return f"{{{', '.join(parts)}}}" if parts else "set()"
            return f"[{', '.join(parts)}]"
        if kind is dict:
            pairs = typing.cast("dict[object, object]", value).items()
            return f"{{{', '.join(f'{_plain(k, depth + 1)}: {_plain(v, depth + 1)}' for k, v in pairs)}}}"
    raise TypeError(f"the value is not plain data but {kind.__name__}")


def _limit(limits: Json, walled: bool) -> None:
    """Set this process's limits, hard as well as soft."""
    seconds = math.ceil(limits["cpu"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    bounds = [(resource.RLIMIT_FSIZE, limits["file"]), (resource.RLIMIT_AS, limits["memory"])]
    if walled:  # outside a user namespace the count would include the user's other processes
        bounds.append((resource.RLIMIT_NPROC, OVERHEAD + limits["processes"]))
    for which, bound in bounds:
        resource.setrlimit(which, (bound, bound))
    signal.setitimer(signal.ITIMER_PROF, limits["cpu"])  # RLIMIT_CPU counts whole seconds only
    signal.alarm(math.ceil(limits["wall"] * PATIENCE) + 1)  # should the cell be gone by then


def _joint(jobs: list[Json]) -> Json:
    """The limits of a process that runs all of `jobs`: time adds up, the rest is what the tightest of them allows."""
    limits = [job["limits"] for job in jobs]
    joint = {name: min(limit[name] for limit in limits) for name in ("memory", "file", "processes")}
    return {**joint, **{name: sum(limit[name] for limit in limits) for name in ("cpu", "wall")}}


def _describe(error: BaseException) -> Json:
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
    try:
        message = str(error)[:300]
    except BaseException:
        message = ""
    return {"status": status, "error": f"{type(error).__name__}: {message}".rstrip(": "), "line": line}


def _perform(job: Json, scope: dict[str, typing.Any], say: Callable[..., None]) -> None:
    """Run the item: the answer, the setup, then every test or call, each reported when it ends."""
    try:
        exec(compile(job["answer"], "<answer>", "exec", dont_inherit=True), scope)
        for part in job["setup"]:
            exec(compile(part, "<setup>", "exec", dont_inherit=True), scope)
        entry = job["entry"]
        if entry and not callable(scope.get(entry)):
            raise NameError(f"no function named {entry}")
    except BaseException as error:
        say({"stage": "answer", **_describe(error)})
        return
    for index, test in enumerate(job["tests"]):
        try:
            exec(compile(test, "<test>", "exec", dont_inherit=True), scope)
        except BaseException as error:
            say({"stage": "test", "test": index, **_describe(error)})
        else:
            say({"stage": "test", "test": index, "status": "passed"})
    for index, arguments in enumerate(job["calls"]):
        try:
            value = _plain(scope[entry](*ast.literal_eval(arguments)))
        except BaseException as error:
            say({"stage": "test", "test": index, **_describe(error)})
        else:
            say({"stage": "test", "test": index, "status": "returned", "value": value})


def _alone(job: Json, say: Callable[..., None]) -> None:
    """Run an item that has this process to itself."""
    module = types.ModuleType("answer")
    sys.modules["answer"] = module
    random.seed(0)
    _perform(job, module.__dict__, say)
    try:
        sys.stdout.flush()
    except OSError as error:
        say({"stage": "answer", **_describe(error)})
    say({"stage": "end"})


def _together(jobs: list[Json], say: Callable[..., None]) -> None:
    """Run those of `jobs` that are plain one after another in this process; say of the others that they are not.

    An item that runs out of time ends the process here, and one that runs out of memory is not judged here: what an
    earlier one left behind may have been to blame.
    """

    told: list[Json] = []

    def speak(report: Json) -> None:
        if report.get("status") == "memory":
            os._exit(0)
        told.append(report)

    for job in jobs:
        sources = [job["answer"], *job["setup"], *job["tests"]]
        if not plain.are_plain(sources):
            say({"stage": "alone"})
            continue
        scope = plain.namespace()
        signal.setitimer(signal.ITIMER_PROF, job["limits"]["cpu"])
        _perform(job, scope, speak)
        scope.clear()
        say(*told, {"stage": "end"})
        told.clear()


KILLING = frozenset({"os.kill", "os.killpg"})
LEAVING = frozenset(
    {"os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "os.putenv"}
    | {"subprocess.Popen", "pty.spawn", "resource.setrlimit", "resource.prlimit", "os.chdir", "os.fchdir"}
)
MOVING = frozenset(
    {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.utime"}
    | {"os.chmod", "os.chown", "os.lchown", "os.lchmod", "os.chflags", "os.setxattr", "os.removexattr"}
    | {"shutil.rmtree", "shutil.move", "shutil.copyfile", "shutil.chown"}
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _watch(work: str, walled: bool, give_up: Callable[[str], None]) -> None:
    """Install the audit hook. It cannot be taken out again, and what it refuses ends the item at once."""
    readable = [os.path.realpath(path) for path in sys.path if os.path.isabs(path)]
    realpath, fspath = os.path.realpath, os.fsdecode

    def inside(path: object, folders: list[str]) -> bool:
        if isinstance(path, int) or path is None:
            return True
        where = realpath(fspath(typing.cast(str, path)))
        return any(where == folder or where.startswith(folder + os.sep) for folder in folders)

    def hook(event: str, arguments: tuple[typing.Any, ...]) -> None:
        if event in KILLING:
            give_up(f"{event} is refused")
        if walled:
            return
        if event in LEAVING or event.startswith(("socket.", "ctypes.")):
            give_up(f"{event} is refused")
        elif event == "open":
            path, _, flags = arguments
            folders = [work] if flags & WRITING else [work, *readable, "/dev/null", "/dev/urandom"]
            if not inside(path, folders):
                give_up(f"opening {path!r} is refused")
        elif event in MOVING and not all(
            inside(path, [work]) for path in arguments if isinstance(path, (str, bytes, os.PathLike))
        ):
            give_up(f"{event} outside the work folder is refused")

    sys.addaudithook(hook)


def _item(jobs: list[Json], speech: int, output: int, work: str, walled: bool, nonce: str) -> None:
    """The whole life of a process that runs one item, or several plain ones."""
    write, leave, getpid = os.write, os._exit, os.getpid
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(speech, 3)
        os.closerange(4, OPEN_FILES)
        os.chdir(work)

        me = os.getpid()

        def say(*reports: Json) -> None:
            if getpid() != me:  # a fork of the item runs on through our own code, but does not speak for it
                leave(0)
            lines = "".join(f"{nonce}{json.dumps(report)}\n" for report in reports)
            data = lines.encode("utf-8", "backslashreplace")
            while data:
                data = data[write(3, data) :]

        def give_up(what: str) -> None:
            say({"stage": "answer", "status": "refused", "error": what, "line": None})
            leave(0)

        _limit(_joint(jobs), walled)
        _watch(work, walled, give_up)
        if len(jobs) == 1:
            _alone(jobs[0], say)
        else:
            _together(jobs, say)
        say({"stage": "over"})
    finally:  # whatever happens, this process never returns into the cell's own loop
        leave(0)


# ---------------------------------------------------------------- the cell itself


def _read_exactly(handle: int, size: int) -> bytes | None:
    parts = []
    while size:
        part = os.read(handle, min(size, 1 << 16))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _send(handle: int, message: Json) -> None:
    body = json.dumps(message).encode("utf-8", "backslashreplace")
    data = struct.pack(">I", len(body)) + body
    while data:
        data = data[os.write(handle, data) :]


def _own_limits() -> list[tuple[int, int]]:
    return [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]


def _used(pid: int) -> float:
    """CPU seconds of a running process; 0 where the system does not tell. Clock ids: linux/posix-timers.h."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def _listen(pid: int, speech: int, commands: int, wall: float, most: int) -> tuple[bytes, str]:
    """What the item says until it ends, and how its time ran out ("" if it did not)."""
    heard = bytearray()
    poll = select.poll()
    poll.register(speech, select.POLLIN)
    poll.register(commands, 0)  # hang-up only: our owner has gone
    ended = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
    if ended >= 0:
        poll.register(ended, select.POLLIN)
    started = time.monotonic()
    deadline, used = started + wall, 0.0
    try:
        while True:
            left = deadline - time.monotonic()
            events = dict(poll.poll(max(0, left * 1000))) if left > 0 else {}
            if not events:
                before, used = used, _used(pid)
                starved = used - before > AWAKE * wall and time.monotonic() < started + PATIENCE * wall
                if not starved:
                    return bytes(heard), "wall"
                deadline = time.monotonic() + wall
                continue
            if commands in events:
                sys.exit(0)
            if speech in events:
                part = os.read(speech, 1 << 16)
                heard += part
                if not part or heard.endswith(b'{"stage": "over"}\n'):
                    return bytes(heard), ""
                if len(heard) > most:
                    return bytes(heard), "output"
            elif ended in events:
                return bytes(heard), ""
    finally:
        if ended >= 0:
            os.close(ended)


def _clear(pid: int, work: str, walled: bool) -> tuple[int, float]:
    """End every process of the item and empty its folder. Its wait status and CPU seconds."""
    with contextlib.suppress(ProcessLookupError):
        if walled:
            os.kill(-1, signal.SIGKILL)
        else:
            os.killpg(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    while walled:
        try:
            os.wait4(-1, 0)
        except ChildProcessError:
            break
    for entry in os.scandir(work):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    return status, usage.ru_utime + usage.ru_stime


def _reports(heard: bytes, nonce: str) -> list[Json]:
    """What the item itself said; what its code wrote into the pipe does not bear the mark."""
    reports: list[Json] = []
    mark = nonce.encode()
    for line in heard.split(b"\n"):
        if line.startswith(mark):
            with contextlib.suppress(ValueError):
                reports.append(json.loads(line[len(mark) :]))
    return reports


def _verdict(reports: list[Json], ran_out: str, status: int, seconds: float, cpu: float) -> Json:
    """How an item that was alone ended, where it did not say so itself."""
    told = [report for report in reports if report["stage"] in ("answer", "test")]
    if any(report["stage"] == "end" for report in reports):
        return {"end": "finished", "reports": told}
    if ran_out:
        return {"end": ran_out, "reports": told}
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        # The hard CPU limit ends an item with SIGKILL, and so may its own doing: the clock tells.
        if number in (signal.SIGPROF, signal.SIGXCPU) or (number == signal.SIGKILL and seconds >= cpu):
            return {"end": "cpu", "reports": told}
        if not (told and told[-1]["status"] == "refused"):
            return {"end": "signal", "signal": signal.Signals(number).name, "reports": told}
    return {"end": "exit", "reports": told}


def _output(work: str) -> int:
    """A file for what the item prints: nobody reads it, the limit on file size holds it."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("output")
    path = os.path.join(work, ".output")
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(path)
    return handle


class _Host:
    """Forks, hears and clears away processes, one at a time."""

    def __init__(self, commands: int, work: str, walled: bool) -> None:
        self.commands, self.work, self.walled = commands, work, walled

    def fork(self, jobs: list[Json]) -> tuple[list[Json], str, int, float]:
        """Run `jobs` in one process: its reports, what ran out, its wait status and CPU seconds."""
        nonce = os.urandom(8).hex()
        speech, mouth = os.pipe()
        output = _output(self.work)
        pid = os.fork()
        if pid == 0:
            _item(jobs, mouth, output, self.work, self.walled, nonce)
        os.close(mouth)
        os.close(output)
        heard, ran_out = _listen(pid, speech, self.commands, _joint(jobs)["wall"], len(jobs) * SPEECH_LIMIT)
        os.close(speech)
        status, seconds = _clear(pid, self.work, self.walled)
        return _reports(heard, nonce), ran_out, status, seconds

    def alone(self, job: Json) -> Json:
        """The run of an item in a process of its own."""
        reports, ran_out, status, seconds = self.fork([job])
        return {"seconds": seconds, **_verdict(reports, ran_out, status, seconds, job["limits"]["cpu"])}

    def run(self, jobs: list[Json]) -> list[Json]:
        """The runs of `jobs`: the plain ones share a process as long as it lasts."""
        runs: list[Json] = []
        while len(jobs) - len(runs) > 1:
            rest = jobs[len(runs) :]
            reports, _, _, seconds = self.fork(rest)
            told: list[Json] = []
            finished = 0
            for report in reports:
                if report["stage"] == "end":
                    runs.append({"seconds": seconds / len(rest), "end": "finished", "reports": told})
                elif report["stage"] == "alone":
                    runs.append({})
                else:
                    told.append(report)
                    continue
                told = []
                finished += 1
            if finished < len(rest):  # the next one ended the process: by itself it can be judged
                runs.append({})
        runs += [{}] * (len(jobs) - len(runs))
        return [run or self.alone(job) for run, job in zip(runs, jobs, strict=True)]


def serve(commands: int, results: int, work: str, walled: bool) -> None:
    """Run jobs until the owner closes the pipe."""
    untouched = _own_limits()
    host = _Host(commands, work, walled)
    while True:
        head = _read_exactly(commands, 4)
        body = _read_exactly(commands, struct.unpack(">I", head)[0]) if head else None
        if body is None:
            return
        unit: Json = json.loads(body)
        _send(results, {"unit": unit["unit"], "runs": host.run(unit["jobs"])})
        if _own_limits() != untouched:
            return


def _neighbour(name: str) -> typing.Any:
    """The module of that name beside this file; the folder itself is on no path here."""
    folder = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.util.spec_from_file_location(name, os.path.join(folder, f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """`cell.py WALLS FOLDER DISK`: say how we are held, then serve."""
    global plain
    plain = _neighbour("plain")
    walls, folder, disk = sys.argv[1], sys.argv[2], int(sys.argv[3])
    commands, results = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.close(nothing)
    os.environ.clear()
    os.setsid()
    os.umask(0o022)
    # Left to itself, a Ctrl-C at the owner's terminal would reach us and raise here.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    work = folder
    if walls == "namespaces":
        try:
            namespaces = _neighbour("namespaces")
            namespaces.enter(folder, disk)
            pid = os.fork()
            if pid:
                os.close(commands)
                os.close(results)
                os.waitpid(pid, 0)
                return
            namespaces.die_with_parent()
            os.setsid()
            namespaces.seal()
        except (OSError, AttributeError) as error:
            _send(results, {"walls": "none", "reason": str(error)})
            return
        work = "/work"
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    gc.collect()
    gc.freeze()
    _send(results, {"walls": walls, "reason": ""})
    serve(commands, results, os.path.realpath(work), walls == "namespaces")


if __name__ == "__main__":
    main()
