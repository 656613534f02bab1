"""Files of networks: ours come back as they went, theirs are read without running anything, bad ones are named."""

from __future__ import annotations

import json
import math
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from adhere.core.errors import UserError
from adhere.modular import stored
from adhere.modular.network import Architecture, Network
from adhere.modular.task import Task


@pytest.fixture
def released(shared_data: Path, tmp_path: Path) -> Path:
    """A copy of Model A with its configuration, to be damaged."""
    source = shared_data / "pizza"
    if not (source / "model_p99zdpze5l.pt").is_file():
        pytest.skip(f"the released models are not at {source}")
    for name in ("model_p99zdpze5l.pt", "config_p99zdpze5l.json"):
        shutil.copyfile(source / name, tmp_path / name)
    return tmp_path / "model_p99zdpze5l.pt"


def _configure(path: Path, **changes: Any) -> None:
    config = path.with_name("config_p99zdpze5l.json")
    config.write_text(json.dumps({**json.loads(config.read_text()), **changes}))


def test_a_network_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    architecture = Architecture("transformer", 11, 0.3, 16, 4)
    network = Network(architecture, architecture.init(3), Task(11, "subtract"))
    stored.save(tmp_path / "model.safetensors", network, {"seed": 3})
    back, recipe = stored.load(tmp_path / "model.safetensors")
    assert (back.architecture, back.task, recipe) == (network.architecture, network.task, {"seed": 3})
    assert all(torch.equal(back.weights[name], tensor) for name, tensor in network.weights.items())


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("exploded"),))


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model_bomb.pt"
    torch.save({"embed.W_E": _Bomb()}, path)
    with pytest.raises(UserError, match="more than tensors"):
        stored.load(path)
    path.write_bytes(pickle.dumps(_Bomb(), protocol=2))
    with pytest.raises(UserError):
        stored.load(path)
    assert not (tmp_path / "exploded").exists()


def test_a_torn_file_is_refused(released: Path) -> None:
    released.write_bytes(released.read_bytes()[:-5000])
    with pytest.raises(UserError, match="corrupt"):
        stored.load(released)
    released.write_bytes(b"")
    with pytest.raises(UserError, match="corrupt"):
        stored.load(released)


def _resave(path: Path, **changes: torch.Tensor | None) -> None:
    state = {**torch.load(path, weights_only=True, map_location="cpu"), **changes}
    torch.save({name: tensor for name, tensor in state.items() if tensor is not None}, path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unembed.W_U": torch.zeros(128, 58)}, "unembed.W_U has shape"),
        ({"embed.W_E": torch.zeros(128)}, "not two dimensions"),
        ({"blocks.0.mlp.b_in": None}, "lacks blocks.0.mlp.b_in"),
        ({"ln.w": torch.zeros(3)}, "holds ln.w"),
        ({"pos_embed.W_pos": torch.full((2, 128), float("nan"))}, "finite"),
        ({"blocks.0.attn.W_K": None}, "no attention weights"),
        ({"blocks.1.attn.W_K": torch.zeros(1)}, "n_layers is 1"),
    ],
)
def test_weights_of_another_shape_are_refused_by_name(
    released: Path, changes: dict[str, torch.Tensor | None], words: str
) -> None:
    _resave(released, **changes)
    with pytest.raises(UserError, match=words):
        stored.load(released)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_layers": 2}, "n_layers is 2"),
        ({"act_fn": "Tanh"}, "Tanh"),
        ({"eqn_sign": 1}, "eqn_sign"),
        ({"diff_vocab": 1}, "has shape"),
        ({"attn_coeff": 1.5}, "alpha"),
        ({"funcs": "__import__('os').system('touch exploded')"}, "only addition"),
        ({"C": 58, "funcs": "lambda x: (x[0]+x[1])%58"}, "has shape"),
    ],
)
def test_a_configuration_outside_the_papers_setting_is_refused(
    released: Path, changes: dict[str, Any], words: str
) -> None:
    _configure(released, **changes)
    with pytest.raises(UserError, match=words):
        stored.load(released)


def test_without_a_configuration_the_attention_rate_must_be_given(released: Path) -> None:
    released.with_name("config_p99zdpze5l.json").unlink()
    with pytest.raises(UserError, match="--alpha"):
        stored.load(released)
    assert stored.load(released, rate=0.0)[0].architecture.rate == 0.0


def test_foreign_safetensors_and_missing_files_are_users_errors(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"w": torch.zeros(2)}, tmp_path / "other.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"12345678{")
    for name, words in (("other", "not written by"), ("torn", "not a readable"), ("none", "no such file")):
        with pytest.raises(UserError, match=words):
            stored.load(tmp_path / f"{name}.safetensors")
    with pytest.raises(UserError, match="no model_"):
        list(stored.released(tmp_path))


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture("transformer", 11, 0.3, 16, 4, layers=3),
        Architecture("transformer", 11, 0.3, 16, 4, activation="gelu"),
        Architecture("transformer", 11, 0.3, 16, 4, vocabularies=2),
    ],
    ids=["layers", "gelu", "vocabularies"],
)
def test_a_released_file_of_another_setting_gives_the_logits_of_the_released_formulas(
    architecture: Architecture, tmp_path: Path
) -> None:
    weights = {name: tensor.double() for name, tensor in architecture.init(0).items()}
    config = {
        "C": 11,
        "n_layers": architecture.layers,
        "act_fn": "GeLU" if architecture.activation == "gelu" else "ReLU",
        "diff_vocab": architecture.vocabularies == 2,
        "attn_coeff": 0.3,
        "funcs": "lambda x: (x[0]+x[1])%11",
    }
    torch.save(weights, tmp_path / "model_x.pt")
    (tmp_path / "config_x.json").write_text(json.dumps(config))

    network, _ = stored.load(tmp_path / "model_x.pt")

    assert network.architecture == architecture
    expected = torch.stack([_released_logits(weights, config, a, b) for a in range(11) for b in range(11)])
    torch.testing.assert_close(network.all_logits().double(), expected, rtol=1e-4, atol=1e-5)


def _released_logits(weights: dict[str, torch.Tensor], config: dict[str, Any], a: int, b: int) -> torch.Tensor:
    """The released script's forward pass for one pair, head by head."""
    right = b + 11 if config["diff_vocab"] else b
    x = weights["embed.W_E"][:, [a, right]].T + weights["pos_embed.W_pos"]
    activation = torch.nn.functional.gelu if config["act_fn"] == "GeLU" else torch.nn.functional.relu
    for layer in range(config["n_layers"]):
        w = {name.rsplit(".", 1)[1]: t for name, t in weights.items() if name.startswith(f"blocks.{layer}.")}
        heads = []
        for h in range(4):
            key, query, value = x @ w["W_K"][h].T, x @ w["W_Q"][h].T, x @ w["W_V"][h].T
            weight = torch.softmax(query @ key.T / math.sqrt(4), dim=-1) * 0.3 + 0.7
            heads.append(weight @ value)
        x = x + torch.cat(heads, dim=-1) @ w["W_O"].T
        x = x + activation(x @ w["W_in"].T + w["b_in"]) @ w["W_out"].T + w["b_out"]
    return (x[-1] @ weights["unembed.W_U"])[:11]
