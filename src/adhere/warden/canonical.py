"""One byte string for one value, and the closed door for bytes that are not one.

Rules
- `dumps` writes JSON with sorted keys, no spaces, UTF-8, no NaN: equal values give equal bytes, so a digest of them
  can be signed and compared.
- `loads` takes at most `LIMIT` bytes, refuses a key that stands twice in one object, NaN and infinities, and
  text that is not UTF-8. A parser that takes the last of two equal keys lets two readers see two documents.
- A file is replaced whole or not at all, and is on the disk when `replace` returns.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from adhere.core.errors import UserError

LIMIT = 1 << 20
"""Bytes: the largest signed document the warden reads. An instruction is about one kilobyte."""


class Refused(UserError):
    """The warden does not take this. `reason` is a stable code, the text is one line that says what to mend."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def dumps(value: Any) -> bytes:
    """`value` as canonical JSON bytes.

    Raises:
        Refused: `value` holds something JSON has no word for.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused("not-json", f"not expressible as JSON: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def loads(data: bytes, what: str) -> Any:
    """The value in `data`; `what` names the document in the error.

    Raises:
        Refused: too large, not UTF-8, not JSON, or a key stands twice.
    """
    if len(data) > LIMIT:
        raise Refused("too-large", f"{what}: {len(data):,} bytes, more than the {LIMIT:,} that are read")
    try:
        return json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused("unreadable", f"{what}: not a JSON document ({error})") from error


def digest(data: bytes) -> str:
    """SHA-256 of `data`, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def read(path: Path, what: str) -> bytes:
    """The bytes of `path`, at most `LIMIT`.

    Raises:
        Refused: not there, not readable, too large.
    """
    try:
        if path.stat().st_size > LIMIT:
            raise Refused("too-large", f"{path}: {path.stat().st_size:,} bytes is too large for {what} ({LIMIT:,})")
        return path.read_bytes()
    except OSError as error:
        raise Refused("unreadable", f"{path}: no {what} can be read there ({error.strerror})") from error


def replace(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put `data` at `path`: whole or not at all, and on the disk before this returns.

    Raises:
        Refused: the file cannot be written; what was there stays.
    """
    scratch: str | None = None
    try:
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
        scratch = None
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Refused("unwritable", f"cannot write {path}: {error.strerror}") from error
    finally:
        if scratch is not None:
            Path(scratch).unlink(missing_ok=True)
