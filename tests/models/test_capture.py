"""What is captured is what the model computes: padded or alone, in any batch, as transformers' own eager outputs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from tiny import FAMILIES, tiny, tiny_sinks

from adhere.core.errors import UserError
from adhere.models.forward.attention import PartMass
from adhere.models.forward.attention_hooks import attending, eager
from adhere.models.forward.capture import CapturePlan, capture, share, stream
from adhere.models.forward.selftest import self_test
from adhere.models.forward.tokenmap import TokenMap, replay
from adhere.models.load import OpenModel, open_model

CONSTRAINT = "Use the word boat."
CHAT = [{"role": "user", "content": f"Write about the sea. {CONSTRAINT}"}]
RESPONSES = (
    "A boat.",
    "The boat is at sea, and the sea is wide and deep and cold and blue.",
    "Boat",
    "No. It is late.",
)
ALL = (*FAMILIES, "gpt_oss")


def _model(family: str) -> OpenModel:
    return tiny_sinks() if family == "gpt_oss" else tiny(family)


def _maps(model: OpenModel) -> list[TokenMap]:
    return [replay(model, CHAT, text, parts={"constraint": CONSTRAINT}) for text in RESPONSES]


def _hidden(model: OpenModel, one: TokenMap) -> list[np.ndarray]:
    """Layers 0 to the last but one, from transformers itself; its last is behind the final norm."""
    with eager(model.model):
        output = model.model(torch.tensor([one.tokens]), output_hidden_states=True)
    return [state[0].numpy() for state in output.hidden_states[:-1]]


@pytest.mark.slow
@pytest.mark.parametrize("family", ALL)
def test_a_padded_batch_equals_its_rows_one_by_one_and_transformers(family: str) -> None:
    model = _model(family)
    maps = _maps(model)
    together = capture(model, maps, batch_tokens=10_000)
    for k, one in enumerate(maps):
        alone = capture(model, [one]).states[0]
        np.testing.assert_allclose(together.states[k], alone, atol=1e-4)
        hidden = _hidden(model, one)
        for layer, states in enumerate(hidden):
            wanted = [
                states[one.prompt - 1],
                *(states[share(one, percent)] for percent in (10, 25, 50, 75, 90)),
                states[-1],
                states[one.prompt : -1].mean(0),
            ]
            np.testing.assert_allclose(together.states[k, layer], wanted, atol=1e-4)
    assert together.present.all()


@pytest.mark.parametrize("family", ALL)
def test_the_last_layer_is_the_last_blocks_output_before_the_final_norm(family: str) -> None:
    model = _model(family)
    one = _maps(model)[1]
    found = capture(model, [one], CapturePlan(positions=("eos",))).states[0, -1, 0]
    inner = model.model.base_model
    norm = inner.final_layer_norm if family == "gpt_neox" else inner.norm
    last = inner(torch.tensor([one.tokens])).last_hidden_state[0, -1]
    torch.testing.assert_close(norm(torch.tensor(found)[None, None])[0, 0], last, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ALL)
@pytest.mark.parametrize("masked", [False, True])
def test_attention_rows_are_those_of_eager(family: str, masked: bool) -> None:
    model = _model(family)
    maps = _maps(model)
    length = max(len(one.tokens) for one in maps)
    ids = torch.tensor([[*one.tokens, *[0] * (length - len(one.tokens))] for one in maps])
    mask = torch.tensor([[k < len(one.tokens) for k in range(length)] for one in maps]).long() if masked else None
    parts = ("constraint", "problem")
    rows = [list(one.writers) for one in maps]
    observer = PartMass(rows, [[one.parts[p] for p in parts] for one in maps], length, 3, torch.device("cpu"))
    before = model.model.config._attn_implementation
    with torch.inference_mode(), attending(model.model, observer):
        model.model.base_model(ids, attention_mask=mask, use_cache=False)
    assert model.model.config._attn_implementation == before
    for k, one in enumerate(maps):
        with eager(model.model):
            weights = model.model(torch.tensor([one.tokens]), output_attentions=True).attentions
        for block in range(3):
            for p, part in enumerate(parts):
                wanted = weights[block][0].mean(0)[rows[k]][:, list(one.parts[part])].sum(-1)
                found = observer.mass[k, block, : len(rows[k]), p]
                torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
            assert observer.mass[k, block, len(rows[k]) :].isnan().all()


def test_attention_in_pieces_is_attention_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    plan = CapturePlan(positions=("prompt",), parts=("constraint",))
    whole = capture(model, _maps(model), plan)
    monkeypatch.setattr("adhere.models.forward.attention.PIECE", 1)
    pieces = capture(model, _maps(model), plan)
    for a, b, one in zip(whole.mass, pieces.mass, _maps(model), strict=True):
        assert a.shape == (3, one.generated, 1)
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_order_and_size_of_batches_change_nothing() -> None:
    model = tiny()
    maps = _maps(model)
    plan = CapturePlan(parts=("constraint",), rows="positions")
    whole = capture(model, maps, plan, batch_tokens=10_000)
    small = capture(model, maps[::-1], plan, batch_tokens=150)
    np.testing.assert_allclose(whole.states, small.states[::-1], atol=1e-4)
    for a, b in zip(whole.mass, small.mass[::-1], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    sizes = [len(batch.rows) for batch in stream(model, maps, plan, batch_tokens=150)]
    assert sum(sizes) == len(maps)
    assert len(sizes) > 1


def test_what_a_response_does_not_have_is_absent_and_not_zero() -> None:
    model = tiny()
    maps = [replay(model, CHAT, "A boat.", ended=False), replay(model, CHAT, ""), replay(model, CHAT, "A boat.")]
    found = capture(
        model, maps, CapturePlan(positions=("prompt", "50", "mean", "eos", "decided")), marks=[{}, {}, {"decided": 3}]
    )
    assert found.present.tolist() == [
        [True, True, True, False, False],
        [True, False, False, True, False],
        [True, True, True, True, True],
    ]
    assert np.isnan(found.states[~found.present[:, None].repeat(4, 1)]).all()
    assert np.isfinite(found.states[found.present[:, None].repeat(4, 1)]).all()
    np.testing.assert_allclose(found.states[2, 1, 4], _hidden(model, maps[2])[1][3], atol=1e-4)


def test_shares_are_the_tokens_at_which_they_are_complete() -> None:
    ten = TokenMap(tuple(range(20)), 10, False)
    assert [share(ten, p) for p in (1, 10, 11, 50, 90, 100)] == [10, 10, 11, 14, 18, 19]
    assert share(TokenMap((1, 2), 2, False), 50) is None


def test_half_precision_weights_are_captured_and_tested_at_their_own_precision() -> None:
    model = open_model("pocket", dtype="bfloat16")
    assert 0 < self_test(model).state_error < 0.1
    maps = [replay(model, CHAT, text, parts={"constraint": CONSTRAINT}) for text in RESPONSES]
    found = capture(model, maps, CapturePlan(parts=("constraint",)))
    exact = capture(open_model("pocket"), maps, CapturePlan(parts=("constraint",)))
    assert found.states.dtype == np.float32
    assert np.abs(found.states - exact.states).max() < 0.05 * np.abs(exact.states).max()
    assert max(np.abs(a - b).mean() for a, b in zip(found.mass, exact.mass, strict=True)) < 0.01


def test_storing_as_float16_rounds_and_refuses_what_overflows(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    wide = capture(model, _maps(model))
    narrow = capture(model, _maps(model), store="float16")
    assert narrow.states.dtype == np.float16
    np.testing.assert_allclose(narrow.states, wide.states, rtol=1e-3, atol=1e-3)
    with model_scaled(model, 1e6), pytest.raises(UserError, match="exceed float16"):
        capture(model, _maps(model), store="float16")


class model_scaled:
    """The embedding times a factor."""

    def __init__(self, model: OpenModel, factor: float) -> None:
        self._weight, self._factor = model.model.get_input_embeddings().weight, factor

    def __enter__(self) -> None:
        self._kept = self._weight.detach().clone()
        self._weight.data.mul_(self._factor)

    def __exit__(self, *_: object) -> None:
        self._weight.data.copy_(self._kept)


def test_a_state_that_is_not_finite_is_named() -> None:
    model = tiny()
    stack = model.model.model.layers
    handle = stack[1].register_forward_hook(lambda _m, _i, out: out.index_fill(0, torch.tensor([0]), torch.nan))
    try:
        with pytest.raises(UserError, match=r"response 3, layer 2, position prompt"):
            capture(model, _maps(model), batch_tokens=10_000)  # the shortest response stands first in its batch
    finally:
        handle.remove()


def test_running_out_of_memory_halves_the_batch_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    wanted = capture(model, _maps(model), CapturePlan(parts=("constraint",)))
    inner = model.model.base_model
    forward = inner.forward

    def small(*args, input_ids: torch.Tensor, **kwargs):
        if input_ids.shape[0] > 1:
            raise torch.OutOfMemoryError("no room")
        return forward(*args, input_ids=input_ids, **kwargs)

    hooks = [len(block._forward_hooks) for block in inner.layers]
    monkeypatch.setattr(inner, "forward", small)
    with pytest.warns(UserWarning, match="out of memory"):
        found = capture(model, _maps(model), CapturePlan(parts=("constraint",)), batch_tokens=10_000)
    np.testing.assert_allclose(found.states, wanted.states, atol=1e-4)
    assert model.model.config._attn_implementation == "sdpa"
    assert [len(block._forward_hooks) for block in inner.layers] == hooks


def test_progress_counts_every_response_once() -> None:
    done: list[int] = []
    capture(tiny(), _maps(tiny()), batch_tokens=150, progress=done.append)
    assert sum(done) == len(RESPONSES)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (CapturePlan(layers=(9,)), "there is no layer 9"),
        (CapturePlan(positions=("eso",)), "there is no position 'eso'"),
        (CapturePlan(positions=("0",)), "no share"),
        (CapturePlan(parts=("persona",)), "response 1 has no part 'persona'"),
    ],
)
def test_what_cannot_be_captured_is_refused_in_one_line(plan: CapturePlan, message: str) -> None:
    with pytest.raises(UserError, match=message):
        capture(tiny(), _maps(tiny()), plan)


@pytest.mark.parametrize("family", ALL)
def test_the_self_test_passes_on_every_family(family: str) -> None:
    seen = self_test(_model(family))
    assert seen.state_error < 1e-4
    assert seen.mass_error < 1e-6
    assert seen.normed
    assert seen.constraint == CONSTRAINT


def test_the_self_test_fails_where_a_kernel_is_not_what_it_seems(monkeypatch: pytest.MonkeyPatch) -> None:
    from adhere.models.forward import attention

    right = attention.row_weights
    monkeypatch.setattr(attention, "row_weights", lambda q, k, m, scale, rows: right(q, k, m, 2 * scale, rows))
    with pytest.raises(UserError, match="attention in block 1 differs"):
        self_test(tiny())


def test_a_model_whose_blocks_are_elsewhere_is_refused_with_the_places_tried() -> None:
    class Odd(torch.nn.Module):
        pass

    from adhere.models.forward.blocks import blocks

    with pytest.raises(UserError, match=r"Odd: no stack of blocks at model\.layers, "):
        blocks(Odd())
