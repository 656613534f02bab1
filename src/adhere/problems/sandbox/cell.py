"""A cell: the program that runs untrusted code, one item after another, each in a fork of its own (`item.py`).

It is started by `adhere.problems.sandbox` as a bare script (`python -P -s -S`, no environment but a fixed hash
seed), goes behind its walls and then serves jobs from its standard input:

- every item is a fork of this clean, preloaded process, so no item sees what another did, and starting one costs a
  millisecond or two; only programs that are too plain to leave anything behind (`plain.py`) share a fork;
- when an item has answered, died, or run past its wall clock, every process left in the cell is killed. Behind
  namespaces its files, System V objects and queues end with its own namespaces; without, the work folder is emptied.
  Whatever an item did, its verdict is sent; if something of it may be left, this process says so and ends, and its
  owner starts a new one: nothing is ever carried over to the next item;
- what an item says is checked, not believed: a report that is no report, that repeats or names a test which is not
  there, ends the item as "tampered";
- killing the parent hits process 1 of a pid namespace, which is immune, and is refused with the item's failure besides.

Walls are "namespaces" (`namespaces.py`, and a filter of system calls where libseccomp is installed), "landlock"
(Landlock and a strict filter: no files, processes, sockets or signals, but what can be seen of the machine is seen) or
"none": limits and an audit hook, which stop accidents and are reported as what they are. Root
becomes nobody, or loses its capabilities where nobody could not read Python's library.

Frames on both pipes are four bytes of length, big-endian, and JSON. Only the standard library is imported.
"""

from __future__ import annotations

import array
import bisect
import cmath
import collections
import contextlib
import copy
import datetime
import decimal
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
import signal
import stat
import statistics
import string
import struct
import sys
import time
import typing

PRELOADED = (array, bisect, cmath, collections, copy, datetime, decimal, fractions, functools, hashlib, heapq)
PRELOADED += (itertools, math, operator, random, re, statistics, string, typing)  # type: ignore[assignment]
"""What solutions import most, loaded once before any fork."""

SPEECH_LIMIT = 256 * 1024  # bytes an item may report; more than any honest one needs
OPEN_FILES = 64
AWAKE = 0.02  # of a wall clock: an item that had more of the processor was not asleep but starved by a busy machine
PATIENCE = 10  # wall clocks that a starved item gets at most; its CPU limit ends it sooner

Json = dict[str, typing.Any]
item: typing.Any = None  # the files beside this one, loaded by path in main()
namespaces: typing.Any = None
confinement: typing.Any = None


class Walls:
    """What stands between an item and the rest, and how a fork goes behind it.

    Args:
        kind: namespaces, landlock or none.
        folder: where an item works, where there are no namespaces.
        disk: bytes that an item may write in all, behind namespaces.

    Attributes:
        hold: whether namespaces hold what the audit hook would otherwise have to refuse.
        filtered: whether system calls are filtered.
    """

    def __init__(self, kind: str, folder: str, disk: int) -> None:
        self.kind, self.folder, self.disk = kind, folder, disk
        self.hold = self.counts_processes = kind == "namespaces"
        self._filter: typing.Any = None
        self._readable = [os.path.realpath(path) for path in sys.path if os.path.isabs(path)]
        if kind != "none":
            try:
                self._filter = confinement.Filter(strict=kind == "landlock")
            except OSError:
                if kind == "landlock":
                    raise
        self.filtered = self._filter is not None

    def enter(self) -> str:
        """Before limits are set: a fresh keyring, fresh namespaces, the work folder, in which the caller then is."""
        confinement.leave_keyring()
        if self.kind == "namespaces":
            self.folder = namespaces.enter_item(self.disk)
        os.chdir(self.folder)
        return self.folder

    def close(self) -> None:
        """After limits are set: nothing that could open a wall again is left."""
        if sys.platform == "linux":
            namespaces.seal()
        if self.kind == "landlock":
            confinement.restrict_files(self.folder, self._readable)
        if self._filter is not None:
            self._filter.apply()


# ---------------------------------------------------------------- pipes


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


# ---------------------------------------------------------------- hearing an item


def _used(pids: list[int]) -> float:
    """CPU seconds of running processes; 0 where the system does not tell. Clock ids: linux/posix-timers.h."""
    seconds = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            seconds += time.clock_gettime((~pid << 3) | 2)
    return seconds


def _processes(pid: int, heard: bytes, nonce: str) -> list[int]:
    """The item's process, and the answer's where it is another one, as the first line says."""
    first = heard.partition(b"\n")[0]
    match = re.fullmatch(nonce.encode() + rb'\{"stage": "pid", "pid": (\d{1,9})\}', first)
    return [pid, int(match[1])] if match else [pid]


def _listen(pid: int, speech: int, commands: int, wall: float, most: int, nonce: str) -> tuple[bytes, str]:
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
                before, used = used, _used(_processes(pid, bytes(heard), nonce))
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


def _reports(heard: bytes, nonce: str) -> list[Json]:
    """What the item itself said; what its code wrote into the pipe does not bear the mark."""
    reports: list[Json] = []
    mark = nonce.encode()
    for line in heard.split(b"\n"):
        if line.startswith(mark):
            try:
                report = json.loads(line[len(mark) :])
            except (ValueError, RecursionError):
                report = None
            reports.append(report if _is_report(report) else {"stage": "tampered"})
    return reports


STATUSES = {"passed", "returned", "assertion", "error", "memory", "output", "processes", "exit", "refused"}


def _is_report(report: typing.Any) -> bool:
    """Whether every field has its type."""
    if not isinstance(report, dict):
        return False
    stage = report.get("stage")
    if not isinstance(stage, str):
        return False
    if stage in ("end", "over", "alone", "tampered"):
        return True
    if stage in ("pid", "gone"):
        return type(report.get("pid" if stage == "pid" else "status")) is int
    status = report.get("status")
    if stage not in ("answer", "test") or not isinstance(status, str) or status not in STATUSES:
        return False
    texts = all(isinstance(report.get(name), str | None) for name in ("error", "value"))
    line, test = report.get("line"), report.get("test")
    return texts and (line is None or type(line) is int) and (stage == "answer" or type(test) is int)


def _is_in_order(reports: list[Json], expected: int) -> bool:
    """Whether the tests are reported one after another, each once: nobody speaks twice."""
    return [report["test"] for report in reports if report["stage"] == "test"] == list(
        range(min(expected, sum(report["stage"] == "test" for report in reports)))
    )


# ---------------------------------------------------------------- clearing away


def _empty(folder: str) -> bool:
    """Remove everything in `folder`, however deep and whatever its modes. Whether that is done.

    Folders are not walked but flattened: what a folder holds is moved up, so no path grows and nothing recurses.
    """
    names = itertools.count()
    try:
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        while entries := os.listdir(top):
            for name in entries:
                if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
                    os.unlink(name, dir_fd=top)
                    continue
                os.chmod(name, 0o700, dir_fd=top)
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
                try:
                    for inside in os.listdir(inner):
                        if stat.S_ISDIR(os.stat(inside, dir_fd=inner, follow_symlinks=False).st_mode):
                            os.chmod(inside, 0o700, dir_fd=inner)  # to be moved it must be writable
                        os.rename(inside, f".{next(names)}.{os.getpid()}", src_dir_fd=inner, dst_dir_fd=top)
                finally:
                    os.close(inner)
                os.rmdir(name, dir_fd=top)
        return True
    except OSError:
        return False
    finally:
        os.close(top)


def _end_processes(pid: int, walled: bool) -> tuple[int, float]:
    """End every process of the item. The wait status of its first and its CPU seconds."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if walled:
            os.kill(-1, signal.SIGKILL)
        else:
            os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # it may have left its group
    _, status, usage = os.wait4(pid, 0)
    while walled:
        try:
            os.wait4(-1, 0)
        except ChildProcessError:
            break
    return status, usage.ru_utime + usage.ru_stime


def _output(work: str) -> int:
    """A file for what the item prints: nobody reads it, the limit on file size holds it."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("output")
    path = os.path.join(work, ".output")
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(path)
    return handle


# ---------------------------------------------------------------- verdicts


def _verdict(job: Json, reports: list[Json], ran_out: str, status: int, seconds: float) -> Json:
    """How an item that was alone ended."""
    shown = [report for report in reports if report["stage"] in ("answer", "test")]
    expected = len(job["tests"]) + len(job["calls"])
    if any(report["stage"] == "tampered" for report in reports) or not _is_in_order(shown, expected):
        return {"end": "tampered", "reports": []}
    for report in reports:
        if report["stage"] == "gone":  # the answer's own process ended before its tests were through
            return _ended(shown, report["status"], seconds, job["limits"]["cpu"])
    if any(report["stage"] == "end" for report in reports):
        return {"end": "finished", "reports": shown}
    if ran_out:
        return {"end": ran_out, "reports": shown}
    return _ended(shown, status, seconds, job["limits"]["cpu"])


def _ended(reports: list[Json], status: int, seconds: float, cpu: float) -> Json:
    """How a process ended that did not say so itself."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        # The hard CPU limit ends an item with SIGKILL, and so may its own doing: the clock tells.
        if number in (signal.SIGPROF, signal.SIGXCPU) or (number == signal.SIGKILL and seconds >= cpu):
            return {"end": "cpu", "reports": reports}
        if not (reports and reports[-1]["status"] == "refused"):
            return {"end": "signal", "signal": _signal_name(number), "reports": reports}
    return {"end": "exit", "reports": reports}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals have no names
        return f"signal {number}"


class _Host:
    """Forks, hears and clears away processes, one at a time.

    Attributes:
        soiled: something of an item may be left: this process must serve no other.
    """

    def __init__(self, commands: int, walls: Walls) -> None:
        self.commands, self.walls, self.soiled = commands, walls, False

    def fork(self, jobs: list[Json]) -> tuple[list[Json], str, int, float]:
        """Run `jobs` in one process: its reports, what ran out, its wait status and CPU seconds."""
        nonce = os.urandom(8).hex()
        hearing, speech = os.pipe()
        output = _output(self.walls.folder)
        pid = os.fork()
        if pid == 0:
            item.live(jobs, speech, output, nonce, self.walls)
        os.close(speech)
        os.close(output)
        wall, most = item.joint_limits(jobs)["wall"], len(jobs) * SPEECH_LIMIT
        heard, ran_out = _listen(pid, hearing, self.commands, wall, most, nonce)
        os.close(hearing)
        status, seconds = _end_processes(pid, self.walls.hold)
        if not self.walls.hold and not _empty(self.walls.folder):
            self.soiled = True
        return _reports(heard, nonce), ran_out, status, seconds

    def alone(self, job: Json) -> Json:
        """The run of an item in a process of its own.

        One that was killed from outside its own doing, by the kernel when memory runs out, is run once more.
        """
        for _ in range(2):
            reports, ran_out, status, seconds = self.fork([job])
            run: Json = {"seconds": seconds, "together": not job["apart"]}
            run.update(_verdict(job, reports, ran_out, status, seconds))
            if run.get("signal") != "SIGKILL":
                break
        return run

    def run(self, jobs: list[Json]) -> list[Json]:
        """The runs of `jobs`: the plain ones share a process as long as it lasts."""
        runs: list[Json] = []
        while len(jobs) - len(runs) > 1:
            rest = jobs[len(runs) :]
            reports, _, _, seconds = self.fork(rest)
            shown: list[Json] = []
            finished = 0
            for report in reports:
                if report["stage"] == "end":
                    # The tests of a plain program are as far from its reach as those in another process.
                    shared = {"seconds": seconds / len(rest), "together": not rest[finished]["apart"]}
                    runs.append({**shared, "end": "finished", "reports": shown})
                elif report["stage"] == "alone":
                    runs.append({})
                else:
                    shown.append(report)
                    continue
                shown = []
                finished += 1
            if finished < len(rest):  # the next one ended the process: by itself it can be judged
                runs.append({})
        runs += [{}] * (len(jobs) - len(runs))
        return [run or self.alone(job) for run, job in zip(runs, jobs, strict=True)]


def serve(commands: int, results: int, walls: Walls) -> None:
    """Run jobs until the owner closes the pipe."""
    untouched = _own_limits()
    host = _Host(commands, walls)
    while True:
        head = _read_exactly(commands, 4)
        body = _read_exactly(commands, struct.unpack(">I", head)[0]) if head else None
        if body is None:
            return
        unit: Json = json.loads(body)
        runs = host.run(unit["jobs"])
        leaving = host.soiled or _own_limits() != untouched
        _send(results, {"unit": unit["unit"], "runs": runs, "leaving": leaving})
        if leaving:
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
    global item, namespaces, confinement
    item, namespaces, confinement = _neighbour("item"), _neighbour("namespaces"), _neighbour("confinement")
    item.plain, item.performing, item.apart = _neighbour("plain"), _neighbour("performing"), _neighbour("apart")
    item.apart.performing, item.apart.values = item.performing, _neighbour("values")
    kind, folder, disk = sys.argv[1], sys.argv[2], int(sys.argv[3])
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
    try:
        if kind != "namespaces":
            with contextlib.suppress(OSError):  # it then loses root's capabilities at least
                confinement.become_nobody(folder)
        walls = Walls(kind, os.path.realpath(folder), disk)
        if kind == "landlock" and not confinement.landlock_version():
            raise OSError("the kernel has no Landlock")
        if kind == "namespaces":
            namespaces.enter(folder)
            pid = os.fork()
            if pid:
                os.close(commands)
                os.close(results)
                os.waitpid(pid, 0)
                return
            namespaces.die_with_parent()
            os.setsid()
            namespaces.close_memory()
    except (OSError, AttributeError) as error:
        _send(results, {"walls": "none", "reason": str(error)})
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    gc.collect()
    gc.freeze()
    _send(results, {"walls": kind, "reason": "", "filtered": walls.filtered})
    serve(commands, results, walls)


if __name__ == "__main__":
    main()
