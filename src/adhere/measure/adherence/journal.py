"""Records on disk: a file of lines that a killed run resumes from.

    {"journal": 1, "adhere": "0.1.0", "key": {...}}      what was asked: files, prompts, profiles
    {"model": ..., "instructions": [...], ...}            a record (see `records`)
    {"bad": {"file": ..., "line": ..., "problem": ...}}   a line that could not be read and was skipped
    {"absent": {"model": ..., ...}}                       the record of a prompt that has no response
    {"done": {"responses": ...}}                          the run ended; missing where it was killed

Rules. Lines are only ever appended, in the order of the input, and reach the disk's cache before the next batch is
begun; so what a kill can harm is the last line, which is cut off on resuming. `digest` of the last entry of a file is
that of the file's bytes up to and including its line: a file that was changed before that point is not resumed but
refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from adhere.core.errors import UserError
from adhere.core.version import VERSION as ADHERE_VERSION
from adhere.measure.adherence.records import Record
from adhere.measure.files.line import Bad

VERSION = 1


Entry = Record | Bad


class Journal:
    """An open journal, for appending."""

    def __init__(self, path: Path, *, fresh: dict[str, Any] | None = None) -> None:
        """Open `path`: anew with `fresh` as its key, or to carry on behind its last whole line.

        Raises:
            UserError: it cannot be written.
        """
        self.path = path
        self._file: BinaryIO
        try:
            if fresh is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("wb")
                self._write([json.dumps({"journal": VERSION, "adhere": ADHERE_VERSION, "key": fresh})])
            else:
                self._file = path.open("r+b")
                self._file.seek(_whole(path))
                self._file.truncate()
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error

    def append(self, lines: Iterable[str]) -> None:
        """Add entries, each one line without its end."""
        try:
            self._write(lines)
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {error.strerror}") from error

    def _write(self, lines: Iterable[str]) -> None:
        self._file.write("".join(line + "\n" for line in lines).encode("ascii"))
        self._file.flush()

    def finish(self, responses: int) -> None:
        """Mark the run as complete."""
        self.append([json.dumps({"done": {"responses": responses}})])

    def close(self) -> None:
        self._file.close()


def absent_line(record: Record) -> str:
    """The line of a prompt that has no response: known at the end of a run only, and looked for anew on resuming."""
    return f'{{"absent":{record.to_line()}}}'


def _whole(path: Path) -> int:
    """Length in bytes of the lines that are whole and say something of the input's rows."""
    length = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n") or line.startswith((b'{"done"', b'{"absent"')):
                break
            length += len(line)
    return length


def is_journal(path: str | os.PathLike[str]) -> bool:
    """Whether the file begins as a journal does."""
    try:
        with open(path, "rb") as file:
            return file.read(11) == b'{"journal":'
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class State:
    """What a journal on disk says of itself."""

    key: dict[str, Any]
    version: str
    done: bool


def state(path: Path) -> State | None:
    """The head of a journal and whether it was finished; None where `path` is no journal."""
    if not is_journal(path):
        return None
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline())
            file.seek(max(0, file.seek(0, os.SEEK_END) - 200))
            last = file.read().rstrip(b"\n").rsplit(b"\n", 1)[-1]
        return State(dict(head["key"]), str(head["adhere"]), last.startswith(b'{"done"'))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def entries(path: str | os.PathLike[str]) -> Iterator[Entry]:
    """The records and bad lines in a journal, in the order of the input; a last line cut short is left out.

    Raises:
        UserError: the file cannot be read, or a line before the last is damaged.
    """
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    entry = json.loads(line)
                    if "bad" in entry:
                        yield Bad(**entry["bad"])
                    elif "instructions" in entry or "absent" in entry:
                        yield Record.from_json(entry.get("absent", entry))
                    elif "journal" not in entry and "done" not in entry:
                        raise ValueError("neither a record nor a bad line")
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise UserError(f"{path}:{number}: damaged journal ({error})") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
