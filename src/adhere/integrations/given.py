"""Constraints as hosts pass them: one or several, in any form that `adhere.check` accepts."""

from __future__ import annotations

from typing import Any


def listed(constraints: Any) -> list[Any]:
    """One or several constraints as a list."""
    return list(constraints) if isinstance(constraints, (list, tuple)) else [constraints]
