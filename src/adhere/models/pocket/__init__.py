"""The pocket model: a small language model that ships with Adhere, its training data, and its recipe."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"


def path(which: str = "instruct") -> Path:
    """Folder of the shipped checkpoint `which`, "instruct" or "base", in Hugging Face's format.

    Raises:
        UserError: there is no such checkpoint.
    """
    from adhere.core.errors import UserError

    folder = WEIGHTS / which
    if not (folder / "config.json").is_file():
        shipped = sorted(found.parent.name for found in WEIGHTS.glob("*/config.json"))
        raise UserError(f"no pocket model is called {which!r}; there are: {', '.join(shipped) or 'none'}")
    return folder
