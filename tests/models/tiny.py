"""Tiny random models of the families we support, with a small tokenizer of their own: real code paths, no downloads."""

from __future__ import annotations

from functools import cache

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from adhere.models.load import OpenModel

FAMILIES = ("llama", "gemma2", "gemma3_text", "qwen2", "qwen3", "gpt_neox", "mistral", "olmo2", "phi3")
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}"
    "{% if not loop.last or add_generation_prompt %}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer: 256 bytes, padding and end."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<pad>": 0, "<eos>": 1, **{c: k + 2 for k, c in enumerate(alphabet)}}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="<eos>")
    made.chat_template = TEMPLATE
    return made


@cache
def tiny(family: str = "llama", layers: int = 3) -> OpenModel:
    """A random model of `family`, two attention heads, width 32."""
    common = {
        "vocab_size": 258,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 1 if family != "gpt_neox" else 2,
        "head_dim": 16,
        "max_position_embeddings": 256,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": None,
        "initializer_range": 0.2,
    }
    if family.startswith("gemma"):
        common["query_pre_attn_scalar"] = 16
    config = CONFIG_MAPPING[family](**common)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
    return OpenModel(f"tiny-{family}", model, tokenizer(), None)


@cache
def tiny_sinks(layers: int = 3) -> OpenModel:
    """A random GPT-OSS: attention sinks, alternating sliding windows, two experts."""
    config = CONFIG_MAPPING["gpt_oss"](
        vocab_size=258,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        num_local_experts=2,
        num_experts_per_tok=1,
        max_position_embeddings=256,
        sliding_window=16,
        pad_token_id=0,
        eos_token_id=1,
        initializer_range=0.2,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
    for block in model.model.layers:
        block.self_attn.sinks.data.normal_()
    return OpenModel("tiny-gpt_oss", model, tokenizer(), None)
