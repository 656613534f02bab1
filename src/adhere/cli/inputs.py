"""Files that a command reads: `-` is standard input, and pipes work wherever a file does.

Readers read a file more than once, or need its size. Input that can be read only once is copied into a temporary file,
which is deleted when the command ends.
"""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from adhere.core.errors import UserError
from adhere.core.files import STANDARD, is_special


def readable(path: Path) -> Path:
    """A regular file with the content of `path`: itself, or a copy of what a pipe or standard input gives.

    Raises:
        UserError: it cannot be read.
    """
    if str(path) != STANDARD and not is_special(path):
        return path
    name = "stdin" if str(path) == STANDARD else path.name
    copy = _folder() / f"{name}{''.join(path.suffixes)}"
    number = 1
    while copy.exists():
        number += 1
        copy = _folder() / f"{name}-{number}"
    try:
        with copy.open("wb") as target:
            if str(path) == STANDARD:
                shutil.copyfileobj(sys.stdin.buffer, target)
            else:
                with path.open("rb") as source:
                    shutil.copyfileobj(source, target)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    return copy


def all_readable(paths: Iterable[Path]) -> list[Path]:
    """`readable` of each.

    Raises:
        UserError: one cannot be read, or standard input is named twice.
    """
    listed = list(paths)
    if sum(str(path) == STANDARD for path in listed) > 1:
        raise UserError("standard input (-) can be read only once")
    return [readable(path) for path in listed]


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="adhere-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
