"""Scaled attention is the definition's, in every family: with a cache, in a batch, beside rows that ask for none."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from inspect_ai.model import ChatMessageUser, GenerateConfig, get_model

sys.path.insert(0, str(Path(__file__).parent))
from tiny import FAMILIES, tiny, tiny_sinks

from adhere.core.errors import UserError
from adhere.models.forward.attention_hooks import eager
from adhere.models.forward.attention_scaling import Emphasis
from adhere.models.forward.tokenmap import prompt_map
from adhere.models.generation.generate import Request, Sampling, generate
from adhere.models.load import OpenModel, open_model

ALL = (*FAMILIES, "gpt_oss")
WORD = "boat."


def _model(family: str) -> OpenModel:
    return tiny_sinks() if family == "gpt_oss" else tiny(family)


def _chat(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@contextmanager
def _scaled_weights(model: OpenModel, emphasis: Emphasis, prompt: int) -> Iterator[None]:
    """The definition, word for word: weights after the softmax times the factor, renormalised, in the eager kernel."""
    modelling = sys.modules[type(model.model).__module__]
    own = modelling.eager_attention_forward

    def scaled(module, query, key, value, attention_mask, **options):
        output, weights = own(module, query, key, value, attention_mask, **options)
        if emphasis.blocks is not None and module.layer_idx + 1 not in emphasis.blocks:
            return output, weights
        since = prompt - 1 if emphasis.since == "answer" else max(emphasis.tokens) + 1
        chosen = list(emphasis.tokens)
        new = weights.clone()
        new[:, :, since:, chosen] *= emphasis.factor
        total = 1 + (emphasis.factor - 1) * weights[:, :, since:, chosen].sum(-1, keepdim=True)
        new[:, :, since:] /= total
        values = value.repeat_interleave(query.shape[1] // value.shape[1], dim=1)
        return (new @ values).transpose(1, 2).contiguous(), new

    modelling.eager_attention_forward = scaled
    try:
        with eager(model.model):
            yield
    finally:
        modelling.eager_attention_forward = own


def _by_definition(model: OpenModel, tokens: list[int], emphasis: Emphasis, steps: int) -> list[torch.Tensor]:
    """Log-probabilities of each step, by a full pass over the text so far, greedy."""
    text, found = list(tokens), []
    with _scaled_weights(model, emphasis, len(tokens)), torch.inference_mode():
        for _ in range(steps):
            found.append(model.model(torch.tensor([text])).logits[0, -1].float().log_softmax(-1))
            text.append(int(found[-1].argmax()))
    return found


@pytest.mark.parametrize("family", ALL)
@pytest.mark.parametrize("since", ["answer", "behind"])
def test_generation_follows_the_definition(family: str, since: str) -> None:
    model = _model(family)
    texts = ("Say boat. Now!", "Please write of the sea and the word boat. It is late.", "boat. Go")
    maps = [prompt_map(model, _chat(text), parts={"word": WORD}) for text in texts]
    wanted = [
        Emphasis(one.parts["word"], factor, since)  # type: ignore[arg-type]
        for one, factor in zip(maps, (0.0, 0.5, 2.0), strict=True)
    ]
    sampling = Sampling(max_tokens=6, logprobs=258)
    requests = [Request(one.tokens, sampling, emphasis=e) for one, e in zip(maps, wanted, strict=True)]
    answers = generate(model, [*requests, Request(maps[0].tokens, sampling)])
    for one, emphasis, answer in zip(maps, wanted, answers, strict=False):
        steps = _by_definition(model, list(one.tokens), emphasis, len(answer.tokens))
        for step, logprob in zip(steps, answer.logprobs, strict=True):
            found = torch.zeros(258)
            found[[token for token, _ in logprob.top]] = torch.tensor([value for _, value in logprob.top])
            torch.testing.assert_close(found, step, atol=2e-4, rtol=0)
    plain = generate(model, [Request(maps[0].tokens, sampling)])[0]
    assert answers[3].tokens == plain.tokens
    assert answers[3].logprobs[0].logprob == pytest.approx(plain.logprobs[0].logprob, abs=1e-5)
    assert abs(answers[0].logprobs[0].top[0][1] - plain.logprobs[0].top[0][1]) > 1e-4  # it did something


def test_only_the_blocks_asked_for_are_scaled() -> None:
    model = tiny()
    one = prompt_map(model, _chat("Say boat. Now!"), parts={"word": WORD})
    emphasis = Emphasis(one.parts["word"], 0.0, blocks=(2,))
    answer = generate(model, [Request(one.tokens, Sampling(max_tokens=3, logprobs=1), emphasis=emphasis)])[0]
    steps = _by_definition(model, list(one.tokens), emphasis, len(answer.tokens))
    assert [p.logprob for p in answer.logprobs] == pytest.approx([float(s.max()) for s in steps], abs=1e-4)
    everywhere = _by_definition(model, list(one.tokens), Emphasis(one.parts["word"], 0.0), 1)
    assert abs(float(everywhere[0].max()) - answer.logprobs[0].logprob) > 1e-4


def test_what_is_hidden_behind_the_constraint_cannot_be_known() -> None:
    """With factor 0 for all that stands behind, the hidden word itself makes no difference."""
    model = tiny()
    answers = []
    for word in ("boat.", "sail!"):
        one = prompt_map(model, _chat(f"Say {word} Now!"), parts={"word": word})
        emphasis = Emphasis(one.parts["word"], 0.0, "behind")
        answers.append(generate(model, [Request(one.tokens, Sampling(max_tokens=8, logprobs=1), emphasis=emphasis)])[0])
    assert answers[0].tokens == answers[1].tokens
    assert answers[0].logprobs[0].logprob == pytest.approx(answers[1].logprobs[0].logprob, abs=1e-5)


def test_hiding_the_constraint_hides_it_from_the_pocket_model() -> None:
    model = open_model("pocket")
    words = ("boat", "king")
    texts = [f'Write about the {noun}. Include the word "{word}".' for noun in ("sea", "cup") for word in words]
    sentences = [text.partition(". ")[2] for text in texts]
    maps = [prompt_map(model, _chat(t), parts={"constraint": s}) for t, s in zip(texts, sentences, strict=True)]

    def included(factor: float) -> int:
        requests = [
            Request(one.tokens, Sampling(max_tokens=60), emphasis=Emphasis(one.parts["constraint"], factor, "behind"))
            for one in maps
        ]
        return sum(word in a.text for a, word in zip(generate(model, requests), words * 2, strict=True))

    assert included(1.0) > included(0.0)


@pytest.mark.parametrize(
    ("emphasis", "message"),
    [
        (lambda: Emphasis((1,), -1.0), "scaled by -1"),
        (lambda: Emphasis((1,), float("nan")), "scaled by nan"),
        (lambda: Emphasis((), 0.5), "no tokens"),
        (lambda: Emphasis((1,), 0.5, "before"), "since 'before'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_scaled_is_refused(emphasis, message: str) -> None:
    with pytest.raises(UserError, match=message):
        emphasis()


def test_the_whole_prompt_cannot_be_hidden_nor_what_is_not_in_it_scaled() -> None:
    model = tiny()
    tokens = tuple(model.encode("Hi"))
    with pytest.raises(UserError, match="whole prompt"):
        generate(model, [Request(tokens, emphasis=Emphasis((0, 1), 0.0))])
    with pytest.raises(UserError, match="token 7 is not one"):
        generate(model, [Request(tokens, emphasis=Emphasis((7,), 2.0))])
    with pytest.raises(UserError, match="blocks 1 to 3"):
        generate(model, [Request(tokens, emphasis=Emphasis((0,), 2.0, blocks=(4,)))])


def test_the_provider_scales_what_extra_body_names() -> None:
    opened = tiny()
    model = get_model("adhere/tiny", opened=opened, memoize=False)
    text = "Say boat. Now!"
    one = prompt_map(opened, _chat(text), parts={"word": WORD})

    def ask(**attend: object) -> str:
        config = GenerateConfig(max_tokens=8, temperature=0.0, extra_body={"adhere": {"attend": attend}})
        return asyncio.run(model.generate([ChatMessageUser(content=text)], config=config)).completion

    request = Request(one.tokens, Sampling(max_tokens=8), emphasis=Emphasis(one.parts["word"], 0.0, "behind"))
    assert ask(text=WORD, factor=0, since="behind") == generate(opened, [request])[0].text
    assert ask(text=WORD, factor=1) == generate(opened, [Request(one.tokens, Sampling(max_tokens=8))])[0].text
    with pytest.raises(UserError, match="does not stand in the messages"):
        ask(text="No commas.", factor=0.5)
    with pytest.raises(UserError, match="wanted a number"):
        ask(text=WORD, factor="half")
    with pytest.raises(UserError, match="attend: wanted"):
        ask(text=WORD, factor=0.5, heads=[1])


def test_a_row_keeps_its_emphasis_while_others_join_and_leave() -> None:
    model = tiny()
    prompts = [
        prompt_map(model, _chat(text), parts={"word": WORD}) for text in ("Say boat. Now!", "boat. " + "Go " * 20)
    ]
    requests = [
        Request(tuple(one.tokens[: one.prompt]), Sampling(max_tokens=length), emphasis=Emphasis(one.parts["word"], 0.1))
        for one, length in zip(prompts * 2, (4, 30, 25, 3), strict=True)
    ]
    requests.insert(1, Request(requests[1].tokens, Sampling(max_tokens=9)))
    alone = [generate(model, [request])[0].tokens for request in requests]
    assert [one.tokens for one in generate(model, requests, batch=2)] == alone
