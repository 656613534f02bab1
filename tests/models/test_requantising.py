"""Weights as Q8_0: close to what they were, made once, and read by llama.cpp."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from tiny_gguf import write_tiny_gguf

from adhere.core.errors import UserError
from adhere.models.engines.llamacpp import LlamaServer
from adhere.models.engines.options import EngineOptions
from adhere.models.engines.requantising import BLOCK, requantised

gguf = pytest.importorskip("gguf")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADHERE_CACHE", str(tmp_path / "cache"))
    return write_tiny_gguf(tmp_path / "tiny.gguf")


def test_every_weight_stays_within_half_a_step_of_its_block(file: Path) -> None:
    before = gguf.GGUFReader(file)
    after = gguf.GGUFReader(requantised(file))
    assert {field: before.fields[field].contents() for field in before.fields if field.startswith("tokenizer")} == {
        field: after.fields[field].contents() for field in after.fields if field.startswith("tokenizer")
    }
    kinds = {tensor.name: tensor for tensor in after.tensors}
    assert len(kinds) == len(before.tensors)
    for tensor in before.tensors:
        old = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
        new = gguf.dequantize(kinds[tensor.name].data, kinds[tensor.name].tensor_type).astype(np.float64)
        if old.ndim == 1:
            np.testing.assert_array_equal(old, new)
            continue
        assert kinds[tensor.name].tensor_type.name == "Q8_0"
        largest = np.abs(old.reshape(-1, BLOCK)).max(axis=1, keepdims=True)
        # half a step of 1/127, and the scale itself in 16 bits
        assert (np.abs(new - old).reshape(-1, BLOCK) <= largest * (0.5 / 127 + 2**-10)).all()


def test_the_file_is_made_once_and_no_part_of_it_is_left(file: Path) -> None:
    made = requantised(file)
    stamp = made.stat().st_mtime_ns
    assert requantised(file) == made
    assert made.stat().st_mtime_ns == stamp
    assert list(made.parent.iterdir()) == [made]


def test_llama_cpp_runs_it_and_refuses_torchs_way(file: Path) -> None:
    pytest.importorskip("xllamacpp")
    with pytest.raises(UserError, match="int8 is torch's"):
        LlamaServer(file, EngineOptions(quant="int8"))
    server = LlamaServer(file, EngineOptions(quant="q8_0", threads=1, batch=1))
    assert server.path == requantised(file)
    try:
        server.start()
        answer = httpx.post(f"{server.url}/completion", json={"prompt": "the", "n_predict": 2}, timeout=60)
    finally:
        server.close()
    assert answer.json()["tokens_predicted"] == 2
