"""How likely and how repetitive an answer is, whatever was forced on it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from tiny import tiny

from adhere.models.generation.fluency import fluency, repetition
from adhere.models.generation.generate import Request, Sampling, generate
from adhere.models.load import open_model


def test_the_log_probability_is_that_with_which_the_answer_was_drawn() -> None:
    model = tiny()
    prompt = tuple(model.encode("What is the sea?"))
    answers = [
        generate(model, [Request(prompt, Sampling(max_tokens=2, temperature=1.0, seed=seed, logprobs=0))])[0]
        for seed in range(60)
    ]
    answer = next(one for one in answers if one.text.isascii() and model.encode(one.text) == list(one.tokens))
    read = fluency(model, prompt, answer.text)
    assert read.tokens == len(answer.tokens)
    assert read.logprob == pytest.approx(sum(one.logprob for one in answer.logprobs) / read.tokens, abs=1e-3)


def test_what_the_model_would_not_write_is_less_likely() -> None:
    model = open_model("pocket")
    prompt = tuple(model.encode(model.render([{"role": "user", "content": "Tell me about the sea."}])))
    own = generate(model, [Request(prompt, Sampling(max_tokens=20))])[0].text
    forced, free = fluency(model, prompt, "The zq sea zq is.").logprob, fluency(model, prompt, own).logprob
    assert forced is not None
    assert free is not None
    assert forced < free


def test_an_empty_answer_has_no_log_probability() -> None:
    assert fluency(tiny(), tuple(tiny().encode("Hi")), "").logprob is None


@pytest.mark.parametrize(
    ("text", "share"), [("one two three", 0.0), ("a b c d e f", 0.0), ("a b c d a b c d", 0.2), ("x " * 23, 0.95)]
)
def test_repetition_is_the_share_of_grams_that_stood_before(text: str, share: float) -> None:
    assert repetition(text) == pytest.approx(share, abs=0.001)
