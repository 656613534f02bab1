"""Reads the files people have: whatever the format, the result is a stream of rows, each one JSON object.

    from adhere.measure.files import files_in, lines

    for name in files_in(["run/", "answers.parquet", "-"]):
        for line in lines(name):      # Line(file, number, raw JSON bytes, digest) or Bad

Rules.

- The content decides, not the name: compression (gzip, xz, bzip2, zstd), JSON lines, a JSON array, indented JSON, CSV
  and TSV with a header, Parquet, Arrow, Inspect logs. `-` is standard input.
- Memory does not grow with the file: one row is held (one small batch of a table).
- A row that cannot be read is a `Bad` with its place, and reading goes on behind it where that is possible.
- A file of another kind is named for what it is, beside what was expected.
"""

from adhere.measure.files.folders import files_in, model_of
from adhere.measure.files.line import LIMIT, Bad, Line
from adhere.measure.files.streams import STDIN, lines

__all__ = ["LIMIT", "STDIN", "Bad", "Line", "files_in", "lines", "model_of"]
