"""Erasing while generating is erasing in a full pass: with the cache, in a batch, at the tokens chosen only."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from tiny import FAMILIES, tiny, tiny_sinks

from adhere.core.errors import UserError
from adhere.models.forward.blocks import blocks
from adhere.models.forward.capture import CapturePlan, capture
from adhere.models.forward.erasing import Erasing, Where, response_loss
from adhere.models.forward.tokenmap import TokenMap, replay
from adhere.models.generation.generate import Request, Sampling, generate
from adhere.models.load import OpenModel, open_model

CHAT = [{"role": "user", "content": "Write about the sea."}]
TEXTS = ("A boat.", "The boat is at sea, and the sea is wide.", "Late")


@dataclass(frozen=True)
class Made:
    left: np.ndarray
    right: np.ndarray
    mean: np.ndarray


def _eraser(width: int = 32, rank: int = 2, seed: int = 0, oblique: bool = True) -> Made:
    """A projection; oblique as LEACE's are, or orthogonal."""
    random = np.random.default_rng(seed)
    right, _ = np.linalg.qr(random.standard_normal((width, rank)))
    left = right
    if oblique:
        left = right + 0.3 * random.standard_normal((width, rank))
        left = left @ np.linalg.inv(right.T @ left)
    return Made(left, right, random.standard_normal(width))


def _maps(model: OpenModel) -> list[TokenMap]:
    return [replay(model, CHAT, text) for text in TEXTS]


def _reference(
    model: OpenModel, tokens: list[int], erasers: dict[int, Made], where: Where, prompt: int
) -> torch.Tensor:
    """Logits of one text, without cache, batch or padding: every token's stream changed by the formula in double."""

    def change(eraser: Made, stream: torch.Tensor) -> torch.Tensor:
        x = stream[0].double().numpy()
        new = x - (x - eraser.mean) @ eraser.right @ eraser.left.T
        if where == "answer":
            new[: prompt - 1] = x[: prompt - 1]
        if where == "prompt":
            new[prompt - 1 :] = x[prompt - 1 :]
        return torch.tensor(new)[None].to(stream.dtype)

    stack = blocks(model.model)
    handles = [stack.tap(layer, lambda s, e=eraser: change(e, s)) for layer, eraser in erasers.items()]
    try:
        return model.model(torch.tensor([tokens])).logits[0]
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("where", ["all", "answer", "prompt"])
@pytest.mark.parametrize("family", [*FAMILIES, "gpt_oss"])
def test_generation_with_a_cache_is_a_full_pass_each_time(family: str, where: Where) -> None:
    model = tiny_sinks() if family == "gpt_oss" else tiny(family)
    erasers = {layer: _eraser(seed=layer) for layer in (0, 2, 3)}
    prompts = [model.encode(text) for text in ("Hi", "What is the sea?", "x")]
    requests = [Request(tuple(tokens), Sampling(max_tokens=6, logprobs=1)) for tokens in prompts]
    plain = generate(model, requests)
    with Erasing(model, erasers, where):
        answers = generate(model, requests)
    for tokens, answer in zip(prompts, answers, strict=True):
        logits = _reference(model, [*tokens, *answer.tokens], erasers, where, len(tokens))
        logs = logits[len(tokens) - 1 : -1].log_softmax(-1)
        assert answer.tokens == tuple(logs.argmax(-1).tolist())
        found = [one.logprob for one in answer.logprobs]
        assert found == pytest.approx(logs.max(-1).values.tolist(), abs=2e-4)
    assert any(a.logprobs[0].logprob != b.logprobs[0].logprob for a, b in zip(answers, plain, strict=True))
    after = generate(model, requests)
    assert [a.tokens for a in after] == [a.tokens for a in plain]


def test_transformers_own_generate_is_erased_alike() -> None:
    model = tiny()
    prompt = model.encode("What is the sea?")
    with Erasing(model, {2: _eraser()}):
        ours = generate(model, [Request(tuple(prompt), Sampling(max_tokens=8))])[0]
        ids = torch.tensor([prompt])
        theirs = model.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
    assert list(ours.tokens) == theirs[0, len(prompt) :].tolist()


def test_what_was_erased_is_not_there_and_the_rest_stays() -> None:
    model = tiny()
    eraser = _eraser(oblique=False)
    plan = CapturePlan(layers=(2,), positions=("prompt", "50", "eos"))
    before = capture(model, _maps(model), plan).states
    with Erasing(model, {2: eraser}):
        states = capture(model, _maps(model), plan).states
    np.testing.assert_allclose((states - eraser.mean) @ eraser.right, 0, atol=1e-5)
    rest = np.eye(32) - eraser.right @ eraser.right.T
    np.testing.assert_allclose(states @ rest, before @ rest, atol=1e-5)


@pytest.mark.parametrize("where", ["all", "answer", "prompt"])
def test_loss_of_a_padded_batch_is_the_loss_of_each_text(where: Where) -> None:
    model = tiny()
    erasers = {1: _eraser(seed=3)}
    maps = [*_maps(model), replay(model, [{"role": "user", "content": "x"}], "Boat", ended=False)]
    erasing = Erasing(model, erasers, where)
    with erasing:
        found = response_loss(model, maps, erasing)
    for k, one in enumerate(maps):
        logits = _reference(model, list(one.tokens), erasers, where, one.prompt)
        wanted = torch.nn.functional.cross_entropy(
            logits[one.prompt - 1 : -1], torch.tensor(one.tokens[one.prompt :]), reduction="sum"
        )
        assert found.nats[k] == pytest.approx(float(wanted), rel=1e-4)
        assert found.tokens[k] == len(one.tokens) - one.prompt
    assert found.per_token == pytest.approx(found.nats.sum() / found.tokens.sum())


def test_the_pocket_model_finds_its_own_text_likely_and_less_so_when_much_is_erased() -> None:
    model = open_model("pocket")
    prompt = model.encode(model.render(CHAT))
    answer = generate(model, [Request(tuple(prompt), Sampling(max_tokens=80))])[0]
    maps = [replay(model, CHAT, answer.tokens)]
    plain = response_loss(model, maps).per_token
    nothing = Erasing(model, {3: Made(np.zeros((160, 1)), np.zeros((160, 1)), np.zeros(160))})
    much = Erasing(model, {layer: _eraser(160, 80, layer, oblique=False) for layer in range(7)})
    with nothing:
        assert response_loss(model, maps, nothing).per_token == pytest.approx(plain, rel=1e-5)
    with much:
        assert response_loss(model, maps, much).per_token > plain + 1
    assert plain < 3  # of the 7.3 of a guess


def test_half_precision_keeps_its_type() -> None:
    model = open_model("pocket", dtype="bfloat16")
    with Erasing(model, {3: _eraser(160)}):
        assert generate(model, [Request(tuple(model.encode("Hi")), Sampling(max_tokens=3))])[0].tokens


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda model: Erasing(model, {9: _eraser()}), "no layer 9"),
        (lambda model: Erasing(model, {1: _eraser(16)}), "width of 32"),
        (lambda model: Erasing(model, {1: _eraser()}, "question"), "wanted all, answer or prompt"),
    ],
)
def test_what_cannot_be_erased_is_refused(make, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(tiny())
