"""deepeval: a metric that needs no model.

assert_test(LLMTestCase(input="...", actual_output=text), [AdheresMetric("Answer in under 50 words.")])
"""

from __future__ import annotations

from typing import Any

from deepeval.metrics import BaseMetric
from deepeval.test_case import LLMTestCase

from adhere.api.check import Constraints, check
from adhere.integrations.given import listed


class AdheresMetric(BaseMetric):  # type: ignore[misc]
    """The share of constraints met by the actual output; passes from `threshold` on.

    A test case's own constraints stand in its metadata under `constraints` and apply besides.
    """

    def __init__(self, constraints: Constraints = (), threshold: float = 1.0) -> None:
        self.constraints = constraints
        self.threshold = threshold
        self.async_mode = False
        self.include_reason = True
        self.error: str | None = None
        self.score: float | None = None
        self.reason: str | None = None
        self.success: bool | None = None

    def measure(self, test_case: LLMTestCase, *_: Any, **__: Any) -> float:
        """The share of constraints met.

        Raises:
            UserError: neither the metric nor the case has constraints.
        """
        metadata = getattr(test_case, "metadata", None) or {}
        given = [*listed(self.constraints), *listed(metadata.get("constraints", ()))]
        checks = check(given, test_case.actual_output or "")
        self.score = checks.share
        self.reason = checks.feedback or "Every constraint is met."
        self.success = self.score >= self.threshold
        return self.score

    async def a_measure(self, test_case: LLMTestCase, *_: Any, **__: Any) -> float:
        """As `measure`: checks are code and wait for nothing."""
        return self.measure(test_case)

    def is_successful(self) -> bool:
        """Whether the last test case passed."""
        return bool(self.success)

    @property
    def __name__(self) -> str:
        return "Adheres"
