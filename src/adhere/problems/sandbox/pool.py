"""The sandbox: a few cells (`cell.py`) that run untrusted programs, and the queue in front of them.

- Jobs of one call are spread over the cells; many threads may call at once.
- A cell that dies or falls silent is replaced. The job it was running is tried again by itself in a fresh cell; if
  that dies, too, the job ends as "broke", and `Run.cause` says whether the cell ended by itself, which only the item
  can have brought about, or was killed from outside or starved. The jobs behind it are not touched.
- How strong the walls are is said, not assumed: `Sandbox.walls`. "auto" takes namespaces, else Landlock with a filter
  of system calls; where there is neither, nothing is run unless the user accepts that (`UNSAFE`).
- A cell is believed to be alive, not to be honest: what it sends is read by `jobs.read_run`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from adhere.core.errors import UserError
from adhere.problems.sandbox.jobs import MIB, Job, Run, read_run

Walls = Literal["namespaces", "landlock", "none"]
Isolation = Literal["auto", "namespaces", "landlock", "limits"]
STRONGEST: Mapping[Isolation, tuple[Walls, ...]] = {
    "auto": ("namespaces", "landlock"),
    "namespaces": ("namespaces",),
    "landlock": ("landlock",),
    "limits": ("none",),
}
"""Which walls are tried, in this order."""
UNSAFE = "ADHERE_UNSAFE_CODE"
"""The environment variable that, set to 1, accepts running code without walls where the system has none."""
Unit = tuple[int, ...]
START_SECONDS = 30.0
SILENCE_SECONDS = 10.0  # beyond a job's own wall clock before its cell is given up
IN_FLIGHT = 2  # units a cell holds at once, so that it never waits for the next
UNIT = 32  # jobs at most that travel together
TRIES = 2  # cells that a job may take down before it is given up
LARGEST_FRAME = 16 * MIB
CELL = Path(__file__).with_name("cell.py")


class _Cell:
    """One running cell, as its owner sees it."""

    def __init__(self, walls: Walls, disk: int) -> None:
        self.folder = tempfile.mkdtemp(prefix="adhere-cell-")
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-S", str(CELL), walls, self.folder, str(disk)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # -I would ignore this too; with nothing else in the environment there is nothing else to ignore.
            # Sets of strings must have one order, or verdicts would change from cell to cell.
            env={"PYTHONHASHSEED": "0"},
            cwd=self.folder,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.commands = self.process.stdin.fileno()
        self.results = self.process.stdout.fileno()
        os.set_blocking(self.commands, False)
        os.set_blocking(self.results, False)
        self.units: deque[Unit] = deque()
        self.deadline = float("inf")
        self._out = bytearray()
        self._in = bytearray()

    def hello(self) -> dict[str, Any]:
        """The cell's first frame: its walls, and why there are none.

        Raises:
            UserError: it did not start.
        """
        deadline = time.monotonic() + START_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self.results, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                if selector.select(left):
                    try:
                        frames = self.receive()
                    except EOFError:
                        break
                    if frames:
                        return frames[0]
        self.end()
        raise UserError("the sandbox does not start: this system refuses a bare Python process")

    @property
    def sending(self) -> bool:
        """Whether there is something left to write."""
        return bool(self._out)

    def put(self, unit: Unit, jobs: Sequence[Job]) -> None:
        """Queue the jobs of a unit for the cell."""
        frame = {"unit": unit[0], "jobs": [jobs[index].frame() for index in unit]}
        body = json.dumps(frame).encode("utf-8", "backslashreplace")
        self._out += struct.pack(">I", len(body)) + body
        self.units.append(unit)

    def send(self) -> None:
        """Write what the pipe takes.

        Raises:
            EOFError: the cell is gone.
        """
        try:
            while self._out:
                written = os.write(self.commands, self._out[: 1 << 16])
                del self._out[:written]
        except BlockingIOError:
            return
        except OSError as error:
            raise EOFError from error

    def receive(self) -> list[dict[str, Any]]:
        """The frames that have arrived whole.

        Raises:
            EOFError: the cell is gone, or speaks nonsense.
        """
        frames = []
        try:
            data = os.read(self.results, 1 << 18)
        except BlockingIOError:
            return []
        if not data:
            raise EOFError
        self._in += data
        while len(self._in) >= 4:
            (size,) = struct.unpack_from(">I", self._in)
            if size > LARGEST_FRAME:
                raise EOFError
            if len(self._in) < 4 + size:
                break
            try:
                frames.append(json.loads(self._in[4 : 4 + size]))
            except (ValueError, RecursionError) as error:
                raise EOFError from error
            del self._in[: 4 + size]
        return frames

    def ended_by_itself(self) -> bool:
        """Whether the process has come to an end that nobody from outside brought about."""
        try:
            return self.process.wait(timeout=1) >= 0
        except subprocess.TimeoutExpired:
            return False

    def end(self) -> None:
        """Kill the cell and all that runs in it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sandbox:
    """Runs untrusted programs, each cut off from the others and from everything else.

    Args:
        workers: cells at most; the number of processors, up to four, if None.
        isolation: "auto" takes the strongest walls that the system grants, and refuses to run code where it grants
            none, unless `UNSAFE` is set; "namespaces" and "landlock" insist; "limits" does without walls.
        disk: bytes that an item may write in all (namespaces only).

    Attributes:
        walls: the walls that stand.
        filtered: whether system calls are filtered.

    Raises:
        UserError: this system cannot run it, or refuses the walls that were insisted on.
    """

    def __init__(self, workers: int | None = None, isolation: Isolation = "auto", disk: int = 64 * MIB) -> None:
        if os.name != "posix":
            raise UserError("code can be run on Linux and macOS only: leave the code domain out")
        self.workers = workers or min(4, os.cpu_count() or 1)
        self.disk = disk
        self.filtered = False
        self._free = threading.Semaphore(self.workers)
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._idle: list[_Cell] = []
        self.walls: Walls = "none"
        self.reason = ""
        self._idle.append(self._first(isolation))  # so that what `walls` says is known to be true

    def _first(self, isolation: Isolation) -> _Cell:
        """The first cell, behind the strongest walls that this system grants of those allowed."""
        reasons = []
        for walls in STRONGEST[isolation]:
            if walls != "none" and sys.platform != "linux":
                reasons.append(f"{walls}: Linux only")
                continue
            cell = _Cell(walls, self.disk)
            hello = cell.hello()
            if hello.get("walls") == walls:
                self.walls, self.filtered = walls, hello.get("filtered") is True
                return cell
            cell.end()
            reasons.append(f"{walls}: {hello.get('reason')}")
        self.reason = "; ".join(reasons)
        if isolation != "auto":
            raise UserError(f"this system does not grant the walls that were asked for ({self.reason})")
        if os.environ.get(UNSAFE) != "1":
            raise UserError(
                f"this system has no walls for code that models wrote ({self.reason}): run it in a container or a "
                f"virtual machine and accept that with --unsafe-code ({UNSAFE}=1), or leave the code domain out"
            )
        warnings.warn(
            f"code is run without walls ({self.reason}): limits and an audit hook stop accidents, not attacks",
            RuntimeWarning,
            stacklevel=4,
        )
        cell = _Cell("none", self.disk)
        cell.hello()
        return cell

    @property
    def isolation(self) -> str:
        """How strong the walls are, in words for a log."""
        if self.walls == "namespaces":
            calls = "a filter of system calls and limits" if self.filtered else "limits (libseccomp is not installed)"
            return f"namespaces (user, mount, pid, network, ipc, uts), {calls}"
        if self.walls == "landlock":
            return "Landlock, a strict filter of system calls and limits; no namespaces"
        return "WEAKER: limits and an audit hook only" + (f" ({self.reason})" if self.reason else "")

    def _start(self) -> _Cell:
        with self._starting:
            cell = _Cell(self.walls, self.disk)
            hello = cell.hello()
            if hello.get("walls") == self.walls:
                return cell
            cell.end()
            raise UserError(f"the sandbox's walls are no longer granted ({hello.get('reason')})")

    def _acquire(self, wait: bool = True) -> _Cell | None:
        if not self._free.acquire(blocking=wait):
            return None
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            return self._start()
        except BaseException:
            self._free.release()
            raise

    def _release(self, cell: _Cell | None) -> None:
        if cell is not None:
            with self._lock:
                self._idle.append(cell)
        self._free.release()

    def run(self, jobs: Sequence[Job]) -> list[Run]:
        """Run `jobs`; the result has their order. Blocks; call it from as many threads as you like.

        Raises:
            UserError: a cell could not be started.
        """
        return _Call(self, jobs).go() if jobs else []

    def close(self) -> None:
        """End the idle cells. The sandbox may be used again and then starts new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for cell in idle:
            cell.end()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Call:
    """One call of `Sandbox.run`: which jobs wait, which are where, which are done.

    Jobs travel in units, runs of indices: a cell may run the plain ones of a unit in one process.
    """

    def __init__(self, sandbox: Sandbox, jobs: Sequence[Job]) -> None:
        self.sandbox = sandbox
        self.jobs = jobs
        size = max(1, min(UNIT, len(jobs) // (2 * sandbox.workers)))
        self.waiting = deque(tuple(range(start, min(start + size, len(jobs)))) for start in range(0, len(jobs), size))
        self.runs: dict[int, Run] = {}
        self.tries: Counter[Unit] = Counter()
        self.cells: set[_Cell] = set()
        self.selector = selectors.DefaultSelector()

    def go(self) -> list[Run]:
        """Run them all."""
        try:
            while len(self.runs) < len(self.jobs):
                if not self.cells:
                    self._hire(wait=True)
                elif len(self.waiting) > IN_FLIGHT * len(self.cells) and self.sandbox.workers > len(self.cells):
                    self._hire(wait=False)
                self._turn()
        finally:
            self.selector.close()
            for cell in self.cells:
                if cell.units:  # interrupted: nobody waits for what still runs there
                    cell.end()
                    self.sandbox._release(None)
                else:
                    self.sandbox._release(cell)
        return [self.runs[index] for index in range(len(self.jobs))]

    def _hire(self, wait: bool) -> None:
        cell = self.sandbox._acquire(wait)
        if cell is not None:
            self.cells.add(cell)
            self.selector.register(cell.results, selectors.EVENT_READ, cell)

    def _fire(self, cell: _Cell, blame: bool = True) -> None:
        """The cell is lost: blame the unit at its head, put the others back."""
        self.selector.unregister(cell.results)
        with contextlib.suppress(KeyError):
            self.selector.unregister(cell.commands)
        self.cells.discard(cell)
        back = list(cell.units)
        if back and blame:
            head = back[0]
            self.tries[head] += 1
            if len(head) > 1:
                back[:1] = [(index,) for index in head]
            elif self.tries[head] >= TRIES:
                self.runs[head[0]] = Run("broke", (), cause="item" if cell.ended_by_itself() else "machine")
                del back[0]
        cell.end()
        self.sandbox._release(None)
        self.waiting.extendleft(reversed(back))

    def _patience(self, unit: Unit) -> float:
        """The moment at which a cell that began with `unit` now must have answered."""
        return time.monotonic() + sum(self.jobs[index].limits.wall * 10 for index in unit) + SILENCE_SECONDS

    def _feed(self, cell: _Cell) -> None:
        while self.waiting and len(cell.units) < IN_FLIGHT:
            # The last few are shared out, lest one cell end up with all the slow ones.
            if cell.units and len(self.waiting) < len(self.cells):
                break
            unit = self.waiting.popleft()
            if not cell.units:
                cell.deadline = self._patience(unit)
            cell.put(unit, self.jobs)

    def _turn(self) -> None:
        for cell in list(self.cells):
            self._feed(cell)
            try:
                cell.send()
            except EOFError:
                self._fire(cell)
                continue
            known = cell.commands in self.selector.get_map()
            if cell.sending and not known:
                self.selector.register(cell.commands, selectors.EVENT_WRITE, cell)
            elif known and not cell.sending:
                self.selector.unregister(cell.commands)
        busy = [cell for cell in self.cells if cell.units]
        if not busy:
            return
        patience = min(cell.deadline for cell in busy) - time.monotonic()
        for key, events in self.selector.select(max(0.0, patience)):
            cell = key.data
            if events & selectors.EVENT_READ and cell in self.cells:
                try:
                    for frame in cell.receive():
                        if cell in self.cells:
                            self._done(cell, frame)
                except EOFError:
                    self._fire(cell)
        now = time.monotonic()
        for cell in busy:
            if cell in self.cells and cell.units and now > cell.deadline:
                self._fire(cell)

    def _done(self, cell: _Cell, frame: object) -> None:
        """Take the runs of the unit at the cell's head.

        Raises:
            EOFError: this is something else.
        """
        unit = cell.units[0] if cell.units else ()
        if not isinstance(frame, dict):
            raise EOFError
        match frame:
            case {"unit": first, "runs": list(runs)} if unit and first == unit[0] and len(runs) == len(unit):
                leaving = frame.get("leaving") is True
            case _:
                raise EOFError
        try:
            taken = [read_run(run, self.jobs[index]) for index, run in zip(unit, runs, strict=True)]
        except ValueError as error:
            raise EOFError from error
        self.runs.update(zip(unit, taken, strict=True))
        cell.units.popleft()
        if leaving:  # what waits behind in it is not to blame
            self._fire(cell, blame=False)
        elif cell.units:
            cell.deadline = self._patience(cell.units[0])


_shared: Sandbox | None = None
_shared_lock = threading.Lock()


def shared() -> Sandbox:
    """The sandbox that everything in this process uses unless it brings its own; started when first needed."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = Sandbox()
            atexit.register(_shared.close)
        return _shared


def _forget() -> None:
    """After a fork the cells belong to the parent: leave them alone."""
    global _shared, _shared_lock
    _shared, _shared_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
