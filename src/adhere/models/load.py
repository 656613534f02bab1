"""Opening an open-weight model in torch, by name: one of the registry, a GGUF file, a folder, or a hub id.

A GGUF file is converted once (`gguf_conversion`). A model is usable here if transformers can load it as a causal
language model. A base model has no chat template: its prompts are plain text.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import socket
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from adhere.core.errors import UserError
from adhere.models.chat_template import render_bounded
from adhere.models.engines.options import current
from adhere.models.engines.probing import fastest_dtype
from adhere.models.engines.sources import locate
from adhere.models.gguf_conversion import converted

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Message = dict[str, Any]
"""A chat message as templates take it: `role` (system, user, assistant, tool), `content`, perhaps `tool_calls`."""

LARGEST_TOKENIZER = 1 << 28
"""Bytes of tokenizer.json; the largest vocabularies take some 40 MB."""


@dataclass
class OpenModel:
    """A loaded model with its tokenizer: what generating, capturing and intervening start from."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    folder: Path | None
    """The folder of its files, if known."""

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def context(self) -> int:
        """Most tokens that prompt and answer may have together."""
        return int(getattr(self.model.config, "max_position_embeddings", 0) or 2**20)

    @cached_property
    def end_ids(self) -> frozenset[int]:
        """Tokens that end an answer."""
        ids: set[int] = set()
        generation = getattr(self.model, "generation_config", None)
        for source in (getattr(generation, "eos_token_id", None), self.tokenizer.eos_token_id):
            if isinstance(source, int):
                ids.add(source)
            elif source:
                ids.update(int(one) for one in source)
        return frozenset(ids)

    @property
    def chats(self) -> bool:
        """Whether it has a chat template; without one a prompt is the messages' text alone."""
        return bool(self.tokenizer.chat_template)

    def render(self, messages: list[Message], *, tools: list[dict[str, Any]] | None = None) -> str:
        """The messages as the text that the model reads, ready for its answer; a last message of the assistant is
        left open, to be continued. `tools` are JSON schemas, for templates that know tools."""
        if not self.chats:
            return "\n".join(message["content"] for message in messages)
        prefill = messages[-1]["role"] == "assistant"
        options: dict[str, Any] = {"continue_final_message": True} if prefill else {"add_generation_prompt": True}
        given: Any = [*tools] if tools else None

        def render() -> str:
            return str(self.tokenizer.apply_chat_template(messages, tools=given, tokenize=False, **options))

        return render_bounded(self.tokenizer.chat_template, render)

    def plain(self, text: str) -> str:
        """`text` without the template's special tokens, so that untrusted text can neither open nor end a message."""
        special = [token for token in self.tokenizer.all_special_tokens if token]
        while any(token in text for token in special):  # removing one may join two halves of another
            for token in special:
                text = text.replace(token, "")
        return text

    def encode(self, text: str) -> list[int]:
        """Tokens of rendered text; a template writes its own special tokens, so none are added to it."""
        return list(self.tokenizer(text, add_special_tokens=not self.chats)["input_ids"])

    @cached_property
    def digest(self) -> str:
        """sha256 over the weights, in the order of their names: tells one checkpoint from another."""
        total = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            total.update(name.encode())
            flat = tensor.detach().contiguous().cpu()
            total.update(flat.view(-1).view(dtype=_bytes()).numpy().tobytes())
        return total.hexdigest()


def _bytes() -> torch.dtype:
    import torch

    return torch.uint8


def open_model(name: str, *, device: str | None = None, dtype: str | None = None, fast: bool = False) -> OpenModel:
    """Load the model called `name`, ready to answer.

    Args:
        name: as `engines.sources.locate` takes it; a hub id's files are in the local cache or reachable.
        device: where to put it; a GPU if there is one, else the CPU.
        dtype: a torch dtype's name; as stored on a GPU, float32 on a CPU.
        fast: on a CPU, weights of 16 bits may be run in bfloat16 where that is faster: for answers, not for states.

    Raises:
        UserError: there is no such model, or it lacks something that is needed.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    options = current()
    device, dtype = device or options.device, dtype or options.dtype
    origin = locate(name)
    folder = converted(origin.gguf) if origin.gguf is not None else origin.folder
    source = str(folder) if folder else name
    target = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.quant not in (None, "int8"):
        raise UserError(f"--quant {options.quant}: in torch it is int8 or left out; q8_0 is llama.cpp's")
    if options.quant and (target.type != "cpu" or dtype not in (None, "float32")):
        raise UserError("--quant int8 runs on a CPU, over float32: leave --device and --dtype out")
    if folder is None:
        check_within_reach(name)
    elif (folder / "tokenizer.json").exists() and (folder / "tokenizer.json").stat().st_size > LARGEST_TOKENIZER:
        raise UserError(f"{folder}/tokenizer.json has more than {LARGEST_TOKENIZER >> 20} MiB: no tokenizer has")
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as error:
        raise UserError(_why(name, folder, "tokenizer", error)) from error
    kind = dtype or _dtype(source, target, fast and options.quant is None)
    if folder is not None:
        _require_memory(name, folder, kind, target)
    try:
        with _LOADING:
            model = AutoModelForCausalLM.from_pretrained(
                source, dtype=kind, trust_remote_code=False, **_placement(target, device)
            )
        if target.type == "cpu":
            torch.nn.Module.to(model, target)
    except torch.OutOfMemoryError:
        raise UserError(
            f"{name} does not fit into the memory of {target}; try --device cpu or a smaller model"
        ) from None
    except Exception as error:
        raise UserError(_why(name, folder, "model", error)) from error
    torch.nn.Module.eval(model)
    model.requires_grad_(False)
    opened = OpenModel(name, model, tokenizer, folder)
    if options.quant:
        opened.digest = f"{opened.digest}-int8"  # before the weights are rounded: what is packed has no bytes to read
        opened.model = _rounded(model)
    return opened


def _dtype(source: str, target: torch.device, fast: bool) -> str:
    """The default number format."""
    from transformers import AutoConfig

    if target.type != "cpu":
        return "auto"
    if not fast:
        return "float32"
    try:
        stored = str(getattr(AutoConfig.from_pretrained(source, trust_remote_code=False), "dtype", ""))
    except Exception:  # loading the model reports the error
        return "float32"
    return fastest_dtype() if stored.endswith(("float16", "half")) else "float32"


def _placement(target: torch.device, device: str | None) -> dict[str, Any]:
    """Where the weights go as they are read: over all GPUs where there are several and none was named."""
    import torch

    if target.type == "cpu":
        return {}
    if importlib.util.find_spec("accelerate") is None:
        raise UserError("a GPU needs accelerate, which puts weights where they run: pip install 'adhere[gguf]'")
    return {"device_map": "auto" if device is None and torch.cuda.device_count() > 1 else {"": target}}


BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
SPARE = 0.9
"""The share of the machine's memory that weights may fill."""


def _require_memory(name: str, folder: Path, dtype: str, target: torch.device) -> None:
    """Raises: UserError: the weights alone are larger than the machine's memory."""
    if target.type != "cpu" or not hasattr(os, "sysconf"):
        return
    needed = weights_bytes(folder, dtype)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > SPARE * memory:
        raise UserError(
            f"{name} needs {needed / 2**30:.0f} GiB as {dtype} and this machine has {memory / 2**30:.0f}: "
            "give --dtype bfloat16, a GGUF file, or a machine with a GPU"
        )


def weights_bytes(folder: Path, dtype: str) -> int:
    """Bytes of a checkpoint's weights in memory as `dtype`, from the headers of its safetensors files."""
    total = 0
    for file in folder.glob("*.safetensors"):
        try:
            with file.open("rb") as source:
                header = json.loads(source.read(int.from_bytes(source.read(8), "little")))
            shapes = [one["shape"] for key, one in header.items() if key != "__metadata__"]
        except (ValueError, KeyError, TypeError, OverflowError):  # loading the model reports the error
            continue
        total += sum(math.prod(shape) for shape in shapes) * BYTES.get(dtype, 2)
    return total


def _rounded(model: PreTrainedModel) -> PreTrainedModel:
    """The model with its linear layers in eight bits, their inputs rounded as they come (dynamic quantisation)."""
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize: Any = torch.ao.quantization.quantize_dynamic
        return cast("PreTrainedModel", quantize(model, {torch.nn.Linear}, torch.qint8))


_LOADING = threading.Lock()
"""While transformers loads a model, modules created by any thread are put on the meta device: load one at a time."""


def check_within_reach(name: str) -> None:
    """Refuse a hub id that is not on this machine and cannot be fetched now.

    Raises:
        UserError: it is none, or the hub cannot be reached.
    """
    from huggingface_hub.errors import HFValidationError

    try:
        near = _within_reach(name)
    except HFValidationError:
        raise UserError(f"no model {name!r}: neither a file nor a folder, and no hub id") from None
    if not near:
        raise UserError(f"no model {name!r} on this machine, and the hub cannot be reached; give a folder")


def _within_reach(name: str) -> bool:
    """Whether the model is in the hub's local cache, or the hub can be reached. Its own client would retry for a
    minute before reporting that."""
    from huggingface_hub import constants, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, "config.json"), str):
        return True
    if constants.HF_HUB_OFFLINE:
        return False
    endpoint = urlsplit(constants.ENDPOINT)
    try:
        with socket.create_connection((endpoint.hostname or "", endpoint.port or 443), timeout=5):
            return True
    except OSError:
        return False


def _why(name: str, folder: Path | None, part: str, error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return f"{name} brings code of its own, which is never run: give a model that transformers knows by itself"
    if folder is not None:
        files = {entry.name for entry in folder.iterdir()}
        if "config.json" not in files:
            return f"{folder} holds no model: config.json is missing"
        if part == "tokenizer" and not files & {"tokenizer.json", "tokenizer.model", "vocab.json"}:
            return f"{folder} has no tokenizer: put tokenizer.json beside config.json"
        return f"{folder}: the {part} does not load ({_line(error)})"
    return (
        f"no model {name!r} on this machine and none could be fetched ({_line(error)}); "
        f"give a folder, or fetch it first where there is a network"
    )


def _line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:160]
