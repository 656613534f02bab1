"""The life of one item: a fork of the cell that takes its limits and walls, runs an untrusted program and reports.

- Limits, walls and the audit hook come before any code of the item.
- Tests of a job that is `apart` run in this process, and the answer in a child of it (`apart.py`).
- Otherwise the tests run in the answer's namespace (`performing.py`), which it can tamper with. The run says so
  (`together`).

Reports bear a mark that the item's code is not given. A report is believed only as far as `cell.py` checks it.
Only the standard library is imported: this file is loaded by path inside a bare interpreter.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import typing
from collections.abc import Callable

OPEN_FILES = 64
PATIENCE = 10  # wall clocks that a starved item gets at most; its CPU limit ends it sooner
OVERHEAD = 4  # processes of the cell's user besides the item's own: launcher, cell, tests, answer

Json = dict[str, typing.Any]
plain: typing.Any = None  # the files beside this one, loaded by path by the cell
performing: typing.Any = None
apart: typing.Any = None


def joint_limits(jobs: list[Json]) -> Json:
    """The limits of a process that runs all of `jobs`: time adds up, the rest is what the tightest of them allows."""
    limits = [job["limits"] for job in jobs]
    joint = {name: min(limit[name] for limit in limits) for name in ("memory", "file", "processes")}
    return {**joint, **{name: sum(limit[name] for limit in limits) for name in ("cpu", "wall")}}


def take_limits(limits: Json, count_processes: bool) -> None:
    """Set this process's limits, hard as well as soft."""
    seconds = math.ceil(limits["cpu"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    bounds = [(resource.RLIMIT_FSIZE, limits["file"]), (resource.RLIMIT_AS, limits["memory"])]
    if count_processes:  # outside a user namespace the count would include the user's other processes
        bounds.append((resource.RLIMIT_NPROC, OVERHEAD + limits["processes"]))
    for which, bound in bounds:
        resource.setrlimit(which, (bound, bound))
    signal.setitimer(signal.ITIMER_PROF, limits["cpu"])  # RLIMIT_CPU counts whole seconds only
    signal.alarm(math.ceil(limits["wall"] * PATIENCE) + 1)  # should the cell be gone by then


def _alone(job: Json, say: Callable[..., None]) -> None:
    """Run an item that has this process to itself."""
    performing.perform(job, performing.fresh_module(), say)
    try:
        sys.__stdout__.flush()  # type: ignore[union-attr]
    except Exception as error:
        say({"stage": "answer", **performing.describe(error)})
    say({"stage": "end"})


def _in_turn(jobs: list[Json], say: Callable[..., None]) -> None:
    """Run those of `jobs` that are plain one after another in this process; say of the others that they are not.

    An item that runs out of time ends the process here, and one that runs out of memory is not judged here: what an
    earlier one left behind may have been to blame.
    """
    reports: list[Json] = []

    def collect(report: Json) -> None:
        if report.get("status") == "memory":
            os._exit(0)
        reports.append(report)

    for job in jobs:
        sources = [job["answer"], *job["setup"], *job["tests"]]
        if not plain.are_plain(sources) or not plain.shadows_nothing(job["answer"]):
            say({"stage": "alone"})
            continue
        scope = plain.namespace()
        signal.setitimer(signal.ITIMER_PROF, job["limits"]["cpu"])
        performing.perform(job, scope, collect)
        scope.clear()
        say(*reports, {"stage": "end"})
        reports.clear()


# ---------------------------------------------------------------- the audit hook

KILLING = frozenset({"os.kill", "os.killpg"})
LEAVING = frozenset(
    {"os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "os.putenv"}
    | {"subprocess.Popen", "pty.spawn", "resource.setrlimit", "resource.prlimit", "os.chdir", "os.fchdir"}
)
MOVING = frozenset(
    {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.utime"}
    | {"os.chmod", "os.chown", "os.lchown", "os.lchmod", "os.chflags", "os.setxattr", "os.removexattr"}
    | {"shutil.rmtree", "shutil.move", "shutil.copyfile", "shutil.chown", "sqlite3.connect", "dbm.open"}
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


# ---------------------------------------------------------------- the whole of it


def live(jobs: list[Json], speech: int, output: int, nonce: str, walls: typing.Any) -> None:
    """The whole life of a process that runs one item, or several plain ones. Never returns.

    Args:
        jobs: what to run.
        speech: where reports are written.
        output: standard output and error of the item.
        nonce: the mark of a report.
        walls: takes this process behind its walls; see `cell.Walls`.
    """
    write, leave, getpid = os.write, os._exit, os.getpid
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(speech, 3)
        os.closerange(4, OPEN_FILES)
        work = walls.enter()
        [job, *others] = jobs
        child, channel = apart.part(job) if not others and job["apart"] else (-1, None)
        me = os.getpid()

        def say(*reports: Json) -> None:
            if getpid() != me:  # a fork of the item runs on through our own code, but does not speak for it
                leave(0)
            lines = "".join(f"{nonce}{json.dumps(report)}\n" for report in reports)
            data = lines.encode("utf-8", "backslashreplace")
            while data:
                data = data[write(3, data) :]

        def give_up(what: str) -> None:
            if child == 0:
                assert channel is not None
                channel.send(
                    {"failed": {"status": "refused", "error": what, "line": None}, "raised": "PermissionError"}
                )
            else:
                say({"stage": "answer", "status": "refused", "error": what, "line": None})
            leave(0)

        take_limits(joint_limits(jobs), walls.counts_processes)
        walls.close()
        _watch(work, walls.hold, give_up)
        if others:
            _in_turn(jobs, say)
        elif channel is None:
            _alone(job, say)
        elif child == 0:
            apart.answer(job, channel)
            leave(0)
        else:
            apart.test(job, channel, child, say)
        say({"stage": "over"})
    finally:  # whatever happens, this process never returns into the cell's own loop
        leave(0)
