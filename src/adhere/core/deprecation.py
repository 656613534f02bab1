"""Names that changed: the old one works for one more minor version and warns.

deprecated("adhere.old", "adhere.new", removed_in="0.3")
"""

from __future__ import annotations

import warnings


def deprecated(old: str, new: str, *, removed_in: str) -> None:
    """Warn that `old` is now called `new`.

    Args:
        old, new: the names as the user writes them.
        removed_in: the first version, as "0.3", in which `old` no longer works.
    """
    warnings.warn(f"{old} is now {new}; the old name is removed in {removed_in}", DeprecationWarning, stacklevel=3)


def is_due(removed_in: str, version: str) -> bool:
    """Whether `version` is one in which what was to be removed in `removed_in` must be gone."""
    return _numbers(version) >= _numbers(removed_in)


def _numbers(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
