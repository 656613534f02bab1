"""Loss and gradient over the whole table of pairs at once, without the work that the pairs share.

Rules:
- `Tables` is what a one-layer model makes of n tokens before pairs meet: for a pair (a, b)

      s[a, b] = base[b] + sum_left[a]                                                   (no weights to mix), or
      s[a, b] = base[b] + sum_h mix[h, a, b] * (left[h, a] - right[h, b])

  whose first columns enter a ReLU and are multiplied by `out`, and whose last n columns are added to the logits.
  `deep` puts one more layer between the ReLU and `out`.
- `plain_logits` is that sentence in tensors; autograd and vmap work through it. It is the reference, and what a GPU
  runs for many seeds at once.
- `Fused` computes the same loss and its exact gradient in one pass over blocks of rows that stay in the cache, in
  buffers that are allocated once: on a CPU, memory traffic costs more here than arithmetic. Cross-entropy is taken in
  float64, as released: in float32 the loss of a confident model has steps of 1.2e-7 and training stumbles over them.
- Held-out pairs have weight zero in the loss; their logits come with the pass, so evaluation costs nothing more.
- Products may run in bfloat16 (`half`); everything that adds up stays in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

BLOCK = 900
"""Pairs in a block: 900 rows of 571 float32 numbers are 2 MB, about what a core's own cache holds."""


@dataclass(frozen=True)
class Tables:
    """See the module's docstring. Shapes: base and sum_left (n, hidden + n); out (hidden, n); mix (heads, n, n) by
    head, a, b; left and right (heads, n, hidden + n); deep: weight (hidden, hidden) and bias (hidden,)."""

    base: Tensor
    out: Tensor
    sum_left: Tensor | None = None
    mix: Tensor | None = None
    left: Tensor | None = None
    right: Tensor | None = None
    deep: tuple[Tensor, Tensor] | None = None


def plain_logits(tables: Tables, *, half: bool = False) -> Tensor:
    """Logits of all pairs, shape (n^2, n)."""
    if tables.mix is None:
        assert tables.sum_left is not None
        s = tables.base[None] + tables.sum_left[:, None]
    else:
        assert tables.left is not None
        assert tables.right is not None
        s = tables.base[None] + torch.einsum("hab,hak->abk", tables.mix, tables.left)
        s = s - torch.einsum("hab,hbk->abk", tables.mix, tables.right)
    hidden, n = tables.out.shape
    x = torch.relu(s[..., :hidden])
    if tables.deep is not None:
        x = torch.relu(x @ tables.deep[0].T + tables.deep[1])
    top = (x.bfloat16() @ tables.out.bfloat16()).float() if half else x @ tables.out
    return (top + s[..., hidden:]).reshape(n * n, n)


def negative_log_likelihood(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of every row in float64, shape (rows,)."""
    scores = torch.log_softmax(logits.double(), dim=-1)
    return -scores.gather(-1, labels[:, None])[:, 0]


class Fused:
    """The loss of one network on a fixed split, with its gradient, and the logits of every pair.

    Args:
        labels: right answers, shape (n^2,).
        train: which pairs count, boolean, shape (n^2,).
        half: run the large products in bfloat16.

    After a call, `logits` (n^2, n) and `losses` (n^2, float64) hold what the pass saw, held-out pairs included.
    """

    def __init__(self, labels: Tensor, train: Tensor, *, half: bool = False) -> None:
        self.n = round(labels.numel() ** 0.5)
        self.rows = max(1, min(self.n, BLOCK // self.n))
        self.labels = labels[:, None]
        self.weight = (train.double() / train.sum())[:, None]
        self.half = half
        self.logits = torch.empty(self.n**2, self.n)
        self.losses = torch.empty(self.n**2, dtype=torch.float64)
        self._buffers: dict[str, Tensor] = {}

    def __call__(self, tables: Tables) -> Tensor:
        """The mean training loss, a float64 scalar with a gradient."""
        deep = tables.deep or (None, None)
        loss: Tensor = _Pass.apply(  # type: ignore[no-untyped-call]
            self,
            tables.base,
            tables.out,
            tables.sum_left,
            tables.mix,
            tables.left,
            tables.right,
            *deep,
        )
        return loss

    def buffer(self, name: str, rows: int, columns: int) -> Tensor:
        """Scratch space of this shape, contiguous, reused from call to call."""
        scratch = self._buffers.get(name)
        if scratch is None or scratch.numel() < rows * columns:
            scratch = self._buffers[name] = torch.empty(self.rows * self.n * columns)
        return scratch[: rows * columns].view(rows, columns)


class _Pass(torch.autograd.Function):
    """One pass: forward computes the gradient as well, since the loss is the end of the line."""

    @staticmethod
    def forward(
        ctx: Any,
        fused: Fused,
        base: Tensor,
        out: Tensor,
        sum_left: Tensor | None,
        mix: Tensor | None,
        left: Tensor | None,
        right: Tensor | None,
        w2: Tensor | None,
        b2: Tensor | None,
    ) -> Tensor:
        n, (hidden, _), columns = fused.n, out.shape, base.shape[1]
        into, from_out = (out.bfloat16(), out.T.bfloat16()) if fused.half else (out, out.T.contiguous())
        grad_base, grad_out = torch.zeros_like(base), torch.zeros_like(from_out, dtype=torch.float32)  # of out.T
        grad_left = torch.empty_like(sum_left) if sum_left is not None else None
        mixer = _Mixer(mix, left, right) if mix is not None and left is not None and right is not None else None
        grad_w2 = torch.zeros_like(w2) if w2 is not None else None
        grad_b2 = torch.zeros_like(b2) if b2 is not None else None
        total = torch.zeros((), dtype=torch.float64)

        for first in range(0, n, fused.rows):
            rows = slice(first, min(n, first + fused.rows))
            count = (rows.stop - rows.start) * n
            pairs = slice(rows.start * n, rows.stop * n)
            s = fused.buffer("s", count, columns)
            block = s.view(-1, n, columns)
            if mixer is None:
                assert sum_left is not None
                torch.add(sum_left[rows, None], base[None], out=block)
            else:
                mixer.forward(rows, base, block)

            x = s[:, :hidden].clamp_min_(0)
            top = x
            if w2 is not None and b2 is not None:
                top = torch.addmm(b2, x, w2.T, out=fused.buffer("x2", count, hidden)).clamp_min_(0)
            logits = fused.logits[pairs]
            if fused.half:
                torch.add(s[:, hidden:], top.bfloat16() @ into, out=logits)
            else:
                torch.addmm(s[:, hidden:], top, into, out=logits)

            losses, slope = _cross_entropy(logits, fused.labels[pairs], fused.weight[pairs])
            fused.losses[pairs] = losses[:, 0]
            total += (losses * fused.weight[pairs]).sum()

            grad = fused.buffer("grad", count, columns)
            grad[:, hidden:] = slope
            if fused.half:
                small = slope.bfloat16()
                grad_out += small.T @ top.bfloat16()
                back = (small @ from_out).float()
            else:
                grad_out.addmm_(slope.T, top)  # a fifth faster than its transpose
                back = torch.mm(
                    slope, from_out, out=grad[:, :hidden] if w2 is None else fused.buffer("back", count, hidden)
                )
            if w2 is not None and grad_w2 is not None and grad_b2 is not None:
                torch.ops.aten.threshold_backward.grad_input(back, top, 0, grad_input=back)
                grad_w2.addmm_(back.T, x)
                grad_b2 += back.sum(0)
                back = torch.mm(back, w2, out=fused.buffer("back2", count, hidden))
            torch.ops.aten.threshold_backward.grad_input(back, x, 0, grad_input=grad[:, :hidden])
            by_pair = grad.view(-1, n, columns)
            grad_base += by_pair.sum(0)
            if mixer is not None:
                mixer.backward(rows, by_pair)
            elif grad_left is not None:
                torch.sum(by_pair, 1, out=grad_left[rows])

        mixed = mixer.gradients() if mixer is not None else (None, None, None)
        ctx.gradients = (grad_base, grad_out.T, grad_left, *mixed, grad_w2, grad_b2)
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        (scale,) = upstream
        factor = float(scale)
        return (None, *(g if g is None or factor == 1 else g * factor for g in ctx.gradients))


def _cross_entropy(logits: Tensor, labels: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of every row in float64, shape (rows, 1), and the gradient of their weighted sum, float32, as `logits`.

    Args:
        logits: shape (rows, n).
        labels: right answers, shape (rows, 1).
        weight: of each row in the loss, float64, shape (rows, 1).
    """
    wide = logits.double()
    wide -= wide.amax(-1, keepdim=True)
    right_one = wide.gather(-1, labels)
    norm = wide.exp_().sum(-1, keepdim=True)
    losses = norm.log() - right_one
    wide /= norm
    wide.scatter_add_(-1, labels, torch.full_like(right_one, -1))
    wide *= weight
    return losses, wide.float()


class _Mixer:
    """The attended part of `s` and its gradient: per pair a product with as many terms as there are heads."""

    def __init__(self, mix: Tensor, left: Tensor, right: Tensor) -> None:
        self.by_a = mix.permute(1, 2, 0).contiguous()  # a, b, head
        self.by_b = mix.permute(2, 1, 0).contiguous()  # b, a, head
        self.left = left.transpose(0, 1).contiguous()  # a, head, columns
        self.minus = right.transpose(0, 1).neg()  # b, head, columns
        self.grad_left = torch.empty_like(self.left)
        self.grad_minus = torch.zeros_like(self.minus)
        self.grad_by_a = torch.empty_like(self.by_a)
        self.grad_by_b = torch.empty_like(self.by_b)

    def forward(self, rows: slice, base: Tensor, block: Tensor) -> None:
        torch.baddbmm(base.expand(len(block), *base.shape), self.by_a[rows], self.left[rows], out=block)
        across = block.transpose(0, 1)
        torch.baddbmm(across, self.by_b[:, rows], self.minus, out=across)

    def backward(self, rows: slice, grad: Tensor) -> None:
        across = grad.transpose(0, 1)
        torch.bmm(self.by_a[rows].transpose(1, 2), grad, out=self.grad_left[rows])
        torch.bmm(grad, self.left[rows].transpose(1, 2), out=self.grad_by_a[rows])
        self.grad_minus.baddbmm_(self.by_b[:, rows].transpose(1, 2), across)
        self.grad_by_b[:, rows] = torch.bmm(across, self.minus.transpose(1, 2))

    def gradients(self) -> tuple[Tensor, Tensor, Tensor]:
        """With respect to mix, left, right."""
        mix = (self.grad_by_a + self.grad_by_b.transpose(0, 1)).permute(2, 0, 1)
        return mix, self.grad_left.transpose(0, 1), self.grad_minus.transpose(0, 1).neg()


def half_pays(repeat: int = 3) -> bool:
    """Whether this processor multiplies bfloat16 matrices at least half again as fast as float32 ones.

    A measurement of about 30 ms in process time: many processors take bfloat16 and emulate it, several times slower.
    """
    import time

    x, w = torch.randn(1024, 512), torch.randn(512, 64)

    def cost(a: Tensor, b: Tensor) -> float:
        _ = a @ b
        spent = []
        for _ in range(repeat):
            start = time.process_time()
            for _ in range(4):
                _ = a @ b
            spent.append(time.process_time() - start)
        return min(spent)

    return 1.5 * cost(x.bfloat16(), w.bfloat16()) < cost(x, w)
