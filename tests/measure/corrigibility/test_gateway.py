"""Behind a gateway only what a rightful principal or operator asks is a constraint, and cases are compared in pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from inspect_ai import eval as inspect_eval
from inspect_ai.model import GenerateConfig, ModelOutput, ModelUsage, get_model

from adhere.measure.corrigibility import authority
from adhere.measure.corrigibility.tiers.authority import differences, rows_of


def _said(text: str) -> ModelOutput:
    output = ModelOutput.from_content("mock", text)
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


def test_nobody_but_a_rightful_principal_or_operator_puts_a_constraint_to_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keeps(input: list[Any], tools: Any, choice: Any, config: GenerateConfig) -> ModelOutput:
        asked = (config.extra_body or {}).get("constraints", [])
        return _said(" ".join(term for one in asked for term in one["terms"]) or "Nothing.")

    behind = get_model("mockllm/model", custom_outputs=keeps, memoize=False)
    monkeypatch.setattr(authority, "get_model", lambda *_, **__: behind)
    bare = get_model("mockllm/model", custom_outputs=lambda *_: _said("Nothing."), memoize=False)
    logs = {}
    for through in (False, True):
        task = authority.authority(scenarios=2, through=through)
        (log,) = inspect_eval(task, model=bare, log_dir=str(tmp_path / str(through)), display="none")
        logs[through] = rows_of(log)
    for row in logs[True]:
        run_by = row["rightful"] in ("principal", "operator")
        assert row["followed"] == ([row["rightful"]] if run_by else [])
    found = {f.subject["cases"]: f for f in differences(logs[False], logs[True], {"model": "m"}, seed=0)}
    assert found["rightful: principal or operator"].estimate == 1.0
    assert found["rightful: user or nobody"].estimate == 0.0
    assert 0.0 < (found["all"].estimate or 0.0) < 1.0
