"""What a run works on: whoever asks as many as he is told has enough."""

from __future__ import annotations

import re

import pytest

from adhere.core.errors import UserError
from adhere.explain.cases.examples import LEAST
from adhere.explain.cases.labels import LabelledCase, balance
from adhere.explain.collection.gathering import HELD_OUT, enough
from adhere.explain.plan import ExplainPlan


def _labelled(responses: int) -> list[LabelledCase]:
    """Cases of which 17 in 69 are violated, spread evenly over prompts."""
    return [LabelledCase(k, "json", k * 17 % 69 >= 17, "", k) for k in range(responses)]


def _skills(responses: int, plan: ExplainPlan) -> tuple[str, ...]:
    labelled = _labelled(responses)
    fitting = [case for case in labelled if case.prompt % HELD_OUT] if plan.logs and plan.again else labelled
    return enough(labelled, balance(fitting, plan.samples, plan.seed), plan)[0]


@pytest.mark.parametrize("plan", [ExplainPlan(skills=("json",)), ExplainPlan(skills=("json",), logs="logs")])
def test_as_many_responses_as_the_line_names_suffice(plan: ExplainPlan) -> None:
    with pytest.raises(UserError) as stopped:
        _skills(69, plan)
    told = re.search(r"sample about (\d+)", str(stopped.value))
    assert told
    assert _skills(int(told[1]), plan) == ("json",)
    assert f"needs {LEAST}" in str(stopped.value) or f"one prompt in {HELD_OUT}" in str(stopped.value)
