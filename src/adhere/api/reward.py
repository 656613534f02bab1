"""A reward function for training, from constraints."""

from __future__ import annotations

from typing import Any

from adhere.api.check import Constraints, constraints_of
from adhere.constraints.registry import build, families, family
from adhere.core.errors import UserError
from adhere.train.reward import Aggregation, Reward


def reward(constraints: Constraints | None = None, *, aggregation: Aggregation = "all", **parameters: Any) -> Reward:
    """A reward function: `1.0` for a completion that meets the constraints, `0.0` for one that does not.

        adhere.reward("contains.terms", terms=["sea"])
        adhere.reward("Answer in under 50 words.", aggregation="share")
        GRPOTrainer(..., reward_funcs=[adhere.reward()])   # reads the data column `constraints`

    Args:
        constraints: a constraint's kind with its `parameters`, or whatever `adhere.check` takes; None to read each
            completion's constraints from the data column `constraints`.
        aggregation: `all` pays for all constraints at once, `share` pays the share met, `distance` pays a missed bound
            by how near it came.
        parameters: of the kind.

    Returns:
        A callable `(completions, **columns) -> list[float]`, as TRL's `reward_funcs` take it; given one text it returns
        one number.

    Raises:
        UserError: no such kind, wrong parameters, or an instruction that states no constraint.
    """
    if constraints is None:
        if parameters:
            raise UserError(
                "parameters need the constraint's kind before them, as in reward('contains.terms', terms=['sea'])"
            )
        return Reward((), aggregation)
    if isinstance(constraints, str) and (parameters or constraints in families() or _names_kind(constraints)):
        return Reward((build(family(constraints), parameters),), aggregation)
    if parameters:
        raise UserError(f"{', '.join(parameters)}: parameters go with a constraint's kind only")
    return Reward(constraints_of(constraints), aggregation)


def _names_kind(text: str) -> bool:
    """Whether `text` has the form of a kind: words joined by dots, without a space."""
    return "." in text.strip(".") and text.replace(".", "").replace("_", "").isalpha()
