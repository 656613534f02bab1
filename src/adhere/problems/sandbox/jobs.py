"""What the sandbox is given and what it gives back: `Job` and its `Limits`, `Run` and its `Report`s.

A run comes from a process beside hostile code, so `read_run` believes no type: what is not exactly a run raises.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from adhere.core.errors import UserError

MIB = 1 << 20
LONGEST_ERROR = 1_000  # characters of a report's error that are kept

Stage = Literal["answer", "test"]
Status = Literal[
    "passed", "returned", "assertion", "error", "memory", "output", "processes", "exit", "refused", "tampered"
]
End = Literal["finished", "cpu", "wall", "output", "exit", "signal", "tampered", "broke"]
_STAGES, _STATUSES, _ENDS = (frozenset(get_args(words)) for words in (Stage, Status, End))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one item may use.

    Attributes:
        cpu: seconds of processor time; decides, because it does not depend on what else the machine does.
        wall: seconds on the clock, for what sleeps or multiplies; an item that is awake but gets little of a busy
            machine is given up to ten times as long.
        memory: bytes of address space of a process.
        file: bytes of the largest file, standard output included.
        processes: processes and threads besides the first.
    """

    cpu: float = 5.0
    wall: float = 15.0
    memory: int = 512 * MIB
    file: int = 8 * MIB
    processes: int = 8

    def __post_init__(self) -> None:
        if min(self.cpu, self.wall, self.memory, self.file) <= 0 or self.processes < 0:
            raise UserError("limits of the sandbox must be greater than 0")


@dataclass(frozen=True, slots=True)
class Job:
    """A program and what to ask of it.

    Attributes:
        answer: the source that is on trial.
        entry: name of a function that it must define; may be None if nothing is called.
        setup: sources run after it and before the tests, in its namespace.
        tests: sources run one by one; one that raises has failed.
        calls: arguments, as the source of a tuple of literals, of one call of `entry` each; the values are returned.
        limits: what it may use.
        apart: the tests run in a process of their own, in which `entry` calls the answer's process and `helpers`
            were run first. Otherwise they run in the answer's namespace, where the answer can reach them.
        helpers: trusted source that the tests need besides `entry`; used with `apart` only.
    """

    answer: str
    entry: str | None = None
    setup: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    apart: bool = False
    helpers: str = ""

    def frame(self) -> dict[str, Any]:
        """The job as a cell reads it."""
        return {
            "answer": self.answer,
            "entry": self.entry,
            "setup": self.setup,
            "tests": self.tests,
            "calls": self.calls,
            "limits": asdict(self.limits),
            "apart": self.apart and self.entry is not None and not self.calls,
            "helpers": self.helpers,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one test or call, or (stage "answer") of the answer itself.

    `status` is one of `Status`; `line` is the line of the test's source that was running; `value` is the literal
    source of what a call returned.
    """

    stage: Stage
    status: Status
    test: int | None = None
    error: str = ""
    line: int | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """How a job went.

    Attributes:
        end: finished; cpu, wall, output (ran past that limit); exit, signal (the process ended by itself before it
            was through); tampered (it interfered with what reports on it); broke (the cell was lost).
        reports: what was reached before that.
        seconds: processor time.
        signal: the name of the signal that ended it.
        cause: where it broke: "item" if the item brought its cell down, "machine" if the system did.
        together: the tests ran in the answer's own process.
    """

    end: End
    reports: tuple[Report, ...]
    seconds: float = 0.0
    signal: str | None = None
    cause: Literal["item", "machine"] = "machine"
    together: bool = True


def read_run(frame: object, job: Job) -> Run:
    """The run of `job` that a cell sent.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(frame, dict):
        raise ValueError("this is no run")
    match frame:
        case {"end": str(end), "reports": list(lines), "seconds": float() | int() as seconds} if end in _ENDS:
            signal, together = frame.get("signal"), frame.get("together", True)
        case _:
            raise ValueError("this is no run")
    if not (signal is None or isinstance(signal, str)) or not isinstance(together, bool):
        raise ValueError("this is no run")
    expected = len(job.tests) + len(job.calls)
    if len(lines) > expected + 2:
        raise ValueError("more reports than tests")
    reports = tuple(_report(line, expected) for line in lines)
    return Run(end, reports, float(seconds), signal, "item", together)  # type: ignore[arg-type]


def _report(line: object, expected: int) -> Report:
    if not isinstance(line, dict):
        raise ValueError("this is no report")
    match line:
        case {"stage": str(stage), "status": str(status)} if stage in _STAGES and status in _STATUSES:
            test, error, place, value = (line.get(name) for name in ("test", "error", "line", "value"))
        case _:
            raise ValueError("this is no report")
    numbers = all(number is None or type(number) is int for number in (test, place))
    if not numbers or not all(text is None or isinstance(text, str) for text in (error, value)):
        raise ValueError("this is no report")
    if stage == "test" and (test is None or not 0 <= test < expected):
        raise ValueError("a report of a test that is not there")
    return Report(stage, status, test, (error or "")[:LONGEST_ERROR], place, value)  # type: ignore[arg-type]
