"""A test of the hooks on the very model that is to be looked at, before anything is measured with them.

Model code changes under its users: a block that returned a tuple returns a tensor, a kernel drops what it was asked for
without a word. So the first thing done with a model is one short example, read with our hooks and with transformers'
own eager outputs. What does not agree is an error at the start and not a figure in a report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from adhere.core.errors import UserError
from adhere.models.forward.attention_hooks import eager
from adhere.models.forward.blocks import blocks
from adhere.models.forward.capture import CapturePlan, capture
from adhere.models.forward.tokenmap import TokenMap, replay

if TYPE_CHECKING:
    from adhere.models.load import Message, OpenModel

CONSTRAINT = "Use the word boat."
CHAT: list[Message] = [{"role": "user", "content": f"Write about the sea. {CONSTRAINT}"}]
RESPONSES = ("The boat is at sea, and the sea is wide.", "A boat.")

TOLERANCE = {torch.float32: (1e-4, 1e-5), torch.float64: (1e-4, 1e-5)}
"""Largest error of states (relative to the layer's largest entry) and of attention mass, by precision."""
COARSE = (0.1, 0.1)
"""The same for bfloat16 and float16: two kernels may differ in the last of eight bits at every step, and a difference
of 0.1 between logits of 20 is within that."""


@dataclass(frozen=True)
class SelfTest:
    """What the test saw."""

    attention: str
    """The attention that the model runs with."""
    normed: bool
    """Whether transformers' last hidden state is behind the final norm; ours is before it."""
    state_error: float
    """Largest difference from transformers' eager states, relative to the layer's largest entry."""
    mass_error: float
    """Largest difference of attention mass from eager attentions."""
    constraint: str
    """The tokens to which the example's constraint maps, decoded."""


def self_test(opened: OpenModel) -> SelfTest:
    """Compare hooks, attention rows and token map with transformers' own outputs on one short example.

    Raises:
        UserError: something differs by more than rounding; names what.
    """
    maps = [replay(opened, CHAT, text, parts={"constraint": CONSTRAINT}) for text in RESPONSES]
    constraint = str(opened.tokenizer.decode([maps[0].tokens[k] for k in maps[0].parts["constraint"]]))
    if "boat" not in constraint:
        raise UserError(
            f"{opened.name}: the constraint {CONSTRAINT!r} maps to the tokens {constraint!r}; not supported"
        )
    marks = [{f"token {k}": k for k in range(len(one.tokens))} for one in maps]
    plan = CapturePlan(positions=tuple(marks[0]), parts=("constraint", "problem"), rows="positions")
    ours = capture(opened, maps, plan, marks=marks)  # one padded batch
    limits = TOLERANCE.get(opened.model.dtype, COARSE)
    state_error = mass_error = 0.0
    normed = False
    for number, one in enumerate(maps):
        states, last, attentions = _eager(opened, one)
        length = len(one.tokens)
        reference = [*states[:-1], last]
        normed = normed or not np.allclose(states[-1], last, atol=1e-3)
        for layer, wanted in enumerate(reference):
            found = ours.states[number, layer, :length]
            error = float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-12))
            state_error = max(state_error, error)
            if not error <= limits[0]:
                raise UserError(
                    f"{opened.name}: states at layer {layer} differ from transformers' own by {error:.1e} of the "
                    "largest entry: this model cannot be captured"
                )
        for block, weights in enumerate(attentions):
            for k, part in enumerate(plan.parts):
                error = float(np.abs(ours.mass[number][block, :, k] - weights[:, list(one.parts[part])].sum(-1)).max())
                mass_error = max(mass_error, error)
                if not error <= limits[1]:
                    raise UserError(
                        f"{opened.name}: attention in block {block + 1} differs from transformers' eager by "
                        f"{error:.1e}: attention cannot be measured in this model"
                    )
    return SelfTest(str(opened.model.config._attn_implementation), normed, state_error, mass_error, constraint)


def _eager(opened: OpenModel, one: TokenMap) -> tuple[list[np.ndarray], np.ndarray, list[np.ndarray]]:
    """Hidden states as transformers gives them, the last block's own output, and attentions averaged over heads."""
    model = opened.model
    stack = blocks(model)
    last: list[torch.Tensor] = []

    handles = [stack.tap(stack.layers - 1, lambda stream: last.append(stream[0]))]
    ids = torch.tensor([one.tokens], device=opened.device)
    try:
        with torch.inference_mode(), eager(model):
            output = model.base_model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                use_cache=False,
                output_hidden_states=True,
                output_attentions=True,
            )
    finally:
        for handle in handles:
            handle.remove()
    hidden, attentions = output.hidden_states, output.attentions
    if not hidden or not attentions or attentions[0] is None:
        raise UserError(f"{opened.name}: transformers gives no hidden states or attentions to compare with")
    return (
        [state[0].float().cpu().numpy() for state in hidden],
        last[0].float().cpu().numpy(),
        [weights[0].float().mean(dim=0).cpu().numpy() for weights in attentions],
    )
