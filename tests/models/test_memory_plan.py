"""What a checkpoint will need is known before it is read: an 8B model on paper."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from adhere.core.errors import UserError
from adhere.models.load import _require_memory, weights_bytes


@pytest.fixture(scope="module")
def eight_billion(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A folder with the header of Llama-3-8B's weights and none of them, and how many there are."""
    config = LlamaConfig(
        vocab_size=128_256,
        hidden_size=4_096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    folder = tmp_path_factory.mktemp("eight")
    header = json.dumps({name: {"dtype": "BF16", "shape": s, "data_offsets": [0, 0]} for name, s in shapes.items()})
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header.encode())
    return folder, sum(parameter.numel() for parameter in model.parameters())


def test_eight_billion_weights_take_two_bytes_each_as_bfloat16(eight_billion: tuple[Path, int]) -> None:
    folder, count = eight_billion
    assert 8.0e9 < count < 8.1e9
    assert weights_bytes(folder, "bfloat16") == 2 * count
    assert weights_bytes(folder, "float32") == 4 * count


def test_what_does_not_fit_is_refused_before_it_is_read(
    eight_billion: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = eight_billion
    monkeypatch.setattr("os.sysconf", lambda name: 4_096 if name == "SC_PAGE_SIZE" else (16 << 30) // 4_096)
    cpu = torch.device("cpu")
    _require_memory("llama", folder, "bfloat16", torch.device("cuda"))
    with pytest.raises(UserError, match="needs 30 GiB as float32 and this machine has 16"):
        _require_memory("llama", folder, "float32", cpu)


def test_a_damaged_header_is_left_to_the_loader(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 64)
    assert weights_bytes(tmp_path, "float32") == 0
