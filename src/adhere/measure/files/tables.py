"""Rows of tables: CSV and TSV with a header, Parquet, Arrow. Each row becomes one JSON object.

A cell that is empty in CSV is an empty text; a null in Parquet or Arrow stays null. What a cell's text means (a list of
ids as JSON or as Python writes it) is for the reader of the row to say.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from adhere.core.errors import UserError
from adhere.measure.files.line import Bad, Line, numbered

BATCH = 64
"""Rows of a table held at a time."""

COLUMNS = frozenset(
    "response responses output outputs completion completions generation generations generated_text prediction "
    "model_output answer prompt question instruction key id custom_id prompt_id messages conversations conversation "
    "instruction_id_list kwargs constraints model turn_index".split()
)
"""Names of which a header has at least one: without any, a text with commas is no table of answers."""

_DELIMITERS = ",\t;|"


def looks_delimited(head: bytes) -> bool:
    """Whether a text begins with the header of a table."""
    return _delimiter(head.decode("utf-8", "replace")) is not None


def _delimiter(head: str) -> str | None:
    first = head.removeprefix("\ufeff").lstrip("\r\n").split("\n", 1)[0].rstrip("\r")
    if not first or first[0] in "{[":
        return None
    for delimiter in sorted(_DELIMITERS, key=first.count, reverse=True):
        try:
            cells = next(csv.reader([first], delimiter=delimiter))
        except (csv.Error, StopIteration):
            continue
        names = {cell.strip().lower() for cell in cells}
        if len(cells) > 1 and names & COLUMNS:
            return delimiter
    return None


def delimited(name: str, file: BinaryIO, limit: int, encoding: str = "utf-8-sig") -> Iterator[Line | Bad]:
    """The rows of a CSV or TSV file."""
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        head = text.readline()
        delimiter = _delimiter(head)
        if delimiter is None:
            raise UserError(f"a text whose first line is {head.strip()[:60]!r}, not a header with a column of answers")
        # a header is one line: its cells hold no line ends
        header = [cell.strip() for cell in next(csv.reader([head.rstrip("\r\n")], delimiter=delimiter))]
        doubled = next((cell for k, cell in enumerate(header) if cell and cell in header[:k]), None)
        if doubled is not None:
            raise UserError(f"two columns are named {doubled!r}")
    except UnicodeError as error:
        raise UserError(f"not {encoding.removesuffix('-sig').upper()} ({error})") from None
    yield from numbered(name, _cells(text, header, delimiter, limit))


def _cells(text: io.TextIOWrapper, header: list[str], delimiter: str, limit: int) -> Iterator[bytes | str]:
    csv.field_size_limit(limit)
    reader = csv.reader(text, delimiter=delimiter)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield f"not CSV: {error}"
            if "field larger" in str(error):
                continue
            return
        except UnicodeError as error:
            yield f"not UTF-8 ({error})"
            return
        if cells is None:
            return
        if not cells:
            continue
        if len(cells) > len(header):
            yield f"{len(cells)} cells for {len(header)} columns: a quote is missing, or a delimiter too many"
            continue
        row = {column: cell for column, cell in zip(header, cells, strict=False) if column}
        yield json.dumps(row).encode()


def _arrow() -> Any:
    try:
        import pyarrow
    except ModuleNotFoundError:
        raise UserError("Parquet and Arrow files need pyarrow: pip install 'adhere[files]'") from None
    return pyarrow


def parquet(name: str, place: str) -> Iterator[Line | Bad]:
    """The rows of a Parquet file."""
    arrow = _arrow()
    from pyarrow import parquet as reader

    try:
        with reader.ParquetFile(place, pre_buffer=False, memory_map=False) as file:
            yield from numbered(name, _of_batches(file.iter_batches(batch_size=BATCH)))
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, arrow.ArrowTypeError) as error:
        raise UserError(f"a damaged Parquet file ({_first_line(error)})") from None


def parquet_groups(name: str, file: Any, groups: Sequence[int], first: int) -> Iterator[Line | Bad]:
    """The rows of some row groups of an open Parquet file, numbered from `first`."""
    arrow = _arrow()
    from pyarrow import parquet as reader

    try:
        batches = reader.ParquetFile(file).iter_batches(batch_size=BATCH, row_groups=list(groups), use_threads=False)
        yield from numbered(name, _of_batches(batches), first)
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, arrow.ArrowTypeError) as error:
        raise UserError(f"{name}: a damaged Parquet file ({_first_line(error)})") from None


def arrow_file(name: str, place: str) -> Iterator[Line | Bad]:
    """The rows of an Arrow file (Feather)."""
    arrow = _arrow()
    try:
        with arrow.memory_map(place) as source, arrow.ipc.open_file(source) as file:
            batches = (file.get_batch(k) for k in range(file.num_record_batches))
            yield from numbered(name, _of_batches(batches))
    except arrow.ArrowInvalid as error:
        raise UserError(f"a damaged Arrow file ({_first_line(error)})") from None


def arrow_stream(name: str, source: BinaryIO) -> Iterator[Line | Bad]:
    """The rows of an Arrow stream: what Hugging Face's `datasets` saves."""
    arrow = _arrow()
    try:
        with arrow.ipc.open_stream(source) as stream:
            yield from numbered(name, _of_batches(stream))
    except arrow.ArrowInvalid as error:
        raise UserError(f"a damaged Arrow stream ({_first_line(error)})") from None


def _of_batches(batches: Any) -> Iterator[bytes]:
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH):
            for row in batch.slice(start, BATCH).to_pylist():
                yield json.dumps(row, default=_plain).encode()


def _plain(value: object) -> str:
    """Bytes, dates and decimals as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
