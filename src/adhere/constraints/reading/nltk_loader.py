"""Two of NLTK's modules without the rest of it: its Punkt sentence tokenizer and its word tokenizer.

`import nltk` runs the whole package: parsers, classifiers, corpora, and with them scipy and scikit-learn where these
are installed (0.6 to 6 s, which `adhere score` would spend at every start). The two tokenizers need three small modules
of it. They are loaded under empty packages named as NLTK's, which are taken away again at once: whoever imports NLTK
later gets it whole and untouched. A process that has NLTK loaded already uses that.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from functools import cache
from types import ModuleType
from typing import Any

_NEEDED = ("nltk.tokenize.punkt", "nltk.tokenize.destructive")
_PACKAGES = ("nltk", "nltk.tokenize")
_lock = threading.Lock()


@cache
def _modules() -> tuple[ModuleType, ModuleType]:
    with _lock:
        if "nltk" in sys.modules:
            return importlib.import_module(_NEEDED[0]), importlib.import_module(_NEEDED[1])
        spec = importlib.util.find_spec("nltk")
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError("nltk is not installed", name="nltk")
        folder = spec.submodule_search_locations[0]
        try:
            for name in _PACKAGES:
                package = ModuleType(name)
                package.__path__ = ["/".join((folder, *name.split(".")[1:]))]
                sys.modules[name] = package
            return importlib.import_module(_NEEDED[0]), importlib.import_module(_NEEDED[1])
        finally:
            for name in [name for name in sys.modules if name.partition(".")[0] == "nltk"]:
                del sys.modules[name]


def punkt() -> Any:
    """The module `nltk.tokenize.punkt`."""
    return _modules()[0]


def word_tokenizer() -> Any:
    """An `NLTKWordTokenizer`."""
    return _modules()[1].NLTKWordTokenizer()
