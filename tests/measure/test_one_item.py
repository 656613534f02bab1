"""One answer over which a check fails costs that answer, and no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import adhere
from adhere.constraints.constraint import Check
from adhere.constraints.registry import from_json


def test_a_check_that_fails_over_one_answer_fails_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(from_json({"kind": "length.words", "at_most": 3}))
    real = kind.check

    def fragile(self: object, text: str) -> Check:
        if "boom" in text:
            raise RecursionError("boom")
        return real(self, text)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "check", fragile)
    asked = [{"kind": "length.words", "at_most": 3}]
    rows = [{"key": text, "prompt": "p", "response": text, "constraints": asked} for text in ("one two", "boom", "one")]
    path = tmp_path / "responses.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = adhere.score(path)
    rates = [finding for finding in run.findings if finding.what == "adherence.prompt.strict"]
    assert rates
    assert [(rate.n, rate.estimate) for rate in rates] == [(3, pytest.approx(2 / 3))] * len(rates)
