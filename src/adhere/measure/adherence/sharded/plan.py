"""Cuts the input into shards.

A shard is some tens of megabytes: enough to make starting a task cheap, little enough to be done again. Plain JSON
lines on this machine are cut at line ends; their lines are counted on the way, so that a row has the same number as in
the whole file. Parquet is cut at row groups. What is compressed, or no lines, or lines in an object store, is one shard
a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from adhere.core.errors import UserError
from adhere.measure.files import STDIN, json_rows, places, tables

BYTES = 32_000_000
ROWS = 20_000
"""How much of a file is a shard: bytes of JSON lines, rows of Parquet."""

Kind = Literal["lines", "row groups", "file"]


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the input.

    Attributes:
        number: its place in the input, from 0.
        place: path or URL of the file.
        kind: how it is cut.
        start: first byte, or first row group.
        stop: the byte or row group after the last one; 0 for a whole file.
        first: number of its first line or row, from 1.
    """

    number: int
    place: str
    kind: Kind
    start: int = 0
    stop: int = 0
    first: int = 1


def plan(files: Sequence[str], *, size: int = BYTES, rows: int = ROWS) -> list[Shard]:
    """The shards of `files`, in the order of the input.

    Raises:
        UserError: standard input is among the files, or one cannot be read.
    """
    if STDIN in files:
        raise UserError("standard input cannot be cut into shards: save it to a file, or leave --engine out")
    cuts = [cut for place in files for cut in _cuts(place, size, rows)]
    return [Shard(number, *cut) for number, cut in enumerate(cuts)]


def _cuts(place: str, size: int, rows: int) -> Iterator[tuple[str, Kind, int, int, int]]:
    with places.opened(place) as file:
        head = bytes(file.read(65_536))
        length = file.size()
        if head.startswith(b"PAR1"):
            yield from _row_groups(place, file, rows)
            return
    whole: tuple[str, Kind, int, int, int] = (place, "file", 0, 0, 1)
    if places.is_remote(place) or length <= 2 * size or not _is_lines(head):
        yield whole
        return
    yield from _line_ranges(place, size)


def _is_lines(head: bytes) -> bool:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(b"{") and json_rows.form_of(head) == "lines" and not tables.looks_delimited(head)


def _line_ranges(place: str, size: int) -> Iterator[tuple[str, Kind, int, int, int]]:
    first = 1
    with open(place, "rb") as file:
        end = os.fstat(file.fileno()).st_size
        start = 0
        while start < end:
            count = 0
            left = size
            while left > 0 and (block := file.read(min(left, 1 << 20))):
                count += block.count(b"\n")
                left -= len(block)
            tail = file.readline() if file.tell() < end else b""  # also where a line ended just here
            count += tail.endswith(b"\n")
            yield place, "lines", start, file.tell(), first
            first += count
            start = file.tell()


def _row_groups(place: str, file: object, rows: int) -> Iterator[tuple[str, Kind, int, int, int]]:
    from pyarrow import ArrowException, parquet

    try:
        metadata = parquet.ParquetFile(file).metadata
    except ArrowException as error:
        raise UserError(f"{place}: a damaged Parquet file ({str(error).splitlines()[0]})") from None
    sizes = [metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)]
    before = [0, *accumulate(sizes)]
    start = 0
    for k in range(len(sizes)):
        if before[k + 1] - before[start] >= rows or k == len(sizes) - 1:
            yield place, "row groups", start, k + 1, before[start] + 1
            start = k + 1
