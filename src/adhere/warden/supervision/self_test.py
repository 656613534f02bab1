"""The escape self-test: what an agent would try, tried from inside the agent's place before the agent is there.

Rules
- It runs in the same containment as the agent, by the same code, so it tells of the place and not of the plan.
- What could not be tried is not verified; no report says yes for it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adhere.warden.canonical import Refused
from adhere.warden.supervision import escape_attempts
from adhere.warden.supervision.supervisor import Supervisor

SECONDS = 30.0


@dataclass(frozen=True)
class EscapeReport:
    """Each attempt and the kernel's answer; `fault` where the self-test could not be run."""

    answers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""

    @property
    def escapes(self) -> tuple[str, ...]:
        """Attempts that succeeded."""
        return tuple(name for name, answer in self.answers.items() if answer == escape_attempts.SUCCEEDED)

    @property
    def open(self) -> tuple[str, ...]:
        """What is open or not verified, in words."""
        if self.fault:
            return (f"the escape self-test could not be run, so nothing is verified from inside: {self.fault}",)
        return tuple(f"the agent can {name}" for name in self.escapes)


def attempt_escapes(
    *,
    methods: Sequence[str] | None = None,
    hide: Sequence[Path] = (),
    user: tuple[int, int] | None = None,
    network: str = "all",
) -> EscapeReport:
    """Try every escape from inside the place that these options make. `hide`, `user`, ...: see `Supervisor`.

    Raises:
        Refused: a method that was asked for is not to be had.
    """
    scratch = Path(tempfile.mkdtemp(prefix="adhere-self-test-"))
    try:
        scratch.chmod(0o711)
        result, program = scratch / "result.json", scratch / "escape_attempts.py"
        shutil.copyfile(escape_attempts.__file__, program)
        program.chmod(0o644)
        result.touch()
        result.chmod(0o666)
        hidden = [os.path.realpath(path) for path in hide if path.exists()]
        plan = json.dumps({"hidden": hidden, "network": network})
        faults = []
        for python in dict.fromkeys((sys.executable, "/usr/bin/python3")):
            command = [python, "-I", "-S", str(program), str(result), plan]
            try:
                _run_to_its_end(command, methods=methods, hide=hide, user=user, network=network)
                return EscapeReport(json.loads(result.read_text(encoding="utf-8")))
            except (OSError, ValueError) as error:
                faults.append(f"{python}: {error}")
            except Refused as error:
                if not str(error).startswith("cannot start"):
                    raise
                faults.append(str(error))
        return EscapeReport(fault="; ".join(faults)[:300])
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run_to_its_end(command: list[str], **options: Any) -> None:
    with Supervisor(command, **options) as run:
        ended = run.poll(SECONDS)
    if ended is None or ended.status != 0:
        raise OSError("it did not come to its end")
