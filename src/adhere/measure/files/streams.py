"""Opens a file by what it holds, and gives its rows.

Compression is undone first, in layers; then the first bytes tell the format. What needs to be read at random (Parquet,
an Inspect log) is copied to a temporary file where it comes compressed or from standard input.

Libraries: `zstandard` for zstd (the standard library has it from Python 3.14 only), `pyarrow` for Parquet and Arrow:
the reference implementation of both, which yields small batches, so that memory stays constant. CSV is read by the
standard library: it takes record after record, keeps every cell as text, and has no block that a long answer could
overflow, as pyarrow's reader has.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO, cast

from adhere.core.errors import UserError
from adhere.measure.files import json_rows, tables
from adhere.measure.files.line import LIMIT, Bad, Line

STDIN = "-"
EXPECTED = "JSON lines, a JSON array, CSV or TSV with a header, Parquet, Arrow, or an Inspect log"

_HEAD = 65_536
_PIECE = 8_192
_MOST_LAYERS = 4
_ARROW_STREAM = b"\xff\xff\xff\xff"
_OTHER_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "an image (PNG)"),
    (b"\xff\xd8\xff", "an image (JPEG)"),
    (b"GIF8", "an image (GIF)"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x7fELF", "a program"),
    (b"\xd0\xcf\x11\xe0", "an old Office document: save the sheet as CSV"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it"),
    (b"Rar!", "a RAR archive: unpack it"),
    (b"Obj\x01", "an Avro file: convert it to Parquet"),
    (b"ORC", "an ORC file: convert it to Parquet"),
)

LARGEST_MEMBER = 1 << 26
"""Bytes of one part of an Inspect log, unpacked."""


def lines(
    path: str | os.PathLike[str], limit: int = LIMIT, advanced: Callable[[int], None] | None = None
) -> Iterator[Line | Bad]:
    """The rows of a file, and what could not be read.

    Args:
        path: the file; `-` for standard input.
        limit: bytes of the longest row; a longer one is a `Bad`.
        advanced: told how many bytes of the file, as it lies on disk, have been read so far.
    """
    name = os.fspath(path)
    shown = "stdin" if name == STDIN else name
    last = 0
    digest = ""
    try:
        with ExitStack() as stack:
            disk = sys.stdin.buffer if name == STDIN else stack.enter_context(open(path, "rb"))
            position = disk.tell if disk.seekable() else None
            for line in _rows(shown, cast(BinaryIO, disk), limit, stack):
                last, digest = (line.number, line.digest) if isinstance(line, Line) else (line.line, line.digest)
                if advanced is not None and position is not None and not disk.closed:
                    advanced(position())
                yield line
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        yield Bad(shown, last + 1, f"damaged compressed file ({error})", digest)
    except UserError as error:
        yield Bad(shown, last + 1 if last else 0, str(error), digest)
    except OSError as error:
        yield Bad(shown, last + 1 if last else 0, error.strerror or str(error), digest)


def _rows(name: str, disk: BinaryIO, limit: int, stack: ExitStack) -> Iterator[Line | Bad]:
    file = _buffered(disk)
    packed = False
    for _ in range(_MOST_LAYERS):
        inner = _unpacked(file, stack)
        if inner is None:
            break
        file, packed = _buffered(inner), True
    head = file.peek(_HEAD)[:_HEAD]
    other = next((what for magic, what in _OTHER_FORMATS if head.startswith(magic)), None)
    if other is None and head[257:262] == b"ustar":
        other = "a tar archive: unpack it"
    if other is not None:
        raise UserError(f"{other}; expected {EXPECTED}")
    if head.startswith((b"PAR1", b"ARROW1", b"PK\x03\x04")):
        from_disk = not packed and disk.seekable() and os.path.isfile(name)
        place = name if from_disk else stack.enter_context(_copied(file)).name
        if head.startswith(b"PAR1"):
            return tables.parquet(name, place)
        if head.startswith(b"ARROW1"):
            return tables.arrow_file(name, place)
        return _of_zip(name, place)
    if head.startswith(_ARROW_STREAM):
        return tables.arrow_stream(name, file)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return tables.delimited(name, file, limit, encoding="utf-16")
    form = json_rows.form_of(head)
    if form == "inspect":
        from adhere.measure.files.inspect_logs import samples

        place = name if not packed and os.path.isfile(name) else stack.enter_context(_copied(file)).name
        return samples(name, place)
    if form == "lines":
        if tables.looks_delimited(head):
            return tables.delimited(name, file, limit)
        return json_rows.from_lines(name, file, limit)
    return json_rows.from_values(name, file, limit)


def _buffered(file: Any) -> io.BufferedReader:
    return io.BufferedReader(_Raw(file), _HEAD)


class _Raw(io.RawIOBase):
    """A binary file of any kind as a raw one, which always fills what is asked for: `peek` then sees a whole head."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._error: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        filled = 0
        while filled < len(buffer):
            try:
                if self._error is not None:
                    raise self._error
                chunk = self._file.read(min(len(buffer) - filled, _PIECE))
            except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
                self._error = error
                if filled:  # what came before the damage is read first
                    break
                raise
            if not chunk:
                break
            buffer[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
        return filled


def _unpacked(file: io.BufferedReader, stack: ExitStack) -> Any | None:
    """The file with one layer of compression undone; None where it has none."""
    head = file.peek(6)[:6]
    if head.startswith(b"\x1f\x8b"):
        return stack.enter_context(gzip.GzipFile(fileobj=file))
    if head.startswith(b"\xfd7zXZ\0"):
        return stack.enter_context(lzma.LZMAFile(file))
    if head.startswith(b"BZh"):
        return stack.enter_context(bz2.BZ2File(file))
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        try:
            import zstandard
        except ModuleNotFoundError:
            raise UserError("a zstd file needs zstandard: pip install 'adhere[files]'") from None
        return _Zstd(zstandard, file)
    return None


class _Zstd:
    """A zstd stream whose damage is an `EOFError`, as the standard library's decompressors have it."""

    def __init__(self, library: Any, file: io.BufferedReader) -> None:
        self._error = library.ZstdError
        self._reader = library.ZstdDecompressor().stream_reader(file, read_across_frames=True)

    def read(self, size: int) -> bytes:
        try:
            return bytes(self._reader.read(size))
        except self._error as error:
            raise EOFError(str(error)) from None


def _copied(file: BinaryIO) -> Any:
    """A temporary file with what is left of `file`."""
    copy = tempfile.NamedTemporaryFile(prefix="adhere-")  # noqa: SIM115 - the caller's stack closes it
    while chunk := file.read(1 << 20):
        copy.write(chunk)
    copy.flush()
    return copy


def _of_zip(name: str, place: str) -> Iterator[Line | Bad]:
    import zipfile

    try:
        with zipfile.ZipFile(place) as archive:
            members = set(archive.namelist())
            largest = max((member.file_size for member in archive.infolist()), default=0)
    except zipfile.BadZipFile as error:
        raise UserError(f"a damaged zip archive or Inspect log ({error})") from None
    if largest > LARGEST_MEMBER:  # parsed, it takes some ten times as much memory
        raise UserError(f"it unpacks to a part of {largest:,} bytes; the most is {LARGEST_MEMBER:,}")
    if members & {"header.json", "_journal/start.json"}:
        from adhere.measure.files.inspect_logs import samples

        return samples(name, place)
    what = "an Excel workbook: save the sheet as CSV" if "xl/workbook.xml" in members else "a zip archive: unpack it"
    raise UserError(f"{what}; expected {EXPECTED}")
