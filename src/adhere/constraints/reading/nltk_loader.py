"""NLTK without the weight: its tokenizers are what we use, and importing it whole also imports scipy and scikit-learn.

NLTK imports those where they are there, for association measures and classifiers, and does without where they are
not. While it is first imported here, they are not: 0.25 s of processor time instead of 1.9 s, which `adhere score`
would spend on every start. Other threads, and later imports, see everything as ever.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

_UNUSED = frozenset({"matplotlib", "numpy", "pandas", "scipy", "sklearn"})


class _Absent(MetaPathFinder):
    """Says of some packages, to one thread, that they are not installed."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        del path, target
        if threading.get_ident() == self._thread and name.partition(".")[0] in _UNUSED:
            raise ImportError(f"{name} is kept out while NLTK is imported", name=name)


def load() -> None:
    """Import NLTK's tokenizers, if nobody has imported NLTK yet."""
    if "nltk" in sys.modules:
        return
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        import nltk.tokenize.punkt  # noqa: F401
    finally:
        sys.meta_path.remove(absent)
