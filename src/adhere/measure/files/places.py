"""Files on this machine, in S3 or in Google Cloud Storage, by one set of functions.

Apache Arrow's file systems do the work (`pyarrow.fs`, of the extra `files`). `s3://bucket/path` takes credentials and
region from where the AWS tools take them; `AWS_ENDPOINT_URL` names another server that speaks S3.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from adhere.core.errors import UserError
from adhere.core.files import write_bytes

SCHEMES = ("s3", "gs", "gcs")


def is_remote(place: str) -> bool:
    """Whether a path is a URL of an object store."""
    return "://" in place


def object_store(path: str | os.PathLike[str]) -> str | None:
    """The URL that a path means, also one whose second slash `pathlib` has taken away; None for a path of a file."""
    text = os.fspath(path)
    match = re.match(rf"({'|'.join(SCHEMES)}):/+(?=[^/])", text)
    return None if match is None else f"{match[1]}://{text[match.end() :]}"


def join(folder: str, *names: str) -> str:
    """A path inside a folder."""
    return "/".join((folder.rstrip("/"), *names)) if is_remote(folder) else os.path.join(folder, *names)


def filesystem(place: str) -> tuple[Any, str]:
    """Arrow's file system for a path, and the path within it.

    Raises:
        UserError: the scheme is unknown, or the store cannot be reached.
    """
    from pyarrow import ArrowException, fs

    if not is_remote(place):
        return fs.LocalFileSystem(), os.path.abspath(place)
    scheme = urlsplit(place).scheme
    if scheme not in SCHEMES:
        raise UserError(f"{place}: cannot read {scheme}://; object stores are {', '.join(f'{s}://' for s in SCHEMES)}")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    try:
        if scheme == "s3" and endpoint:
            server = urlsplit(endpoint)
            region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
            store = fs.S3FileSystem(endpoint_override=server.netloc, scheme=server.scheme, region=region)
            return store, place.removeprefix("s3://")
        found, path = fs.FileSystem.from_uri(place.replace("gcs://", "gs://", 1))
    except (ArrowException, OSError, ValueError) as error:
        raise UserError(f"{place}: {(str(error).splitlines() or ['cannot be reached'])[0]}") from None
    return found, path


def expand(places: Sequence[str]) -> list[str]:
    """The files that paths with `*` and `?` stand for, sorted; others as they are.

    Raises:
        UserError: a pattern stands for no file.
    """
    files: list[str] = []
    for place in places:
        if not any(mark in place for mark in "*?["):
            files.append(place)
            continue
        matches = list(_remote_matches(place)) if is_remote(place) else glob.glob(place, recursive=True)
        if not matches:
            raise UserError(f"{place}: no such files")
        files += sorted(matches)
    return files


def _remote_matches(pattern: str) -> Iterator[str]:
    store, path = filesystem(pattern)
    scheme = urlsplit(pattern).scheme
    literal = path[: min(path.find(mark) for mark in "*?[" if mark in path)].rsplit("/", 1)[0]
    for found in _listed(store, literal):
        if fnmatch.fnmatchcase(found, path):
            yield f"{scheme}://{found}"


def _listed(store: Any, folder: str) -> Iterator[str]:
    from pyarrow import fs

    selector = fs.FileSelector(folder, recursive=True, allow_not_found=True)
    for one in store.get_file_info(selector):
        if one.type == fs.FileType.File:
            yield one.path


def files_under(folder: str) -> list[str]:
    """The files in a folder and below, sorted; none where there is no such folder."""
    store, path = filesystem(folder)
    prefix = f"{urlsplit(folder).scheme}://" if is_remote(folder) else ""
    return sorted(prefix + found for found in _listed(store, path))


@contextmanager
def opened(place: str) -> Iterator[Any]:
    """A file to be read at random.

    Raises:
        UserError: it cannot be read.
    """
    try:
        store, path = filesystem(place)
        with store.open_input_file(path) as file:
            yield file
    except OSError as error:
        raise UserError(f"{place}: {error.strerror or (str(error).splitlines() or ['cannot be read'])[0]}") from None


def read(place: str) -> bytes | None:
    """What a small file holds; None where there is none."""
    store, path = filesystem(place)
    try:
        with store.open_input_file(path) as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None


def write(place: str, data: bytes) -> None:
    """Write a file whole or not at all: an object store does so by itself, a folder by renaming."""
    if not is_remote(place):
        os.makedirs(os.path.dirname(place) or ".", exist_ok=True)
        write_bytes(place, data)
        return
    store, path = filesystem(place)
    with store.open_output_stream(path) as file:
        file.write(data)


@contextmanager
def table_writer(place: str, schema: Any) -> Iterator[Any]:
    """A Parquet file to be written in pieces; under its name only when it is whole."""
    from pyarrow import parquet

    store, path = filesystem(place)
    if is_remote(place):
        with store.open_output_stream(path) as file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            yield writer
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    unfinished = f"{path}.{os.getpid()}.unfinished"
    try:
        with parquet.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            yield writer
        os.replace(unfinished, path)
    finally:
        if os.path.exists(unfinished):
            os.unlink(unfinished)
