"""Batched generation gives what each request alone would give, and ends for the reason it says."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from tiny import FAMILIES, tiny

from adhere.core.errors import UserError
from adhere.models.generation.flight import Flight
from adhere.models.generation.generate import Opinion, Request, Sampling, generate

PROMPTS = ("Hi", "What is the sea?", "One two three four five six seven", "a", "The river runs to the north.")


def _requests(model, sampling: Sampling = Sampling(max_tokens=12)) -> list[Request]:  # noqa: B008
    return [Request(tuple(model.encode(text)), sampling) for text in PROMPTS]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_of_mixed_lengths_gives_what_transformers_gives_one_by_one(family: str) -> None:
    model = tiny(family)
    for request, answer in zip(_requests(model), generate(model, _requests(model)), strict=True):
        ids = torch.tensor([request.tokens])
        alone = model.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
        assert list(answer.tokens) == alone[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "qwen3"])
def test_rows_that_join_others_under_way_write_what_they_write_alone(family: str) -> None:
    model = tiny(family)
    lengths = (3, 40, 1, 17, 90, 2, 25, 60, 5)
    requests = [
        Request(tuple(model.encode((text * 9)[:length])), Sampling(max_tokens=most, temperature=heat, seed=most))
        for length, text, most, heat in zip(
            lengths, PROMPTS * 2, (5, 60, 2, 33, 9, 80, 1, 20, 14), (0, 1, 0, 1, 0, 1, 0, 1, 0), strict=False
        )
    ]
    alone = [generate(model, [request])[0].tokens for request in requests]
    for batch in (2, 3, 4):
        flight = Flight(model, batch)
        waiting, answers = list(enumerate(requests)), {}
        while waiting or flight.rows:
            if waiting and flight.room:
                flight.admit([waiting.pop(0)])
            for row in flight.step():
                answers[row.index] = tuple(row.tokens)
        assert [answers[k] for k in range(len(requests))] == alone


def test_columns_that_no_row_needs_are_dropped() -> None:
    model = tiny()
    flight = Flight(model, 2)
    flight.admit(
        [(0, Request(tuple([9] * 150), Sampling(max_tokens=2))), (1, Request((9, 9), Sampling(max_tokens=90)))]
    )
    widths = []
    while flight.rows:
        flight.step()
        widths.append(flight._mask.shape[1])
    assert widths[0] >= 150
    assert max(widths[3:]) < 100


def test_an_answer_that_became_a_loop_ends_there_only_where_that_is_wanted() -> None:
    model = tiny()
    letters = model.encode("never ending ")

    class Repeat(_Refuses):
        def __init__(self) -> None:
            super().__init__(set(letters))

        def allowed(self, tokens: Sequence[int], logits: torch.Tensor) -> torch.Tensor:
            mask = torch.zeros(len(logits), dtype=torch.bool)
            mask[letters[len(tokens) % len(letters)]] = True
            return mask

    prompt = tuple(model.encode("Hi"))
    sampling = Sampling(max_tokens=253)
    stopped, kept = (generate(model, [Request(prompt, sampling, Repeat(), stop_loops=s)])[0] for s in (True, False))
    assert stopped.reason == "loop"
    assert len(stopped.tokens) < 230
    assert kept.reason == "length"


def test_a_sampled_answer_does_not_depend_on_its_batch() -> None:
    model = tiny()
    hot = [
        Request(tuple(model.encode(text)), Sampling(max_tokens=20, temperature=1.0, seed=k))
        for k, text in enumerate(PROMPTS)
    ]
    together = generate(model, hot)
    alone = [generate(model, [request])[0] for request in reversed(hot)][::-1]
    assert [a.tokens for a in together] == [a.tokens for a in alone]
    assert len({a.tokens for a in together}) == len(hot)


def test_sampling_follows_the_models_distribution() -> None:
    model = tiny()
    prompt = tuple(model.encode("Hi"))
    wanted = model.model(torch.tensor([prompt])).logits[0, -1].softmax(-1)
    draws = generate(
        model,
        [Request(prompt, Sampling(max_tokens=1, temperature=1.0, seed=s)) for s in range(3000)],
        batch=1000,
    )
    counts = torch.bincount(torch.tensor([d.tokens[0] for d in draws]), minlength=len(wanted)) / len(draws)
    assert (counts - wanted).abs().sum() < 0.35  # expected about 0.21 for 258 options and 3,000 draws
    best = int(wanted.argmax())
    assert abs(counts[best] - wanted[best]) < 4 * (wanted[best] / len(draws)) ** 0.5


def test_a_draw_looked_for_among_the_likeliest_is_that_of_the_whole_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    hot = [
        Request(tuple(model.encode(text)), Sampling(max_tokens=30, temperature=heat, seed=k))
        for k, (text, heat) in enumerate((text, heat) for text in PROMPTS for heat in (0.3, 1.0, 2.0))
    ]
    answers = {}
    for head in (1, 16, 258, 10_000):
        monkeypatch.setattr("adhere.models.generation.choosing.HEAD", head)
        answers[head] = [answer.tokens for answer in generate(model, hot)]
    assert answers[1] == answers[16] == answers[258] == answers[10_000]


def test_top_p_keeps_only_the_head_of_the_distribution() -> None:
    model = tiny()
    prompt = tuple(model.encode("Hi"))
    shares = model.model(torch.tensor([prompt])).logits[0, -1].softmax(-1)
    ordered, order = shares.sort(descending=True)
    head = set(order[: int((ordered.cumsum(0) < 0.3).sum()) + 1].tolist())
    sampling = [Sampling(max_tokens=1, temperature=1.0, top_p=0.3, seed=s) for s in range(200)]
    assert {a.tokens[0] for a in generate(model, [Request(prompt, s) for s in sampling])} <= head


def test_the_end_the_limit_and_a_stop_string_are_told_apart() -> None:
    model = tiny()
    prompt = tuple(model.encode("Hi"))
    free = generate(model, [Request(prompt, Sampling(max_tokens=12))])[0]
    assert free.reason in ("length", "end")
    stop = free.text[3:5]
    cut = generate(model, [Request(prompt, Sampling(max_tokens=12, stop=(stop,)))])[0]
    assert cut.reason == "stop"
    assert cut.text == free.text[: free.text.index(stop)]


def test_a_guide_decides_what_may_be_written() -> None:
    model = tiny()
    letter = model.encode("x")[0]

    class OnlyX:
        def allowed(self, tokens: Sequence[int], logits: torch.Tensor) -> torch.Tensor:
            del tokens, logits
            allowed = torch.zeros(258, dtype=torch.bool)
            allowed[letter] = True
            return allowed

        def judge(self, tokens: Sequence[int], token: int) -> Opinion:
            del tokens, token
            return Opinion.ACCEPT

        def struck(self, tokens: Sequence[int], logits: torch.Tensor) -> None:
            del tokens, logits

        def done(self, tokens: Sequence[int]) -> bool:
            return len(tokens) == 4

    requests = [
        Request(tuple(model.encode(t)), Sampling(max_tokens=9), OnlyX() if k % 2 else None)
        for k, t in enumerate(PROMPTS)
    ]
    answers = generate(model, requests)
    assert [a.text for a in answers[1::2]] == ["xxxx", "xxxx"]
    assert answers[1].reason == "guide"
    assert answers[0].text != "xxxx"


class _Refuses:
    """Accepts only the tokens of a set."""

    def __init__(self, accepted: set[int]) -> None:
        self.accepted = accepted

    def allowed(self, tokens: Sequence[int], logits: torch.Tensor) -> None:
        del tokens, logits

    def judge(self, tokens: Sequence[int], token: int) -> Opinion:
        del tokens
        return Opinion.ACCEPT if token in self.accepted else Opinion.REFUSE

    def struck(self, tokens: Sequence[int], logits: torch.Tensor) -> None:
        del tokens, logits

    def done(self, tokens: Sequence[int]) -> bool:
        del tokens
        return False


def test_refusing_tokens_one_by_one_samples_from_the_distribution_without_them() -> None:
    model = tiny()
    prompt = tuple(model.encode("Hi"))
    shares = model.model(torch.tensor([prompt])).logits[0, -1].softmax(-1)
    few = set(shares.topk(40).indices.tolist()[::2])
    wanted = torch.zeros_like(shares)
    wanted[list(few)] = shares[list(few)]
    wanted /= wanted.sum()
    hot = [Sampling(max_tokens=1, temperature=1.0, seed=s) for s in range(2000)]
    draws = generate(model, [Request(prompt, s, _Refuses(few)) for s in hot], batch=1000)
    counts = torch.bincount(torch.tensor([d.tokens[0] for d in draws]), minlength=len(wanted)) / len(draws)
    assert float(counts[wanted == 0].sum()) == 0
    assert (counts - wanted).abs().sum() < 0.15  # expected about 0.07 for 20 options and 2,000 draws


def test_an_answer_ends_where_its_guide_refuses_everything() -> None:
    model = tiny()
    prompt = tuple(model.encode("Hi"))
    free, stuck = generate(model, [Request(prompt, Sampling(max_tokens=5)), Request(prompt, guide=_Refuses(set()))])
    assert free.tokens
    assert stuck.tokens == ()
    assert stuck.reason == "guide"


def test_a_listener_hears_every_token_and_ends_the_answer() -> None:
    model = tiny()
    heard: list[tuple[int, int]] = []

    def listener(place: int, token: int) -> bool:
        heard.append((place, token))
        return place < 3

    answer = generate(model, [Request(tuple(model.encode("Hi")), Sampling(max_tokens=9), listener=listener)])[0]
    assert answer.reason == "cancelled"
    assert [token for _, token in heard] == list(answer.tokens)
    assert len(answer.tokens) == 4


def test_a_watcher_sees_what_the_model_computes_and_stops_its_row() -> None:
    model = tiny()
    seen: dict[int, list[torch.Tensor]] = {}

    class Watch:
        layer = 2

        def begin(self, rows: Sequence[int]) -> None:
            for row in rows:
                seen[row] = []

        def read(self, states: torch.Tensor, rows: Sequence[int]) -> list[int]:
            for state, row in zip(states, rows, strict=True):
                seen.setdefault(row, []).append(state.clone())
            return [row for row in rows if row == 1 and len(seen[row]) == 4]

    requests = _requests(model)
    answers = generate(model, requests, watchers=[Watch()])
    assert answers[1].reason == "watcher"
    assert len(answers[1].tokens) == 3
    whole = torch.tensor([requests[2].tokens + answers[2].tokens[:-1]])
    states = model.model(whole, output_hidden_states=True).hidden_states[2][0]
    start = len(requests[2].tokens) - 1
    for k, state in enumerate(seen[2]):
        assert torch.allclose(state, states[start + k], atol=1e-4)


def test_log_probabilities_are_those_of_the_model() -> None:
    model = tiny()
    prompt = tuple(model.encode("Hi"))
    answer = generate(model, [Request(prompt, Sampling(max_tokens=3, logprobs=2))])[0]
    logs = model.model(torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
    assert answer.logprobs[0].logprob == pytest.approx(float(logs.max()), abs=1e-4)
    assert answer.logprobs[0].top[0][0] == answer.tokens[0]


def test_running_out_of_memory_halves_the_batch_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    expected = [a.tokens for a in generate(model, _requests(model))]
    forward = model.model.forward

    def small(*args, input_ids: torch.Tensor, **kwargs):
        if input_ids.shape[0] > 2:
            raise torch.OutOfMemoryError("no room")
        return forward(*args, input_ids=input_ids, **kwargs)

    monkeypatch.setattr(model.model, "forward", small)
    with pytest.warns(UserWarning, match="out of memory"):
        answers = generate(model, _requests(model))
    assert [a.tokens for a in answers] == expected


def test_a_prompt_that_leaves_no_room_is_one_clear_line() -> None:
    model = tiny()
    with pytest.raises(UserError, match="reads 256 at most"):
        generate(model, [Request(tuple([5] * 256))])
