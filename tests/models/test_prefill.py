"""Prompts that are read in groups, each beginning once, leave what reading each prompt alone would leave."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import DynamicCache

sys.path.insert(0, str(Path(__file__).parent))
from tiny import FAMILIES, tiny

from adhere.models.forward.attention_scaling import Emphasis
from adhere.models.forward.prefill import PASS, Beginning, RoomyLayer, divide, read
from adhere.models.generation.generate import Request, Sampling, generate

TEXTS = ("The river runs to the north.", "Hi", "The river runs to the north.", "a" * 60, "Hi", "What is the sea?")


def _beginnings(model, texts: tuple[str, ...] = TEXTS) -> list[Beginning]:
    return [Beginning(tuple(model.encode(text))) for text in texts]


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "qwen3"])
def test_each_rows_keys_and_values_are_those_of_its_prompt_alone(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PASS, "cpu", 4)  # so that there are several groups
    model = tiny(family)
    beginnings = _beginnings(model)
    with torch.inference_mode():
        cache = read(model.model, beginnings, 0)
        for row, beginning in enumerate(beginnings):
            alone = DynamicCache(config=model.model.config)
            model.model(torch.tensor([beginning.tokens]), past_key_values=alone)
            for ours, theirs in zip(cache.layers, alone.layers, strict=True):
                assert isinstance(ours, RoomyLayer)
                for mine, yours in ((ours.keys, theirs.keys), (ours.values, theirs.values)):
                    assert torch.allclose(mine[row, :, -len(beginning) :], yours[0], atol=1e-5)


def test_alike_prompts_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    rows: list[int] = []
    forward = model.model.forward

    def counting(*args, input_ids: torch.Tensor, **kwargs):
        rows.append(len(input_ids))
        return forward(*args, input_ids=input_ids, **kwargs)

    monkeypatch.setattr(model.model, "forward", counting)
    with torch.inference_mode():
        read(model.model, _beginnings(model), 0)
    assert sum(rows) == len(set(TEXTS))


def test_a_prompt_read_with_less_attention_is_not_taken_for_the_same_prompt() -> None:
    model = tiny()
    tokens = tuple(model.encode("The river runs to the north."))
    wants = [None, Emphasis((3, 4, 5), 0.0, "behind"), Emphasis((3, 4, 5), 0.0), Emphasis((3, 4, 5), 0.5, "behind")]
    requests = [Request(tokens, Sampling(max_tokens=8, logprobs=0), emphasis=one) for one in wants]
    together = generate(model, requests)
    for request, answer in zip(requests, together, strict=True):
        [alone] = generate(model, [request])
        assert answer.tokens == alone.tokens
        assert [t.logprob for t in answer.logprobs] == pytest.approx([t.logprob for t in alone.logprobs], abs=1e-4)
    assert len({answer.logprobs[0].logprob for answer in together}) == len(wants)


def test_the_cheapest_division_is_taken() -> None:
    def cost(groups: list, price: int) -> int:
        return sum(price + len(group) * len(group[-1]) for group in groups)

    lengths = (1, 2, 2, 7, 8, 30, 31)
    beginnings = [Beginning((0,) * length) for length in lengths]
    for price in (0, 3, 10, 1000):
        groups = divide(beginnings, price)
        assert [one for group in groups for one in group] == beginnings
        cuts = ([k for k in range(6) if number >> k & 1] for number in range(64))
        every = ([beginnings[a:b] for a, b in pairwise([0, *[k + 1 for k in cut], 7])] for cut in cuts)
        assert cost(groups, price) == min(cost(other, price) for other in every)
    assert len(divide(beginnings, 1000)) == 1
    assert divide([], 5) == []


def test_a_roomy_layer_holds_what_a_growing_one_holds() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(5, 2, 3, 4, generator=generator)
    plain = DynamicCache().layer_class_to_replicate()
    plain.update(first, -first)
    roomy = RoomyLayer(first.clone(), -first, 3)
    for step in range(80):
        if step in (10, 40, 70):
            keep = torch.tensor({10: [0, 4, 2, 3], 40: [3, 1, 2], 70: [0]}[step])
            plain.batch_select_indices(keep)
            roomy.batch_select_indices(keep)
        new = torch.randn(plain.keys.shape[0], 2, 1, 4, generator=generator)
        keys, values = roomy.update(new, -new)
        assert torch.equal(keys, plain.update(new, -new)[0])
        assert torch.equal(values, -keys)
        assert roomy.get_seq_length() == plain.get_seq_length() == 4 + step


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_that_end_early_leave_the_others_as_they_were(family: str) -> None:
    model = tiny(family)
    lengths = (3, 40, 7, 1, 25, 7)
    requests = [
        Request(tuple(model.encode(text)), Sampling(max_tokens=most, temperature=1.0, seed=k))
        for k, (text, most) in enumerate(zip(TEXTS, lengths, strict=True))
    ]
    together = generate(model, requests)
    assert [a.tokens for a in together] == [generate(model, [request])[0].tokens for request in requests]
