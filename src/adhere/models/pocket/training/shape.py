"""Building the model, its tokenizer and its optimisers from a recipe."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

import torch

from adhere.models.pocket.training import tokenizer
from adhere.models.pocket.training.optimiser import Muon
from adhere.models.pocket.training.recipe import Recipe
from adhere.models.pocket.world import world

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


def build(recipe: Recipe, tokens: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama of the recipe's size with fresh weights; the layers' outputs start at zero."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(recipe.seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=math.ceil(len(tokens) / 64) * 64,
            hidden_size=recipe.width,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            intermediate_size=recipe.hidden,
            max_position_embeddings=recipe.context,
            tie_word_embeddings=True,
            bos_token_id=tokens.bos_token_id,
            eos_token_id=tokens.eos_token_id,
            pad_token_id=tokens.pad_token_id,
        )
    )
    for layer in model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    return model


def fit_tokenizer(recipe: Recipe) -> PreTrainedTokenizerFast:
    """A tokenizer fitted to dialogues and plain texts of the training side."""
    half = recipe.tokenizer_texts // 2
    texts = list(islice(world.plain_text(recipe.seed, "train"), half))
    for dialogue in islice(world.dialogues(recipe.seed, "train"), half):
        texts += [message.content for message in dialogue.messages]
    return tokenizer.fit(texts, recipe.vocab, recipe.context)


def optimisers(recipe: Recipe, model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for the rest; each group remembers its full learning rate."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    both: list[torch.optim.Optimizer] = [
        Muon(matrices, lr=recipe.matrix_lr, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(others, lr=recipe.vector_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]
    for optimiser in both:
        for group in optimiser.param_groups:
            group["full_lr"] = group["lr"]
    return both
