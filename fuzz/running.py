"""Running targets: inputs grow from seeds by mutation, guided by coverage where atheris is installed.

Every target runs in a process of its own with a limit on memory; a clock of processor time stands over each input.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any

from fuzz.targets import LONGEST, MEMORY, SECONDS, Target, targets


class TooSlow(BaseException):
    """An input took more than its processor time."""


@dataclass(frozen=True)
class Crash:
    """An input that a reader did not survive."""

    target: str
    data: bytes
    trace: str


def _ring(*_: object) -> None:
    raise TooSlow


def survives(name: str, target: Target, data: bytes) -> Crash | None:
    """Give one input to a target: None where it returned or raised what it documents."""
    signal.signal(signal.SIGPROF, _ring)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        target.read(data)
    except target.allowed:
        return None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        return Crash(name, data, traceback.format_exc(limit=-12))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return None


PIECES = [
    *(part * 3_000 for part in (b"[", b'{"a":', b"- ", b"(")),
    *(b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"null", b"true", b"NaN", b"-1", b"1e999", b"9" * 400, b"9" * 5_000),
    *(b'""', b"{}", b"[]", b"\\ud800", b"\r\n", b"*a", b"&a", b"!!python/object:os.system", b"<<: *a", b"%", b"$"),
    *(b"^{9^{9}}", b"!", b"data: ", b"event: x\n", "\u202e\u0130\u1e9e".encode(), b"__class__"),
]


def mutated(seeds: tuple[bytes, ...], chance: random.Random) -> bytes:
    """An input that is a few changes away from a seed."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 2, 8, 40)))
        kind = chance.randrange(6)
        if kind == 0:
            data[at:end] = b""
        elif kind == 1:
            data[at:at] = chance.choice(PIECES)
        elif kind == 2:
            data[at:end] = chance.choice(PIECES)
        elif kind == 3 and data:
            data[min(at, len(data) - 1)] = chance.randrange(256)
        elif kind == 4:
            data[at:at] = data[at:end] * chance.choice((1, 2, 50))
        else:
            other = chance.choice(seeds)
            data[at:end] = other[: chance.randrange(len(other) + 1)]
    return bytes(data[:LONGEST])


def by_mutation(name: str, target: Target, inputs: int, seconds: float, seed: int) -> tuple[int, list[Crash]]:
    """Run `inputs` mutated inputs, or as many as `seconds` allow; how many, and the crashes, one of each place."""
    chance = random.Random(f"{name}/{seed}")
    crashes: dict[str, Crash] = {}
    deadline = time.monotonic() + seconds
    count = 0
    for data in target.seeds:
        crash = survives(name, target, data)
        if crash is not None:
            crashes.setdefault(_place(crash), crash)
    while count < inputs and time.monotonic() < deadline:
        count += 1
        crash = survives(name, target, mutated(target.seeds, chance))
        if crash is not None:
            crashes.setdefault(_place(crash), crash)
    return count, list(crashes.values())


def _place(crash: Crash) -> str:
    lines = [line for line in crash.trace.splitlines() if line.lstrip().startswith("File ")]
    ours = [line for line in lines if "/adhere/" in line]
    return (ours or lines or [""])[-1] + crash.trace.strip().splitlines()[-1][:60]


def _child(name: str, inputs: int, seconds: float, seed: int, results: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    results.put((name, *by_mutation(name, targets()[name], inputs, seconds, seed)))


def run_apart(name: str, inputs: int, seconds: float, seed: int) -> tuple[int, list[Crash]]:
    """`by_mutation` in a process of its own; its death is a crash, too."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=_child, args=(name, inputs, seconds, seed, results))
    process.start()
    while process.is_alive():
        try:
            _, count, crashes = results.get(timeout=1)
        except Exception:
            continue
        process.join()
        return count, crashes
    return 0, [Crash(name, b"", f"the process ended with {process.exitcode}")]


def guided(name: str, seconds: float) -> int:
    """Run a target under atheris, which follows coverage, until `seconds` are over or it crashes. Does not return."""
    import atheris

    with atheris.instrument_imports(include=["adhere"]):
        target = targets()[name]
        for data in target.seeds:  # imports happen late, inside the readers
            survives(name, target, data)

    def one(data: bytes) -> None:
        crash = survives(name, target, data)
        if crash is not None:
            print(crash.trace, file=sys.stderr)
            raise RuntimeError(f"{name}: {crash.data[:200]!r}")

    options = [f"-max_total_time={int(seconds)}", f"-max_len={LONGEST}", "-rss_limit_mb=4096", "-print_final_stats=1"]
    atheris.Setup([name, *options], one)
    atheris.Fuzz()
    return 0
