"""DSPy: a metric with textual feedback, as GEPA and the other optimisers take it.

    metric = adheres("Answer in under 50 words.", field="answer")
    dspy.GEPA(metric=metric, ...)          # or dspy.Evaluate(metric=metric, ...)

An example's own `constraints` apply besides those given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dspy import Prediction

from adhere.api.check import Constraints, check
from adhere.integrations.given import listed


def adheres(constraints: Constraints = (), *, field: str = "answer") -> Callable[..., Prediction]:
    """A metric: `score` is the share of constraints met, `feedback` says what to change.

    Args:
        constraints: as `adhere.check` takes them; empty for those of the examples.
        field: the field of the prediction that holds the text.

    The metric raises:
        UserError: neither the metric nor the example has constraints, or the prediction has no such field.
    """

    def metric(
        gold: Any, pred: Any, trace: Any = None, pred_name: str | None = None, pred_trace: Any = None
    ) -> Prediction:
        del trace, pred_name, pred_trace
        text = getattr(pred, field, None)
        checks = check([*listed(constraints), *listed(gold.get("constraints", ()))], "" if text is None else str(text))
        return Prediction(score=checks.share, feedback=checks.feedback or "Every constraint is met.")

    return metric
