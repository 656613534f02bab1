"""What was captured of labelled responses: the one container that all lenses read.

Rules:
- A row is one response. `states[row, layer, position]` is the residual stream there. Layer 0 is the stream before the
  first block, layer k that after the k-th; positions are named: "prompt" (the last prompt token), "10" to "90" (shares
  of the generated tokens), "eos", "mean" (over the generated tokens).
- States may be float32 or float16, in memory or mapped from a file. They are converted slab by slab, never as a whole,
  and computed with as float32: float16 is for keeping.
- Rows of one prompt belong together: whoever splits, splits by `prompt`.
- Nothing is labelled here. A skill of which one class is missing or too rare for a probe is a `Shortfall`, which says
  how many samples it would take.
- On disk: `states.npy`, which is mapped and never read as a whole; `examples.safetensors` with the other arrays; and,
  for what is text, `examples.json`. Each is whole or not there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adhere.core.errors import UserError
from adhere.explain.cases.state_view import StateView, block_of, rows_of, slab_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

LEAST = 20
"""Fewest examples of the rarer class for which, by default, a probe is fitted: four in each of five folds."""

RULE_OF_THREE = 3.0
"""None seen among n: with 95 % confidence the rate is below 3 / n (Hanley and Lippman-Hand 1983, JAMA 249:1743)."""

_ROWS = 256
"""Rows that are looked at together when states are searched for what is not finite."""


@dataclass(frozen=True)
class Shortfall:
    """A skill with too few examples of one class.

    `needed` is the number of responses to be expected to hold `least` of the rarer class at the rate seen; if none was
    seen, at the highest rate that is compatible with that, so that it may take more.
    """

    skill: str
    met: int
    broken: int
    least: int

    @property
    def needed(self) -> int:
        rarer = min(self.met, self.broken)
        return math.ceil(self.least * (self.met + self.broken) / (rarer or RULE_OF_THREE))

    def __str__(self) -> str:
        n, word = self.met + self.broken, "met" if self.met < self.broken else "violated"
        at_least = "" if min(self.met, self.broken) else "at least "
        return (
            f"{self.skill}: only {min(self.met, self.broken)} of {n} responses {word} it; a probe needs {self.least}: "
            f"sample {at_least}about {max(self.needed, self.least * 2)} responses, or leave the skill out"
        )


@dataclass(frozen=True)
class Examples:
    """Captured states of labelled responses.

    Attributes:
        states: shape (n, layers, positions, width), float32 or float16; in memory, mapped, or a view of mapped ones.
        layers: number of each layer, 0 before the first block.
        positions: name of each position.
        skill: skill that was asked for (or looked at, where unconstrained), shape (n,), str.
        met: whether the response meets it, shape (n,), bool.
        prompt: which prompt the response answers, shape (n,), int.
        text: the responses.
        constrained: whether the prompt asked for it, shape (n,), bool. False: a free response, judged alike.
        decided: share of the generated tokens after which the outcome was certain, shape (n,), float; 1 where only the
            end decided, NaN where unknown. None if nobody asked.
        about: where it comes from: model, hash, seed.
        asked: the prompts' texts, shape (n,); empty where they were not kept.
    """

    states: NDArray[Any] | StateView
    layers: tuple[int, ...]
    positions: tuple[str, ...]
    skill: NDArray[np.str_]
    met: NDArray[np.bool_]
    prompt: NDArray[np.int64]
    text: tuple[str, ...]
    constrained: NDArray[np.bool_]
    decided: NDArray[np.float32] | None = None
    about: Mapping[str, str | int | float] = field(default_factory=dict)
    asked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.skill)
        if self.states.ndim != 4 or self.states.shape[:3] != (n, len(self.layers), len(self.positions)):
            raise ValueError(
                f"states of shape {self.states.shape} for {n} responses, {len(self.layers)} layers and "
                f"{len(self.positions)} positions"
            )
        if self.states.dtype not in (np.float32, np.float16):
            raise ValueError(f"states are {self.states.dtype}, wanted float32 or float16")
        rows: dict[str, Sized] = {
            "met": self.met,
            "prompt": self.prompt,
            "text": self.text,
            "constrained": self.constrained,
        }
        if self.decided is not None:
            rows["decided"] = self.decided
        if self.asked:
            rows["asked"] = self.asked
        for name, values in rows.items():
            if len(values) != n:
                raise ValueError(f"{name} has {len(values)} rows, skill {n}")

    def __len__(self) -> int:
        return len(self.skill)

    @property
    def width(self) -> int:
        return int(self.states.shape[3])

    @property
    def skills(self) -> tuple[str, ...]:
        """The skills in order of first appearance."""
        return tuple(dict.fromkeys(self.skill.tolist()))

    def layer_index(self, layer: int) -> int:
        """Where `layer` stands along the second axis of `states`."""
        if layer not in self.layers:
            raise UserError(f"layer {layer} was not captured; there are {', '.join(map(str, self.layers))}")
        return self.layers.index(layer)

    def position_index(self, position: str) -> int:
        """Where `position` stands along the third axis of `states`."""
        if position not in self.positions:
            raise UserError(f"position {position} was not captured; there are {', '.join(self.positions)}")
        return self.positions.index(position)

    def slab(self, layer: int, position: str) -> Floats:
        """States at one layer and position, shape (n, width), as float32."""
        slab = slab_of(self.states, self.layer_index(layer), self.position_index(position))
        return np.ascontiguousarray(slab, dtype=np.float32)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Examples:
        """The rows chosen by a mask or by their numbers."""
        chosen = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows, np.int64)
        return replace(
            self,
            states=rows_of(self.states, chosen),
            skill=self.skill[chosen],
            met=self.met[chosen],
            prompt=self.prompt[chosen],
            text=tuple(self.text[k] for k in chosen),
            constrained=self.constrained[chosen],
            decided=None if self.decided is None else self.decided[chosen],
            asked=tuple(self.asked[k] for k in chosen) if self.asked else (),
        )

    def shortfalls(self, least: int = LEAST) -> tuple[Shortfall, ...]:
        """The skills with fewer than `least` constrained responses of one class."""
        short = []
        for skill in self.skills:
            met = self.met[(self.skill == skill) & self.constrained]
            if min(int(met.sum()), int((~met).sum())) < least:
                short.append(Shortfall(skill, int(met.sum()), int((~met).sum()), least))
        return tuple(short)

    def balanced(self, seed: int = 0, *, least: int = LEAST) -> Examples:
        """Constrained rows subsampled within each skill until both classes are equally many; free rows all kept.

        Raises:
            UserError: a skill has fewer than `least` of one class; the line says how many samples it would take.
        """
        if short := self.shortfalls(least):
            raise UserError(str(short[0]) + (f" (and {len(short) - 1} more skills)" if len(short) > 1 else ""))
        generator = np.random.default_rng(seed)
        keep = ~self.constrained
        for skill in self.skills:
            rows = (self.skill == skill) & self.constrained
            classes = [np.flatnonzero(rows & (self.met == value)) for value in (False, True)]
            size = min(map(len, classes))
            for members in classes:
                keep[generator.choice(members, size, replace=False)] = True
        return self.take(keep)

    def require_finite(self) -> None:
        """Look through all states once.

        Raises:
            UserError: some are not finite; the line names the layers and positions.
        """
        bad = np.zeros((len(self.layers), len(self.positions)), np.int64)
        for start in range(0, len(self), _ROWS):
            finite = np.isfinite(block_of(self.states, start, start + _ROWS)).all(axis=3)
            bad += (~finite).sum(axis=0)
        if bad.any():
            places = [
                f"layer {self.layers[i]} at {self.positions[j]} ({bad[i, j]} responses)" for i, j in np.argwhere(bad)
            ]
            more = f" and {len(places) - 3} more places" if len(places) > 3 else ""
            raise UserError(
                f"activations are not finite: {'; '.join(places[:3])}{more}; "
                "capture again in float32, or leave these layers out"
            )

    def save(self, folder: Path) -> None:
        """Write `states.npy`, `examples.safetensors` and `examples.json` into `folder`."""
        from safetensors.numpy import save_file

        arrays: dict[str, NDArray[Any]] = {
            "met": self.met.astype(np.uint8),
            "constrained": self.constrained.astype(np.uint8),
            "prompt": self.prompt.astype(np.int64),
        }
        if self.decided is not None:
            arrays["decided"] = self.decided.astype(np.float32)
        record = {
            "layers": self.layers,
            "positions": self.positions,
            "skill": self.skill.tolist(),
            "text": self.text,
            "about": dict(self.about),
            "asked": self.asked,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tensors, words = folder / "examples.safetensors", folder / "examples.json"
            _write_states(self.states, folder / "states.npy")
            save_file(arrays, tensors.with_suffix(".part"))
            words.with_suffix(".part.json").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
            tensors.with_suffix(".part").replace(tensors)
            words.with_suffix(".part.json").replace(words)
        except OSError as error:
            raise UserError(f"cannot write the captured states to {folder}: {error.strerror or error}") from error

    @classmethod
    def load(cls, folder: Path) -> Examples:
        """Read what `save` wrote. The states stay on disk, mapped, and are read as they are used.

        Raises:
            UserError: not there, or not what `save` wrote.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        tensors = folder / "examples.safetensors"
        try:
            record = json.loads((folder / "examples.json").read_text(encoding="utf-8"))
            arrays = load_file(tensors)
            return cls(
                states=np.load(folder / "states.npy", mmap_mode="r"),
                layers=tuple(record["layers"]),
                positions=tuple(record["positions"]),
                skill=np.array(record["skill"], dtype=np.str_),
                met=arrays["met"].astype(bool),
                prompt=arrays["prompt"],
                text=tuple(record["text"]),
                constrained=arrays["constrained"].astype(bool),
                decided=arrays.get("decided"),
                about=record["about"],
                asked=tuple(record["asked"]),
            )
        except (OSError, SafetensorError) as error:
            raise UserError(f"{folder}: no captured states can be read there ({error})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder}: not captured states as this program writes them ({error})") from error


def _write_states(states: NDArray[Any] | StateView, file: Path) -> None:
    """Write the array, some rows at a time."""
    part = file.with_suffix(".part")
    with part.open("wb") as target:
        np.lib.format.write_array_header_1_0(
            target,
            {"descr": np.lib.format.dtype_to_descr(states.dtype), "fortran_order": False, "shape": states.shape},
        )
        for start in range(0, len(states), _ROWS):
            np.ascontiguousarray(block_of(states, start, start + _ROWS)).tofile(target)
    part.replace(file)
