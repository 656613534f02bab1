"""JSON that strangers wrote, read in bounds: what is nested too deeply, or unpacks to too much, is one line."""

from __future__ import annotations

import gzip
import json
from typing import Any

LARGEST_UNPACKED = 1 << 30
"""Bytes that a compressed file may unpack to."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, or nested too deeply for this process.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def unpack_gzip(data: bytes, most: int = LARGEST_UNPACKED) -> bytes:
    """What gzip packed into `data`.

    Raises:
        OSError: it is damaged, or unpacks to more than `most` bytes.
        EOFError: its end is missing.
    """
    import io
    import zlib

    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            unpacked = file.read(most + 1)
    except zlib.error as error:
        raise OSError(f"damaged compressed data ({error})") from error
    if len(unpacked) > most:
        raise OSError(f"it unpacks to more than {most >> 20} MiB")
    return unpacked
