"""A tiny random llama as a GGUF file, with the byte-level tokenizer of the other tiny models: a real file for real
engines, made in a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = ("t h", "th e", "i n", "e r", "Ġ t", "Ġ a")


def write_tiny_gguf(path: Path, *, layers: int = 2, width: int = 64, context: int = 512, seed: int = 0) -> Path:
    """Write it to `path`."""
    gguf = pytest.importorskip("gguf")
    from tokenizers.pre_tokenizers import ByteLevel

    tokens = [*SPECIAL, *sorted(ByteLevel.alphabet())]
    tokens += [merge.replace(" ", "") for merge in MERGES]
    heads, feed = 4, 96
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.3).astype(np.float32)

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed)
    writer.add_head_count(heads)
    writer.add_head_count_kv(2)
    writer.add_rope_dimension_count(width // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(tokens) - len(SPECIAL)))
    writer.add_token_merges(list(MERGES))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    writer.add_tensor("token_embd.weight", weights(len(tokens), width))
    writer.add_tensor("output_norm.weight", np.ones(width, dtype=np.float32))
    for k in range(layers):
        writer.add_tensor(f"blk.{k}.attn_norm.weight", np.ones(width, dtype=np.float32))
        writer.add_tensor(f"blk.{k}.ffn_norm.weight", np.ones(width, dtype=np.float32))
        for name, rows in (("q", width), ("k", width // 2), ("v", width // 2), ("output", width)):
            writer.add_tensor(f"blk.{k}.attn_{name}.weight", weights(rows, width))
        writer.add_tensor(f"blk.{k}.ffn_gate.weight", weights(feed, width))
        writer.add_tensor(f"blk.{k}.ffn_up.weight", weights(feed, width))
        writer.add_tensor(f"blk.{k}.ffn_down.weight", weights(width, feed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
