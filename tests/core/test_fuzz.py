"""A short turn of the fuzzer in every run of the tests; `make fuzz` takes ten minutes."""

from __future__ import annotations

import pytest

from fuzz.running import by_mutation, survives
from fuzz.targets import Target, targets

INPUTS = 60


@pytest.mark.parametrize("name", list(targets()))
def test_reader_survives_what_strangers_write(name: str) -> None:
    count, crashes = by_mutation(name, targets()[name], INPUTS, seconds=20, seed=1)
    assert [(crash.trace, crash.data[:200]) for crash in crashes] == []
    assert count > 0


def test_the_fuzzer_sees_a_reader_that_fails_or_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    import fuzz.running

    def forever(data: bytes) -> None:
        while data:
            pass

    monkeypatch.setattr(fuzz.running, "SECONDS", 0.2)
    crash = survives("slow", Target(forever, (b"x",)), b"x")
    assert crash is not None
    assert "TooSlow" in crash.trace
    assert survives("broken", Target(lambda data: data.decode("ascii"), ()), b"\xff") is not None
    assert survives("documented", Target(lambda data: data.decode("ascii"), (), (ValueError,)), b"\xff") is None
