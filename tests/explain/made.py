"""Examples with a known answer: states in which a skill is readable at known layers along known directions."""

from __future__ import annotations

import numpy as np

from adhere.explain import Examples


def examples(
    skills: int = 2,
    prompts: int = 60,
    per_prompt: int = 4,
    layers: int = 3,
    positions: tuple[str, ...] = ("prompt", "50", "eos"),
    width: int = 16,
    strength: float = 2.0,
    shared: float = 0.0,
    readable_from: int = 1,
    seed: int = 0,
) -> Examples:
    """Skill k is readable along its own axis (and, by `shared`, along one that all have in common) from layer
    `readable_from` on, after the prompt. Rows of a prompt have an offset in common, which a split by rows would leak.
    """
    generator = np.random.default_rng(seed)
    n = skills * prompts * per_prompt
    skill = np.repeat([f"skill{k}" for k in range(skills)], prompts * per_prompt)
    prompt = np.repeat(np.arange(skills * prompts), per_prompt)
    met = generator.random(n) < 0.5
    states = generator.standard_normal((n, layers, len(positions), width)).astype(np.float32)
    states += generator.standard_normal((skills * prompts, 1, 1, width)).astype(np.float32)[prompt]
    sign = np.where(met, 1.0, -1.0).astype(np.float32)
    number = np.repeat(np.arange(skills), prompts * per_prompt)
    for layer in range(readable_from, layers):
        for place in range(1, len(positions)):
            states[np.arange(n), layer, place, number] += strength * sign
            states[:, layer, place, -1] += shared * sign
    text = tuple("word " * int(k) for k in generator.integers(1, 9, n))
    return Examples(
        states, tuple(range(layers)), positions, skill, met, prompt, text, np.ones(n, bool), np.ones(n, np.float32)
    )
