"""What a GGUF file says of itself, read from its header alone.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Little-endian; magic, version, counts, then keys
with typed values. Long arrays (vocabularies) are walked over, not kept, unless they are asked for. The `gguf` package
reads the same but maps every tensor and string to arrays first, which takes seconds for a vocabulary of 49,152.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from adhere.core.errors import UserError

MAGIC = b"GGUF"
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_MOST_KEYS = 100_000
_LONGEST = 1 << 28

Value = int | float | bool | str | list["Value"]


@dataclass(frozen=True)
class Header:
    """The header of a GGUF file."""

    path: Path
    values: Mapping[str, Value]

    @property
    def architecture(self) -> str:
        return str(self.values.get("general.architecture", ""))

    def number(self, key: str, default: int = 0) -> int:
        """A whole number of the architecture, such as `context_length`."""
        value = self.values.get(f"{self.architecture}.{key}", default)
        if isinstance(value, list):  # one for each layer
            value = max((one for one in value if isinstance(one, int)), default=default)
        return int(value) if isinstance(value, int | float) else default

    @property
    def context(self) -> int:
        """Tokens that the model was trained to read; 2,048 where the file does not say."""
        return self.number("context_length", 2_048)

    @property
    def cache_bytes(self) -> int:
        """Bytes of keys and values that one token takes at 16 bits."""
        heads = self.number("attention.head_count", 1)
        width = self.number("embedding_length") // max(1, heads)
        key, value = self.number("attention.key_length", width), self.number("attention.value_length", width)
        return 2 * self.number("block_count", 1) * self.number("attention.head_count_kv", heads) * (key + value)

    @property
    def chats(self) -> bool:
        """Whether it brings a chat template."""
        return bool(self.values.get("tokenizer.chat_template"))


def read_header(path: Path, arrays: Collection[str] = ()) -> Header:
    """The header of the file at `path`.

    Args:
        path: a GGUF file.
        arrays: keys of arrays longer than 1,000 to keep; other long ones are left out.

    Raises:
        UserError: it is no GGUF file, or it is cut short.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != MAGIC:
                raise UserError(f"{path} is no GGUF file: it does not begin with GGUF")
            version, _, keys = struct.unpack("<IQQ", file.read(20))
            if version not in (2, 3) or keys > _MOST_KEYS:
                raise UserError(f"{path}: GGUF version {version} is not known here; convert it with a newer llama.cpp")
            values: dict[str, Value] = {}
            for _ in range(keys):
                name = _string(file)
                value = _value(file, _scalar(file, 4), keep=name in arrays)
                if value is not None:
                    values[name] = value
            return Header(path, values)
    except (struct.error, UnicodeDecodeError, KeyError, OverflowError, RecursionError):
        raise UserError(f"{path}: the GGUF header is damaged or cut short; fetch the file again") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def _scalar(file: BinaryIO, kind: int) -> int:
    form = _SCALARS[kind]
    value: int = struct.unpack(form, file.read(struct.calcsize(form)))[0]
    return value


def _string(file: BinaryIO) -> str:
    length = _scalar(file, 10)
    if length > _LONGEST:
        raise OverflowError
    data = file.read(length)
    if len(data) < length:
        raise struct.error
    return data.decode("utf-8", errors="replace")


def _value(file: BinaryIO, kind: int, keep: bool) -> Value | None:
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        return _scalar(file, kind)
    inner, count = _scalar(file, 4), _scalar(file, 10)
    if count > _LONGEST:
        raise OverflowError
    if count <= 1_000 or keep:
        return [item for _ in range(count) if (item := _value(file, inner, keep)) is not None]
    if inner in _SCALARS:
        file.seek(count * struct.calcsize(_SCALARS[inner]), 1)
        return None
    for _ in range(count):
        if inner == _STRING:
            file.seek(_scalar(file, 10), 1)
        else:
            _value(file, inner, keep=False)
    return None
