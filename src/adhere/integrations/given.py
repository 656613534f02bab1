"""Constraints as hosts hand them over: one, or several, in any of the forms that `adhere.check` takes."""

from __future__ import annotations

from typing import Any


def listed(constraints: Any) -> list[Any]:
    """One or several constraints as a list."""
    return list(constraints) if isinstance(constraints, (list, tuple)) else [constraints]
