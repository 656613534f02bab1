"""A few thousand requests and answers gone wrong; `python -m benchmarks gateway_fuzz` sends a hundred thousand."""

from __future__ import annotations

import asyncio

from tests.gateway.fuzzing import run


def test_whatever_comes_nothing_breaks_and_nothing_leaks() -> None:
    found = asyncio.run(run(2_000, seed=7))
    assert found.wrong == []
    # it is no test where nothing gets through, or nothing breaks
    assert found.endings["met"] > 100
    assert min(found.statuses[status] for status in (200, 400, 422, 502)) > 20
