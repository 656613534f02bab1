"""Answers of open weights in torch, for the study: one call, one seed for every answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from adhere.train.rows import Message

if TYPE_CHECKING:
    from adhere.models.generation.requests import Generation
    from adhere.models.load import OpenModel

MAX_TOKENS = 128


def sampling_seed(*parts: object) -> int:
    """A seed that depends on all of `parts`."""
    text = " ".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1


def sample(
    opened: OpenModel,
    prompts: Sequence[Sequence[Message]],
    seeds: Sequence[int],
    *,
    temperature: float = 1.0,
    max_tokens: int = MAX_TOKENS,
    batch: int = 64,
) -> list[Generation]:
    """One answer to each of `prompts`, in their order; a prompt may stand there several times with other seeds.

    Raises:
        UserError: a prompt leaves no room for an answer.
    """
    from adhere.models.generation.generate import generate
    from adhere.models.generation.requests import Request, Sampling

    encoded: dict[int, tuple[int, ...]] = {}
    requests = []
    for prompt, seed in zip(prompts, seeds, strict=True):
        if id(prompt) not in encoded:
            encoded[id(prompt)] = tuple(opened.encode(opened.render([dict(message) for message in prompt])))
        sampling = Sampling(max_tokens=max_tokens, temperature=temperature, seed=seed)
        requests.append(Request(encoded[id(prompt)], sampling=sampling))
    return generate(opened, requests, batch=batch)
