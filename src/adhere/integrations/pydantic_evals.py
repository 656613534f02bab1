"""pydantic-evals: an evaluator.

    Dataset(cases=[...], evaluators=[Adheres("Answer in under 50 words.")])

A case's own constraints stand in its metadata under `constraints` and apply besides those of the evaluator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_evals.evaluators import EvaluationReason, Evaluator, EvaluatorContext

from adhere.api.check import check
from adhere.integrations.given import listed


@dataclass
class Adheres(Evaluator[Any, Any, Any]):
    """Whether the output meets constraints: `adheres` (yes or no, with the reason) and `adheres_share`.

    Attributes:
        constraints: an instruction in English, a constraint, its JSON, or several of these; empty for those of the
        case.
    """

    constraints: Any = ()

    def evaluate(self, ctx: EvaluatorContext[Any, Any, Any]) -> dict[str, EvaluationReason | float]:
        """The verdicts on one output.

        Raises:
            UserError: neither the evaluator nor the case has constraints.
            TypeError: the output is no string.
        """
        metadata = ctx.metadata if isinstance(ctx.metadata, Mapping) else {}
        checks = check([*listed(self.constraints), *listed(metadata.get("constraints", ()))], ctx.output)
        reason = checks.feedback or "every constraint is met"
        return {"adheres": EvaluationReason(value=checks.all_met, reason=reason), "adheres_share": checks.share}
