"""Writing a checkpoint in Hugging Face's format, with a record of the run that it came from.

The tensors are stored in bfloat16, half the size; the configuration says float32, so that a plain
`AutoModelForCausalLM.from_pretrained(folder)` computes in float32, which is faster and exact on a CPU.
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adhere.core.files import write_text

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

LIBRARIES = ("adhere", "torch", "transformers", "tokenizers")


def write(
    model: LlamaForCausalLM,
    weights: Mapping[str, Tensor],
    tokens: PreTrainedTokenizerFast,
    folder: Path,
    about: Mapping[str, Any],
) -> None:
    """Write `weights` of `model`'s shape into `folder`, with configuration, tokenizer and `training.json`."""
    import torch
    from safetensors.torch import save_file
    from transformers import GenerationConfig

    folder.mkdir(parents=True, exist_ok=True)
    config = type(model.config)(**{**model.config.to_dict(), "dtype": "float32"})
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=tokens.bos_token_id,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
        do_sample=False,
    ).save_pretrained(folder)
    tokens.save_pretrained(folder)
    rounded = {name: tensor.detach().cpu().to(torch.bfloat16).contiguous() for name, tensor in weights.items()}
    part = folder / "model.safetensors.part"
    save_file(rounded, part, metadata={"format": "pt"})
    part.replace(folder / "model.safetensors")
    record = {"revision": revision(), "versions": versions(), **about}
    write_text(folder / "training.json", json.dumps(record, indent=1) + "\n")


def versions() -> dict[str, str]:
    """Versions of what made the weights."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def revision() -> str | None:
    """The git revision of this source tree; None where it is not in one."""
    try:
        completed = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return completed.stdout.strip()
