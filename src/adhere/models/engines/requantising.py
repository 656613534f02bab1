"""A GGUF file's weights as Q8_0, made once: on some processors llama.cpp multiplies them faster than four or five bits.

Rules:

- The new file lies in the cache under the sha256 of the old one, and appears there only when it is complete.
- Matrices of other quantised types and of float types become Q8_0, but for those whose rows are no multiple of its
  block; vectors and everything that is not a weight are copied. Q8_0 keeps 8 bits and a scale for 32 weights: a weight
  changes by at most 1/254 of the largest in its block. Precision that was lost before is not restored.
- The file is as large as 8.5 bits a weight.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from adhere.core.errors import UserError
from adhere.models.registry import cache, digest_of

QUANT = "q8_0"
BLOCK = 32
"""Weights that share a scale."""
FILE_TYPE = 7
"""`general.file_type` of a file that is mostly Q8_0 (llama.cpp, include/llama.h, LLAMA_FTYPE_MOSTLY_Q8_0)."""


def requantised(path: Path) -> Path:
    """The file at `path` as Q8_0; it is requantised on the first call.

    Raises:
        UserError: a package is missing, or a weight's type cannot be read.
    """
    target = cache() / "converted" / f"{path.stem}-{digest_of(path)[:16]}-{QUANT}.gguf"
    if target.is_file():
        return target
    try:
        import gguf  # noqa: F401
    except ImportError:
        raise UserError(f"{path.name} must be read to become {QUANT}: pip install 'adhere[gguf]'") from None
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".requantise-")
    os.close(handle)
    part = Path(name)
    try:
        _write(path, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _write(source: Path, target: Path) -> None:
    import gguf

    reader = gguf.GGUFReader(source)
    architecture = reader.get_field("general.architecture")
    if architecture is None:
        raise UserError(f"{source} names no architecture: it is not a language model's GGUF file")
    writer = gguf.GGUFWriter(target, str(architecture.contents()))
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        _copy(writer, field)
    writer.add_file_type(FILE_TYPE)
    try:
        for tensor in reader.tensors:
            _add(writer, tensor)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _copy(writer: Any, field: Any) -> None:
    kinds = field.types
    sub_type = kinds[-1] if len(kinds) > 1 else None
    writer.add_key_value(field.name, field.contents(), kinds[0], sub_type)


def _add(writer: Any, tensor: Any) -> None:
    """Add one tensor, as Q8_0 where it is a matrix that can be."""
    import gguf

    kind = gguf.GGMLQuantizationType
    row = int(tensor.shape[0])  # the reader gives the fastest axis first
    if len(tensor.shape) < 2 or row % BLOCK or tensor.tensor_type == kind.Q8_0:
        plain = tensor.tensor_type in (kind.F32, kind.F16, kind.F64)
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=None if plain else tensor.tensor_type)
        return
    try:
        weights = gguf.dequantize(tensor.data, tensor.tensor_type)
    except NotImplementedError:
        raise UserError(f"weights of type {tensor.tensor_type.name} cannot be read: leave --quant out") from None
    writer.add_tensor(tensor.name, gguf.quantize(weights, kind.Q8_0), raw_dtype=kind.Q8_0)
