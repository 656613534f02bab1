"""The table to learn: splits, labels, and the coordinates in which an operation is addition."""

from __future__ import annotations

import numpy as np
import pytest

from adhere.core.errors import UserError
from adhere.modular.task import Task


@pytest.mark.parametrize(
    "task", [Task(7), Task(12), Task(7, "subtract"), Task(12, "subtract"), Task(11, "multiply")], ids=lambda t: t.name
)
def test_in_group_coordinates_the_operation_is_addition(task: Task) -> None:
    group = task.group()
    assert group is not None
    a, b = task.pairs().T
    inside = (group.left[a] >= 0) & (group.right[b] >= 0)
    sums = (group.left[a] + group.right[b]) % group.order
    assert (group.answer[task.labels()][inside] == sums[inside]).all()
    for tokens, coordinate in zip(group.members(), (group.left, group.right), strict=True):
        assert (coordinate[tokens] == np.arange(group.order)).all()


def test_multiplication_modulo_a_composite_has_no_coordinates_and_says_so() -> None:
    task = Task(15, "multiply")
    assert task.group() is None
    assert any("no group" in note for note in task.notes())


@pytest.mark.parametrize(
    ("task", "word"), [(Task(60), "composite"), (Task(60), "even"), (Task(59, "multiply"), "zero")]
)
def test_what_differs_from_the_paper_is_said(task: Task, word: str) -> None:
    assert any(word in note for note in task.notes())


def test_the_papers_setting_needs_no_note() -> None:
    assert Task().notes() == ()


def test_the_split_is_the_papers_size_seeded_and_different_for_other_seeds() -> None:
    task = Task()
    assert task.split(0.8, 0).sum() == 2784
    assert (task.split(0.8, 0) == task.split(0.8, 0)).all()
    assert (task.split(0.8, 0) != task.split(0.8, 1)).any()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, 1.5, 1e-9])
def test_a_share_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(UserError, match="share"):
        Task(11).split(share, 0)


@pytest.mark.parametrize("modulus", [0, 4, 1000])
def test_a_modulus_out_of_range_is_refused(modulus: int) -> None:
    with pytest.raises(UserError, match="modulus"):
        Task(modulus)
