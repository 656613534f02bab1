"""Graders may be called from any thread."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from adhere.problems import MathProblem
from adhere.problems.coding import _same
from adhere.problems.source import read_program


class _Garbage:
    """A cycle whose finaliser lets another thread run, in a parser too, and leaves another one behind."""

    alive = True

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        time.sleep(1e-6)
        if _Garbage.alive:
            _Garbage()


@pytest.fixture
def hasty() -> Iterator[None]:
    """A collector that strikes at nearly every allocation."""
    before = gc.get_threshold()
    gc.set_threshold(10, 2, 1000)
    _Garbage()
    yield
    _Garbage.alive = False
    gc.set_threshold(*before)


def test_answers_that_are_read_in_many_threads_at_once_are_all_read(hasty: None) -> None:
    problem = MathProblem("?", "14")
    nested = "[" * 20 + "7" + "]" * 20
    value = eval(nested)

    def once(number: int) -> bool:
        sums = problem.grade("3 + (4 * (1 + (2 - 1))) = 11. 11 + 3 = 14. The answer is 14.")
        program = read_program(f"def f(x):\n    return {nested}\n", "f")
        return bool(sums.correct) and len(sums.steps) == 2 and program is not None and _same(nested, value)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(once, range(60)))
