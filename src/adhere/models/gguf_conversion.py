"""GGUF to a folder that transformers loads, once: dequantised weights as safetensors, tokenizer and chat template.

Rules:

- The folder lies in the cache under the sha256 of the file, and appears there only when it is complete.
- Weights of 32 bits and bfloat16 stay what they are; quantised ones become float16, since bfloat16 would round the
  scales of their blocks.
- How a byte-level tokenizer splits text before merging is only named in the file (`tokenizer.ggml.pre`). transformers
  takes GPT-2's way for all; ways that are known here are put in their place. Where llama.cpp is installed, both
  tokenizers then read the same sentences, and a difference is an error: a wrong tokenizer would silently
  change every measurement.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.core.errors import UserError
from adhere.models.engines.gguf_header import Header, read_header
from adhere.models.registry import cache, digest_of

if TYPE_CHECKING:
    import torch

FORMAT = 1
"""Part of the folder's name: a change of what this module writes makes a new one."""

_BYTES: dict[str, Any] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_ONLY_BYTES = {**_BYTES, "use_regex": False}
_DIGITS = {"type": "Digits", "individual_digits": True}


def _split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
SPLITS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "gpt-2": (_BYTES,),
    "smollm": (_DIGITS, _BYTES),
    "starcoder": (_DIGITS, _BYTES),
    "refact": (_DIGITS, _BYTES),
    "command-r": (_DIGITS, _BYTES),
    "llama-bpe": (_split(_LLAMA3), _ONLY_BYTES),
    "llama3": (_split(_LLAMA3), _ONLY_BYTES),
    "qwen2": (_split(_QWEN2), _ONLY_BYTES),
}
"""How text is split before merging, by llama.cpp's name for it (llama.cpp, src/llama-vocab.cpp)."""

PROBES = (
    "The sea is calm, isn't it? We've 3 boats, 12 oars and 1,984 stories.",
    '{"name": "Ann", "age": 47, "tags": ["a", "b"]}\n\n    def f(x):\n\treturn x ** 2  # twice\n',
    "Ein Kätzchen äße naïve Crème brûlée — 東京 は 2024年, Привет, مرحبا 🙂👩‍👩‍👧.",
    "A  B   C\r\n\r\n- item\n- ITEM ... (e.g. v1.2.3) http://a.b/c?d=e&f=100%",
)
"""Sentences that both tokenizers read: contractions, numbers, code, white space, scripts."""


def converted(path: Path) -> Path:
    """The folder converted from the GGUF file at `path`; it is converted on the first call.

    Raises:
        UserError: a package is missing, transformers does not know the architecture, or the tokenizer differs from
            llama.cpp's.
    """
    target = cache() / "converted" / f"{path.stem}-{digest_of(path)[:16]}-{FORMAT}"
    if target.is_dir():
        return target
    header = read_header(path)
    try:
        import accelerate  # noqa: F401
        import gguf  # noqa: F401
    except ImportError:
        raise UserError(f"{path.name} must be converted for torch: pip install 'adhere[gguf]'") from None
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=".convert-"))
    try:
        _convert(path, header, folder)
        _compare(path, folder)
        if not target.is_dir():
            folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return target


def _convert(path: Path, header: Header, folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # progress bars that cannot be turned off
            tokenizer = AutoTokenizer.from_pretrained(**where)
            model = AutoModelForCausalLM.from_pretrained(**where, dtype=_dtype(header))
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise UserError(f"{path.name} ({header.architecture}) cannot be converted for torch: {text}") from error
    model.hf_quantizer = None  # type: ignore[assignment]  # the weights are plain now; with it transformers refuses to save them
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _set_split(folder, header)


def _dtype(header: Header) -> torch.dtype:
    """What to keep the weights as; the numbers are llama.cpp's file types."""
    import torch

    kept = {0: torch.float32, 32: torch.bfloat16}
    kind = header.values.get("general.file_type")
    return kept.get(kind, torch.float16) if isinstance(kind, int) else torch.float16


def _set_split(folder: Path, header: Header) -> None:
    """Split text as the model was trained to, where the file names a way that is known."""
    way = SPLITS.get(str(header.values.get("tokenizer.ggml.pre", "")))
    file = folder / "tokenizer.json"
    if way is None or header.values.get("tokenizer.ggml.model") != "gpt2" or not file.exists():
        return
    record = json.loads(file.read_text(encoding="utf-8"))
    record["pre_tokenizer"] = way[0] if len(way) == 1 else {"type": "Sequence", "pretokenizers": list(way)}
    file.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")


def _compare(path: Path, folder: Path) -> None:
    """Read `PROBES` with both tokenizers.

    Raises:
        UserError: they differ.
    """
    from transformers import AutoTokenizer

    from adhere.models.engines import llamacpp

    if not llamacpp.available():
        warnings.warn("llama.cpp is not installed: the converted tokenizer was not compared with it", stacklevel=2)
        return
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text, wanted in zip(PROBES, llamacpp.tokenized(path, PROBES), strict=True):
        tokens = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        if tokens != wanted:
            at = next((k for k, (a, b) in enumerate(zip(tokens, wanted, strict=False)) if a != b), len(wanted))
            raise UserError(
                f"{path.name}: the converted tokenizer reads {tokenizer.decode(wanted[at : at + 3])!r} differently "
                "from llama.cpp; give --engine llamacpp, or the folder that the GGUF file was made from"
            )
