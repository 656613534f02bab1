"""A real model through both engines, where it was fetched: `adhere models get smollm2`."""

from __future__ import annotations

import asyncio
import json

import pytest
from inspect_ai.model import GenerateConfig, get_model

from adhere.constraints.families.case import LetterCase
from adhere.constraints.families.json_format import Json
from adhere.models import registry
from adhere.models.generation.constrained import Draft, write
from adhere.models.generation.generate import Sampling
from adhere.models.load import OpenModel, open_model
from adhere.models.serving.provider import AdhereAPI

pytest.importorskip("xllamacpp")
pytest.importorskip("gguf")
pytestmark = pytest.mark.skipif(
    not registry.listed()["smollm2"].here, reason="SmolLM2 was not fetched: adhere models get smollm2"
)
PROMPTS = (
    "What is the capital of France?",
    "Name three colors.",
    "Write one sentence about the sea.",
    "What is 12 plus 30?",
    "Give a word that rhymes with cat.",
    "List two fruits.",
    "Who wrote Hamlet?",
    "Say hello in Spanish.",
    "What do bees make?",
    "Is ice cold? Answer yes or no.",
)
CONFIG = GenerateConfig(max_tokens=1, temperature=0.0, logprobs=True, top_logprobs=8)


@pytest.fixture(scope="module")
def opened() -> OpenModel:
    return open_model("smollm2")


def test_both_engines_give_ten_first_tokens_about_the_same_probability(opened: OpenModel) -> None:
    async def ask(model) -> list:
        return await asyncio.gather(*(model.generate(prompt, config=CONFIG) for prompt in PROMPTS))

    fast = get_model("adhere/smollm2", memoize=False, engine="llamacpp", threads=1, batch=4)
    torch = get_model("adhere/smollm2", memoize=False, opened=opened)
    assert isinstance(fast.api, AdhereAPI)
    try:
        quick, slow = asyncio.run(ask(fast)), asyncio.run(ask(torch))
    finally:
        fast.api.close()
        torch.api.close()
    for a, b in zip(quick, slow, strict=True):
        assert a.usage.input_tokens == b.usage.input_tokens
        first = a.choices[0].logprobs.content[0]
        known = {one.token: one.logprob for one in b.choices[0].logprobs.content[0].top_logprobs}
        # the kernels round differently, so that near ties fall either way
        assert known[first.token] == pytest.approx(first.logprob, abs=0.35)


@pytest.mark.parametrize(
    ("text", "constraint"),
    [
        ("Name the capital of France.", LetterCase(case="lower")),
        ("Name an animal and its color. Answer in JSON.", Json()),
    ],
)
def test_masks_hold_on_a_vocabulary_of_49_thousand(opened: OpenModel, text: str, constraint) -> None:
    prompt = tuple(opened.encode(opened.render([{"role": "user", "content": text}])))
    written = write(opened, [Draft(opened, prompt, (constraint,), Sampling(max_tokens=40))])[0]
    assert written.met, written.text
    assert "\N{REPLACEMENT CHARACTER}" not in written.text
    if isinstance(constraint, Json):
        json.loads(written.text)
