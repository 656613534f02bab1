"""Networks on disk: the authors' released files, and our own.

Rules:
- A released `model_<run>.pt` is read with torch's restricted loader (`weights_only`): it can hold tensors and nothing
  that runs. Its `config_<run>.json` beside it gives the attention rate or the kind of linear model; the Python source
  in that file's "funcs" is compared with the one line that is known, never evaluated.
- Ours are safetensors with the architecture, the task and the recipe as JSON in the header.
- Names, shapes and finiteness of all weights are checked before anything is computed; what does not fit is a
  `UserError` that says what was wrong. Models with more layers, another activation, an "=" token or two vocabularies
  are outside the paper's main setting and are refused by name.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor

from adhere.core.errors import UserError
from adhere.modular.linear import RELEASED
from adhere.modular.network import Architecture, Network
from adhere.modular.task import Task
from adhere.modular.transformer import ACTIVATIONS

HEADER = "adhere.modular"
_BUFFER = ".attn.mask"
"""Registered in every layer of the released models and never used."""


def load(path: Path, *, rate: float | None = None) -> tuple[Network, dict[str, Any]]:
    """A network from a released `.pt` or one of our `.safetensors`, and the recipe it was trained by (or {}).

    Args:
        path: the file of weights.
        rate: the attention rate, for a released transformer without its configuration.

    Raises:
        UserError: not there, corrupt, of another shape, or outside what can be measured.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    return _load_own(path) if path.suffix == ".safetensors" else (_load_released(path, rate), {})


def save(path: Path, network: Network, recipe: Mapping[str, Any]) -> None:
    """Write a network whole or not at all."""
    header = {"architecture": asdict(network.architecture), "task": asdict(network.task), "recipe": dict(recipe)}
    scratch = path.with_name(path.name + ".part")
    try:
        save_file(
            {k: v.detach().contiguous() for k, v in network.weights.items()}, scratch, {HEADER: json.dumps(header)}
        )
        scratch.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def _load_own(path: Path) -> tuple[Network, dict[str, Any]]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, safetensors.SafetensorError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error})") from error
    if HEADER not in metadata:
        raise UserError(f"{path}: not written by `adhere modular train`")
    try:
        header = json.loads(metadata[HEADER])
        architecture, task = Architecture(**header["architecture"]), Task(**header["task"])
        recipe = dict(header["recipe"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: its header cannot be read ({error})") from error
    return Network(architecture, _checked(path, weights, architecture), task, origin=str(path)), recipe


def _load_released(path: Path, rate: float | None) -> Network:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise UserError(
            f"{path}: cannot be read as a file of weights; it is corrupt or holds more than tensors"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(f"{path}: holds no state dict of tensors")
    weights = {str(name): tensor for name, tensor in state.items() if not name.endswith(_BUFFER)}
    config = _configuration(path)
    architecture = _architecture(path, weights, config, rate)
    return Network(architecture, _checked(path, weights, architecture), Task(architecture.modulus), origin=path.stem)


def _configuration(path: Path) -> dict[str, Any]:
    beside = path.with_name(path.name.replace("model_", "config_", 1)).with_suffix(".json")
    if beside == path or not beside.is_file():
        return {}
    try:
        config = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{beside}: not readable as JSON ({error})") from error
    if not isinstance(config, dict):
        raise UserError(f"{beside}: not a configuration")
    return config


def _architecture(
    path: Path, weights: Mapping[str, Tensor], config: Mapping[str, Any], rate: float | None
) -> Architecture:
    modulus = config.get("C")
    if "embed.W_E" in weights:
        if config.get("eqn_sign"):
            raise UserError(f'{path}: trained with an "=" token (eqn_sign): only inputs of two tokens are measured')
        activation = str(config.get("act_fn", "ReLU")).lower()
        if activation not in ACTIVATIONS:
            raise UserError(f"{path}: act_fn is {config['act_fn']}; known are ReLU and GeLU")
        layers = len({name.split(".")[1] for name in weights if name.startswith("blocks.")})
        if config.get("n_layers", layers) != layers:
            raise UserError(f"{path}: n_layers is {config['n_layers']}, but the file holds weights of {layers}")
        known = f"lambda x: (x[0]+x[1])%{modulus}"
        if config.get("funcs", known) != known:
            raise UserError(f"{path}: trained on {config['funcs']!r}; only addition is known for released files")
        given = config.get("attn_coeff", rate)
        if given is None:
            raise UserError(f"{path}: no config_*.json beside it gives the attention rate; pass --alpha")
        width, tokens = _two(path, "embed.W_E", weights["embed.W_E"])
        key_shape = weights["blocks.0.attn.W_K"].shape if "blocks.0.attn.W_K" in weights else ()
        heads = int(key_shape[0]) if len(key_shape) == 3 else 0
        if not heads:
            raise UserError(f"{path}: no attention weights of the known shape")
        vocabularies = 2 if config.get("diff_vocab") else 1
        size = int(modulus or tokens // vocabularies)
        return Architecture("transformer", size, float(given), width, heads, max(1, layers), activation, vocabularies)
    if "unembed.weight" in weights:
        letter = config.get("model_type")
        if letter not in RELEASED:
            raise UserError(
                f"{path}: no config_*.json beside it says which linear model it is (model_type A, B, C, D or X)"
            )
        tokens, width = _two(path, "unembed.weight", weights["unembed.weight"])
        return Architecture(RELEASED[letter], int(modulus or tokens), 0.0, width)  # type: ignore[arg-type]
    raise UserError(f"{path}: neither a released transformer nor a released linear model")


def _two(path: Path, name: str, tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim != 2:
        raise UserError(f"{path}: {name} has shape {tuple(tensor.shape)}, not two dimensions")
    return int(tensor.shape[0]), int(tensor.shape[1])


def _checked(path: Path, weights: Mapping[str, Tensor], architecture: Architecture) -> dict[str, Tensor]:
    wanted = architecture.shapes()
    if missing := sorted(wanted.keys() - weights.keys()):
        raise UserError(f"{path}: lacks {', '.join(missing)}")
    if extra := sorted(weights.keys() - wanted.keys()):
        raise UserError(f"{path}: holds {', '.join(extra)}, which the model {architecture.kind} has not")
    for name, shape in wanted.items():
        if tuple(weights[name].shape) != shape:
            raise UserError(f"{path}: {name} has shape {tuple(weights[name].shape)}, wanted {shape}")
        if not weights[name].is_floating_point() or not bool(torch.isfinite(weights[name]).all()):
            raise UserError(f"{path}: {name} is not all finite numbers")
    return {name: weights[name].float() for name in wanted}


def released(folder: Path) -> Iterator[Path]:
    """The released weight files in a folder, by name.

    Raises:
        UserError: no such folder, or none in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    found = sorted(folder.glob("model_*.pt"))
    if not found:
        raise UserError(f"{folder}: holds no model_*.pt")
    yield from found
