"""Seed-steps per CPU-second of training a one-layer transformer, against the structure of the released loop.

The peer does in every step what the released script (code/train-main.py of fjzzq2002/pizza) does: the model with
hook points between its parts, a `DataLoader` over a data set of tensors that collates the full batch anew, a forward
pass over both positions, evaluation on the held-out pairs, backward, AdamW with a schedule, the norm of every weight,
and `.item()` of all that is logged. It is our own code, written after reading theirs. Where ADHERE_PIZZA names a
clone, the real script's `run_experiment` is measured too, with the libraries that only plot and log replaced by stubs
and the device set to the CPU.

Process time, not wall time, and turns taken in short rounds: the machine may be shared. Printed are medians of the
rounds and their ratios; then whether both end with the same metrics.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import io
import math
import os
import statistics
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

ROUNDS, OURS, THEIRS = 3, 24, 4
"""Rounds, and steps in each of ours and theirs; long enough that the clock does not matter."""

SAME_STEPS = int(os.environ.get("ADHERE_BENCH_STEPS", "0"))
"""Steps of a paired training of both, from the same weights on the same split; 0 leaves it out (it takes minutes)."""

Step = Callable[[], None]


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch

    torch.set_num_threads(1)
    for rate in (0.0, 1.0):
        programs: dict[str, Callable[[int], float]] = {
            "ours, float32": _timed(_ours(rate)),
            "released structure": _timed(_peer(rate)[0]),
        }
        if pizza := os.environ.get("ADHERE_PIZZA"):
            programs["released script"] = _released(Path(pizza), rate)
        speeds: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(ROUNDS):
            for name, run in programs.items():
                speeds[name].append(run(OURS if name.startswith("ours") else THEIRS))
        medians = {name: statistics.median(found) for name, found in speeds.items()}
        for name, speed in medians.items():
            ratio = medians["ours, float32"] / speed
            print(f"alpha {rate:.1f}  {name:20s} {speed:7.1f} seed-steps per CPU-second   ours / this {ratio:5.1f}")
    _precisions()
    if SAME_STEPS:
        _same_metrics(SAME_STEPS)


def _timed(step: Step) -> Callable[[int], float]:
    step()
    step()

    def run(steps: int) -> float:
        start = time.process_time()
        for _ in range(steps):
            step()
        return steps / (time.process_time() - start)

    return run


def _ours(rate: float, *, half: bool = False) -> Step:
    """A step as `train` takes it, with its record of loss and accuracy every ten steps."""
    import torch

    from adhere.modular.history import EVERY
    from adhere.modular.network import Architecture
    from adhere.modular.program import Single
    from adhere.modular.run_spec import Job, Recipe
    from adhere.modular.train import _record

    job = Job(architecture=Architecture(rate=rate), recipe=Recipe(half=half))
    program = Single(job, job.weights())
    optimiser = torch.optim.AdamW(program.parameters.values(), lr=1e-3, weight_decay=2.0, betas=(0.9, 0.98), fused=True)
    mask = job.train()
    taken = 0

    def step() -> None:
        nonlocal taken
        program.run()
        if taken % EVERY == 0:
            _record(program, job, 0, taken, mask, False)
        optimiser.step()
        taken += 1

    return step


def _precisions() -> None:
    """What bfloat16 products would give here: on a processor that emulates them, a loss."""
    from adhere.modular.kernel import half_pays

    full, half = _timed(_ours(0.5)), _timed(_ours(0.5, half=True))
    ratios = [half(4) / full(4) for _ in range(3)]
    print(
        f"bfloat16 / float32   {statistics.median(ratios):.2f}   "
        f"--precision auto takes {'bfloat16' if half_pays() else 'float32'}"
    )


def _peer(rate: float, weights: object = None, split: object = None) -> tuple[Step, object]:
    """The released loop's structure. Returns a step and the model."""
    import torch
    import torch.nn.functional as functional
    from torch import nn

    class Point(nn.Module):
        """Passes its input on; a place for hooks."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    n, width, heads = 59, 128, 4
    head, hidden = width // heads, 4 * width

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in ("W_K", "W_Q", "W_V"):
                self.register_parameter(name, nn.Parameter(torch.randn(heads, head, width) / math.sqrt(width)))
            self.W_O = nn.Parameter(torch.randn(width, width) / math.sqrt(width))
            self.points = nn.ModuleList(Point() for _ in range(6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            k = self.points[0](torch.einsum("ihd,bpd->biph", self.W_K, x))
            q = self.points[1](torch.einsum("ihd,bpd->biph", self.W_Q, x))
            v = self.points[2](torch.einsum("ihd,bpd->biph", self.W_V, x))
            scores = self.points[3](torch.einsum("biph,biqh->biqp", k, q) / math.sqrt(head))
            mix = self.points[4](functional.softmax(scores, dim=-1) * rate + (1 - rate))
            z = self.points[5](torch.einsum("biph,biqp->biqh", v, mix))
            return torch.einsum("df,bqf->bqd", self.W_O, z.permute(0, 2, 1, 3).flatten(2))

    class Mlp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.W_in = nn.Parameter(torch.randn(hidden, width) / math.sqrt(hidden))
            self.b_in = nn.Parameter(torch.zeros(hidden))
            self.W_out = nn.Parameter(torch.randn(width, hidden) / math.sqrt(width))
            self.b_out = nn.Parameter(torch.zeros(width))
            self.points = nn.ModuleList(Point() for _ in range(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.points[0](torch.einsum("md,bpd->bpm", self.W_in, x) + self.b_in)
            x = self.points[1](functional.relu(x))
            return torch.einsum("dm,bpm->bpd", self.W_out, x) + self.b_out

    class Embed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.W_E = nn.Parameter(torch.randn(width, n) / math.sqrt(width))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.einsum("dbp -> bpd", self.W_E[:, x])

    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.W_pos = nn.Parameter(torch.randn(2, width) / math.sqrt(width))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.W_pos

    class Unembed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.W_U = nn.Parameter(torch.randn(width, n) / math.sqrt(n))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ self.W_U

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn, self.mlp = Attention(), Mlp()
            self.points = nn.ModuleList(Point() for _ in range(5))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.points[2](x + self.points[0](self.attn(self.points[1](x))))
            return self.points[4](x + self.points[3](self.mlp(x)))

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.pos_embed, self.unembed = Embed(), Positions(), Unembed()
            self.blocks = nn.ModuleList([Block()])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.pos_embed(self.embed(x))
            for block in self.blocks:
                x = block(x)
            return self.unembed(x)

    class Table(torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]]):
        def __init__(self) -> None:
            self.inputs = torch.cartesian_prod(torch.arange(n), torch.arange(n))
            self.outputs = self.inputs.sum(1) % n

        def __len__(self) -> int:
            return len(self.outputs)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
            return self.inputs[index], self.outputs[index]

    table, model = Table(), Transformer()
    if weights is not None:
        model.load_state_dict(weights)  # type: ignore[arg-type]
    train: torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]]
    if split is None:
        train, test = torch.utils.data.random_split(table, [2784, 697])
    else:
        assert isinstance(split, torch.Tensor)
        train, test = (torch.utils.data.Subset(table, part.nonzero()[:, 0].tolist()) for part in (split, ~split))
    loaders = [torch.utils.data.DataLoader(part, batch_size=n * n, shuffle=False) for part in (train, test)]
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=2.0, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(step / 10, 1))
    logged: list[tuple[float, ...]] = []

    def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        scores = functional.log_softmax(logits.to(torch.float64), dim=-1)
        return -torch.mean(torch.gather(scores, index=labels[:, None], dim=-1))

    def step() -> None:
        for inputs, answers in loaders[0]:
            out = model(inputs)[:, -1, :]
            loss = cross_entropy(out, answers)
            for unseen, right in loaders[1]:  # with a graph, as released
                guess = model(unseen)[:, -1, :]
                seen = cross_entropy(guess, right).item(), (guess.argmax(dim=1) == right).float().mean().item()
            loss.backward()
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            accuracy = (out.argmax(dim=1) == answers).float().mean()
            norm = sum(torch.sum(p * p).item() for p in model.parameters()) ** 0.5
            logged.append((loss.item(), accuracy.item(), *seen, norm))

    return step, model


def _released(clone: Path, rate: float) -> Callable[[int], float]:
    """The authors' own `run_experiment`; its source is cut before its endless loop over random configurations."""
    source = (clone / "code" / "train-main.py").read_text(encoding="utf-8")
    source = source[: source.index("\nimport random\nimport string\n")]
    source = source.replace("DEVICE='cuda:'+str(random.randint(0,1))", "DEVICE='cpu'")

    def stub(name: str, **content: object) -> types.ModuleType:
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__dict__.update(content)
        sys.modules[name] = module
        return module

    before = dict(sys.modules)
    sink = types.SimpleNamespace(summary={}, log=lambda *_: None)
    stub("einops", rearrange=lambda z, _: z.permute(0, 2, 1, 3).flatten(2))
    stub("wandb", init=lambda **_: sink)
    stub("pandas")
    stub("matplotlib", pyplot=stub("matplotlib.pyplot"))
    parts = {name: stub(f"plotly.{name}") for name in ("express", "graph_objects")}
    stub("plotly", io=stub("plotly.io", renderers=types.SimpleNamespace(default=None)), **parts)
    space: dict[str, object] = {"__name__": "released"}
    exec(compile(source, "train-main.py", "exec"), space)
    for name in set(sys.modules) - set(before):
        if name.split(".")[0] in ("einops", "wandb", "pandas", "matplotlib", "plotly"):
            del sys.modules[name]
    experiment = space["run_experiment"]
    assert callable(experiment)

    def run(steps: int) -> float:
        config = {
            "name": "modadd_59",
            "funcs": "lambda x: (x[0]+x[1])%59",
            "C": 59,
            "n_heads": 4,
            "d_model": 128,
            "n_layers": 1,
            "act_fn": "ReLU",
            "batch_size": 3481,
            "lr": 1e-3,
            "weight_decay": 2.0,
            "frac": 0.8,
            "attn_coeff": rate,
            "diff_vocab": 0,
            "eqn_sign": 0,
        }
        spent = []
        for epochs in (1, 1 + steps):  # the difference is free of what comes before the first step
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                start = time.process_time()
                experiment({**config, "epoch": epochs})
                spent.append(time.process_time() - start)
        return steps / (spent[1] - spent[0])

    return run


def _same_metrics(steps: int) -> None:
    """Both programs from the same weights on the same split: what each ends with."""
    from adhere.modular.examine import examine
    from adhere.modular.network import Architecture, Network
    from adhere.modular.run_spec import Job, Recipe
    from adhere.modular.train import train

    for rate in (0.0, 1.0):
        job = Job(architecture=Architecture(rate=rate), recipe=Recipe(steps=steps))
        split = job.train()
        (done,) = train([job], [None])
        step, model = _peer(rate, job.weights(), split)
        for _ in range(steps):
            step()
        weights = {name: tensor.detach() for name, tensor in model.state_dict().items()}  # type: ignore[attr-defined]
        for name, network in (("ours", done.network), ("peer", Network(job.architecture, weights, job.task))):
            seen = examine(network, split.numpy())
            assert seen.distance_irrelevance is not None
            print(
                f"alpha {rate:.1f}  {name}  after {steps} steps: held-out {seen.accuracy.value:.4f}  "
                f"symmetricity {seen.gradient_symmetricity.value:.4f}  "
                f"irrelevance {seen.distance_irrelevance.value:.4f}  circularity {seen.circularity:.4f}"
            )


if __name__ == "__main__":
    main()
