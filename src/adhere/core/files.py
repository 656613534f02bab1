"""Writing results: whole or not at all, and into whatever the user named.

Rules:

- A regular file, or a name that is free, is written beside its place under a random name (never following a link that
  somebody planted) and then renamed: a reader sees the old file or the new one, and an interruption loses neither.
- Anything else that exists (a pipe, a device, a process substitution, a link to one) is written in place. It is never
  replaced.
- `-` is standard output. `/dev/stdout`, `/dev/fd/3` and the like are the open descriptors, whatever is behind them: a
  file to which a shell redirects is appended to and not replaced.
- A file keeps the permissions that it had; a new one gets those of the process.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
from pathlib import Path

from adhere.core.errors import UserError

STANDARD = "-"
"""The name of standard input and standard output on the command line."""

_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 to `path`; lone surrogates become `?`.

    Raises:
        UserError: it cannot be written; the line names the file and the reason.
    """
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: str | os.PathLike[str], data: bytes, mode: int | None = None) -> None:
    """Write `data` to `path`, creating the folders above it.

    Args:
        path: a file, something that is not a regular file, or `-`.
        data: the whole content.
        mode: permissions of the file; those that it has, or the process's default, if None.

    Raises:
        UserError: it cannot be written; the line names the file and the reason.
    """
    target = Path(path)
    try:
        descriptor = _descriptor(target)
        if descriptor is not None:
            _write_descriptor(descriptor, data)
        elif is_special(target):
            with open(target, "wb", buffering=0) as file:
                _write_descriptor(file.fileno(), data)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(target, data, mode)
    except BrokenPipeError:  # whoever read standard output has left: the command line's business
        raise
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror or error}") from error


def is_special(path: Path) -> bool:
    """Whether `path` exists and is no regular file and no folder: a pipe, a device, a socket, a link to one."""
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def is_standard_output(path: Path) -> bool:
    """Whether `path` names standard output."""
    return _descriptor(path) == 1


def _descriptor(path: Path) -> int | None:
    """The open descriptor that `path` names; None where it names a file."""
    name = os.fspath(path)
    if name in (STANDARD, "/dev/stdout"):
        return 1
    match = _DESCRIPTOR.fullmatch(name)
    return int(match[1]) if match else 2 if name == "/dev/stderr" else None


def _write_descriptor(descriptor: int, data: bytes) -> None:
    sys.stdout.flush()  # what was printed before comes first
    if descriptor == 1 and hasattr(sys.stdout, "buffer"):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _replace(target: Path, data: bytes, mode: int | None) -> None:
    real = Path(os.path.realpath(target))  # a link to a file stays a link
    scratch = real.with_name(f".{real.name[:40]}.{secrets.token_hex(6)}")
    if mode is None and real.exists():
        mode = stat.S_IMODE(real.stat().st_mode)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(scratch, flags, 0o666 if mode is None else mode)
    try:
        with os.fdopen(handle, "wb") as file:
            if mode is not None:
                os.chmod(scratch, mode)  # the process's mask has narrowed it
            file.write(data)
        os.replace(scratch, real)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
