"""Tokens per CPU-second and peak memory of capture, against transformers' eager outputs and TransformerLens' cache.

A random Llama of 50 million parameters replays 64 sequences of 256 tokens, half of them prompt. Wanted of each: the
residual stream at all layers and 16 positions, and the attention mass that these 16 positions give to 12 tokens of the
prompt, averaged over heads, in every block. All of them compute in float32 on one thread, in a process of their own.
Peers take what they are asked for out of their outputs batch by batch; each is measured at the batch sizes named, so
that its best stands beside ours. Their results must agree with ours to 1e-3 before anything is timed.

Memory is the peak of the process (VmHWM) over what it held when the model stood there. TransformerLens runs in an
environment of its own: ADHERE_TRANSFORMER_LENS names its Python. Without it that row is left out.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEQUENCES, LENGTH, PROMPT = 64, 256, 128
POSITIONS, PART = 16, range(40, 52)
ROUNDS = 3
SHAPE = {
    "vocab_size": 8192,
    "hidden_size": 640,
    "intermediate_size": 1720,
    "num_hidden_layers": 9,
    "num_attention_heads": 10,
    "num_key_value_heads": 10,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "pad_token_id": 0,
}

CONTENDERS = (
    ("adhere", 8),
    ("transformers eager", 64),
    ("transformers eager", 8),
    ("TransformerLens cache", 8),
    ("TransformerLens cache", 1),
)
"""Programs and how many sequences go in at once. A batch of 64 does not fit beside a full cache on a small machine."""


def main() -> None:
    lens = os.environ.get("ADHERE_TRANSFORMER_LENS")
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for name, batch in CONTENDERS:
                python = lens if name.startswith("TransformerLens") else sys.executable
                if python is None:
                    continue
                run = _apart(python, name, batch, folder)
                found.setdefault((name, batch), []).append(run)
                print(f"  {name}, batch {batch}: {run['speed']:.0f} tokens per CPU-second", flush=True)
    ours = found["adhere", 8]
    print(f"\n{'':32} tokens per CPU-s   ours / this   peak MiB over base   this / ours   largest difference")
    for (name, batch), runs in found.items():
        speed = statistics.median(run["speed"] for run in runs)
        memory = statistics.median(run["memory"] for run in runs)
        faster = statistics.median(o["speed"] / r["speed"] for o, r in zip(ours, runs, strict=True))
        smaller = statistics.median(r["memory"] / o["memory"] for o, r in zip(ours, runs, strict=True))
        apart = max(run["difference"] for run in runs)
        print(
            f"{name + f', batch {batch}':32} {speed:16.0f} {faster:13.2f} {memory:20.0f} {smaller:13.1f} {apart:20.1e}"
        )


def _apart(python: str, name: str, batch: int, folder: str) -> dict[str, float]:
    """One contender in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    root = Path(__file__).resolve().parents[1]
    environment["PYTHONPATH"] = os.pathsep.join([str(root / "src"), str(root)])
    command = [python, "-m", "benchmarks.bench_capture", name, str(batch), folder]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def one(name: str, batch: int, folder: Path) -> None:
    """Measure one contender here and print what came of it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE)).eval().requires_grad_(False)  # type: ignore[arg-type]
    ids = torch.randint(1, SHAPE["vocab_size"], (SEQUENCES, LENGTH), generator=torch.Generator().manual_seed(1))
    step = (LENGTH - PROMPT) // POSITIONS
    positions = torch.arange(PROMPT - 1 + step, LENGTH, step)
    makers: dict[str, Callable[[Any, Any, Any, int], Callable[[], Any]]] = {
        "adhere": _ours,
        "transformers eager": _eager,
        "TransformerLens cache": _lens,
    }
    run = makers[name](model, ids, positions, batch)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    base = _memory("VmRSS")
    start = time.process_time()
    states, mass = run()
    seconds = time.process_time() - start
    peak = _memory("VmHWM")
    kept = folder / "adhere.pt"
    if name == "adhere":
        torch.save((states, mass), kept)
    wanted = torch.load(kept)
    difference = max(float((a - b).abs().max()) for a, b in zip((states, mass), wanted, strict=True))
    if difference > 1e-3:
        raise SystemExit(f"{name} gives other results: they differ by {difference}")
    print(json.dumps({"speed": ids.numel() / seconds, "memory": peak - base, "difference": difference}))


def _ours(model: Any, ids: Any, positions: Any, batch: int) -> Callable[[], Any]:
    import torch

    from adhere.models.forward.capture import CapturePlan, capture
    from adhere.models.forward.tokenmap import TokenMap
    from adhere.models.load import OpenModel

    class Padding:
        pad_token_id = 0

    opened = OpenModel("random", model, Padding(), None)  # type: ignore[arg-type]
    maps = [TokenMap(tuple(row), PROMPT, False, {"constraint": tuple(PART)}) for row in ids.tolist()]
    names = tuple(f"token{int(p) - PROMPT + 1}" for p in positions)
    plan = CapturePlan(positions=names, parts=("constraint",), rows="positions")

    def run() -> Any:
        found = capture(opened, maps, plan, batch_tokens=batch * LENGTH)
        return torch.tensor(found.states), torch.stack([torch.tensor(one[..., 0]) for one in found.mass])

    return run


def _eager(model: Any, ids: Any, positions: Any, batch: int) -> Callable[[], Any]:
    import torch

    model.set_attn_implementation("eager")
    last: list[Any] = []
    model.model.layers[-1].register_forward_hook(lambda _m, _i, output: last.append(output))

    def run() -> Any:
        states, mass = [], []
        with torch.inference_mode():
            for part in ids.split(batch):
                last.clear()
                output = model(part, use_cache=False, output_hidden_states=True, output_attentions=True)
                layers = [*output.hidden_states[:-1], last[0]]  # its own last one is behind the norm
                states.append(torch.stack([layer[:, positions] for layer in layers], dim=1))
                rows = [weights[:, :, positions][..., list(PART)].sum(-1).mean(1) for weights in output.attentions]
                mass.append(torch.stack(rows, dim=1))
        return torch.cat(states), torch.cat(mass)

    return run


def _lens(model: Any, ids: Any, positions: Any, batch: int) -> Callable[[], Any]:
    """`run_with_cache` without a filter, which is what its documentation shows first: the full cache."""
    import torch
    from transformer_lens.model_bridge import TransformerBridge  # type: ignore[import-not-found]

    bridge = _bridge(TransformerBridge, model)
    count = SHAPE["num_hidden_layers"]
    names = ["blocks.0.hook_in", *(f"blocks.{k}.hook_out" for k in range(count))]
    patterns = [f"blocks.{k}.attn.hook_pattern" for k in range(count)]

    def run() -> Any:
        states, mass = [], []
        with torch.inference_mode():
            for part in ids.split(batch):
                _, cache = bridge.run_with_cache(part)
                states.append(torch.stack([cache[name][:, positions] for name in names], dim=1))
                rows = [cache[name][:, :, positions][..., list(PART)].sum(-1).mean(1) for name in patterns]
                mass.append(torch.stack(rows, dim=1))
        return torch.cat(states), torch.cat(mass)

    return run


def _bridge(kind: Any, model: Any) -> Any:
    """A bridge over the model that is already there, with a tokenizer of no consequence: without one it asks a hub."""
    from transformers import AutoTokenizer

    from adhere.models import pocket

    tokenizer = AutoTokenizer.from_pretrained(pocket.path())
    return kind.boot_transformers("random", hf_model=model, tokenizer=tokenizer, device="cpu")


def _memory(name: str) -> float:
    """A line of the kernel's account of this process, in MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"no {name} on this system")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        one(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
