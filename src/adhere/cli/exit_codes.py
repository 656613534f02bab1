"""The exit codes of every command, in one table; the reference is generated from it."""

from __future__ import annotations

from collections.abc import Mapping

DONE, REFUSED, MISTAKE, STOPPED, NOT_VERIFIED, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 3, 4, 130, 141

EXIT_CODES: Mapping[int, str] = {
    DONE: "success",
    REFUSED: "the command ran and a condition failed: `--fail-under` was missed, a check found a difference, an act is "
    "not allowed, signatures are missing",
    MISTAKE: "a mistake in the call or in an input, or a missing package: one line says what is wrong, where, and what "
    "to do",
    STOPPED: "`warden run`: the agent was stopped",
    NOT_VERIFIED: "`warden run`: the agent ended, and nothing verifies that no process of it is left",
    INTERRUPTED: "interrupted; the same command continues where it stopped if it writes to a folder",
    PIPE_CLOSED: "the reader of a pipe closed it",
}
