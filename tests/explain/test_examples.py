"""The container of captured states."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adhere.core.errors import UserError
from adhere.explain import Examples

from .made import examples


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    made = examples()
    made = replace(made, about={"model": "pocket"}, asked=tuple(f"question {k}" for k in made.prompt))
    made.save(tmp_path / "captured")
    read = Examples.load(tmp_path / "captured")
    assert np.array_equal(read.states, made.states)
    for name in ("skill", "met", "prompt", "constrained", "decided"):
        assert np.array_equal(getattr(read, name), getattr(made, name)), name
    assert read.asked == made.asked
    assert (read.text, read.layers, read.positions, read.about) == (made.text, made.layers, made.positions, made.about)


def test_balancing_equals_the_classes_within_each_skill_and_keeps_free_rows() -> None:
    made = examples(skills=2, prompts=60)
    made = replace(made, met=made.met & (made.prompt % 3 > 0), constrained=np.arange(len(made)) % 10 > 0)
    even = made.balanced(1)
    for skill in made.skills:
        met = even.met[(even.skill == skill) & even.constrained]
        assert met.mean() == 0.5
        asked = made.met[(made.skill == skill) & made.constrained]
        assert len(met) == 2 * min(asked.sum(), (~asked).sum())
    assert (~even.constrained).sum() == (~made.constrained).sum()


def test_a_skill_with_one_class_says_how_many_samples_it_takes() -> None:
    made = examples(skills=1)
    with pytest.raises(UserError, match=r"only 0 of 240 responses violated it; .* at least about 1600 responses"):
        replace(made, met=np.ones(len(made), bool)).balanced()
    rare = np.arange(len(made)) < 10
    with pytest.raises(UserError, match=r"only 10 of 240 responses met it; .* sample about 480 responses"):
        replace(made, met=rare).balanced()


def test_nan_is_named_by_layer_and_position() -> None:
    made = examples()
    made.require_finite()
    made.states[3, 2, 1, 0] = np.nan
    made.states[4, 2, 1, 5] = np.inf
    with pytest.raises(UserError, match=r"layer 2 at 50 \(2 responses\)"):
        made.require_finite()


def test_half_precision_is_widened_by_the_slab(tmp_path: Path) -> None:
    made = examples()
    half = replace(made, states=made.states.astype(np.float16))
    half.save(tmp_path)
    slab = Examples.load(tmp_path).slab(1, "eos")
    assert slab.dtype == np.float32
    assert np.array_equal(slab, made.states[:, 1, 2].astype(np.float16).astype(np.float32))


@pytest.mark.parametrize(
    ("call", "words"), [(lambda e: e.slab(9, "eos"), "layer 9"), (lambda e: e.slab(1, "33"), "33")]
)
def test_what_was_not_captured_is_named(call, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=words):
        call(examples())


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no captured states"):
        Examples.load(tmp_path)
    examples().save(tmp_path)
    (tmp_path / "examples.json").write_text("{}")
    with pytest.raises(UserError, match="not captured states"):
        Examples.load(tmp_path)
