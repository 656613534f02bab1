"""promptfoo: a Python assertion. In `promptfooconfig.yaml`:

assert:
  - type: python
    value: file://adhere_assert.py          # holds: from adhere.integrations.promptfoo import get_assert
    config:
      constraints: Answer in under 50 words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adhere.api.check import check
from adhere.core.errors import UserError


def get_assert(output: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """promptfoo's grading result for one output: `pass`, `score` (the share of constraints met), `reason`, and one
    component for each constraint.

    Constraints are read from the assertion's `config.constraints`, or from the test's variable `constraints`. Where
    there are none, or none that can be read, the assertion fails with the reason: nothing passes unchecked.
    """
    config = context.get("config") or {}
    constraints = config.get("constraints") or (context.get("vars") or {}).get("constraints") or ()
    try:
        checks = check(constraints, output)
    except (UserError, TypeError) as error:
        return {"pass": False, "score": 0.0, "reason": str(error)}
    components = [
        {"pass": one.met, "score": float(one.met), "reason": f"{one.instruction} {one.reason}"} for one in checks
    ]
    reason = checks.feedback or "every constraint is met"
    return {"pass": checks.all_met, "score": checks.share, "reason": reason, "componentResults": components}
