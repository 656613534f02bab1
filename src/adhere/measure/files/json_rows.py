"""Rows in JSON: one object a line, or an array of objects, or objects one after the other, indented or not.

Arrays are split without being parsed: a scan over the marks that matter (quotes, brackets) finds where each element
ends, in one pass; the element's bytes are parsed later, where a row is read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import BinaryIO, Literal

from adhere.measure.files.line import Bad, Line, numbered, shown_in

Form = Literal["lines", "values", "inspect"]

_BOM = b"\xef\xbb\xbf"
_CHUNK = 1 << 18


def form_of(head: bytes) -> Form:
    """How JSON stands in a file that begins with `head`: "lines" also where it is no JSON at all."""
    start = head.removeprefix(_BOM).lstrip()
    if start.startswith(b"["):
        return "lines" if _is_json(start.split(b"\n", 1)[0]) and b"\n[" in start else "values"
    if not start.startswith(b"{"):
        return "lines"
    first, _, rest = start.partition(b"\n")
    if re.match(rb'\{\s*"version":\s*\d+,\s*"status":\s*"\w+",\s*"eval":\s*\{', start):
        return "inspect"
    indented = not _is_json(first) and (first.strip() == b"{" or rest.lstrip()[:1] in (b'"', b"}", b"]"))
    return "values" if indented else "lines"


def _is_json(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return True


def from_lines(name: str, file: BinaryIO, limit: int) -> Iterator[Line | Bad]:
    """One row a line; blank lines are passed over, and the rest of a line longer than `limit` too."""
    digest = hashlib.blake2b(digest_size=8)
    number = 0
    while raw := file.readline(limit + 1):
        number += 1
        digest.update(raw)
        whole, seen = len(raw), raw
        while len(raw) > limit and not raw.endswith(b"\n"):
            raw = file.readline(limit + 1)
            digest.update(raw)
            whole += len(raw)
            if not raw:
                break
        if whole > limit + 1:
            problem = f"a line of {whole:,} bytes; the most is {limit:,}"
            yield Bad(name, number, problem, digest.hexdigest(), *shown_in(seen))
        elif not raw.isspace():
            yield Line(name, number, raw, digest.hexdigest())


def from_values(name: str, file: BinaryIO, limit: int) -> Iterator[Line | Bad]:
    """One row for each element of an array, or for each of several objects that follow each other."""
    return numbered(name, _values(file, limit))


_MARK = re.compile(rb'["{}\[\]]')
_QUOTE = re.compile(rb'[\\"]')


def _values(file: BinaryIO, limit: int) -> Iterator[bytes | str]:
    """The bytes of each object; a string says what is wrong where one does not end or is too long."""
    depth = 0  # within the object; an array around the rows does not count
    kept: list[bytes] = []
    length = 0
    in_string = escaped = False
    while chunk := file.read(_CHUNK):
        position = start = 0
        if escaped:
            position, escaped = 1, False
        while position < len(chunk):
            match = (_QUOTE if in_string else _MARK).search(chunk, position)
            if match is None:
                break
            position = match.end()
            mark = match[0]
            if mark == b"\\":
                escaped = position >= len(chunk)
                position += 1
            elif mark == b'"':
                in_string = not in_string
            elif depth == 0 and mark != b"{":
                continue  # of the array around the rows
            elif mark in b"{[":
                if depth == 0:
                    start = match.start()
                depth += 1
            else:
                depth -= 1
                if depth == 0:
                    length += position - start
                    whole = b"".join([*kept, chunk[start:position]]) if length <= limit else b""
                    yield whole or f"an object of {length:,} bytes; the most is {limit:,}"
                    kept, length = [], 0
        if depth:
            length += len(chunk) - start
            if length <= limit:
                kept.append(chunk[start:])
    if depth:
        yield "the file ends within an object: it was cut off"
