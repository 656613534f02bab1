"""Scoring starts quickly: no heavy package is imported for a small part of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HEAVY = ("scipy", "sklearn", "pandas", "matplotlib", "torch", "inspect_ai", "pyarrow", "jsonschema", "nltk.corpus")

PROGRAM = """
import sys
from adhere.cli.app import app
try:
    app(["score", sys.argv[1], "--limit", "60"], standalone_mode=False)
except SystemExit:
    pass
print("IMPORTED", *(name for name in sys.argv[2:] if name in sys.modules))
"""


def test_scoring_every_kind_of_instruction_imports_nothing_heavy(tmp_path: Path) -> None:
    from adhere.constraints.registry import families

    kinds = [example.to_json() for kind, family in families().items() for example in family.examples()[:1]]
    kinds = [one for one in kinds if one["kind"] not in ("format.json_schema", "format.yaml")]  # these need a library
    path = tmp_path / "m.jsonl"
    text = "The CAPITAL of FRANCE can't be found. It is IMPORTANT!\n\nA second paragraph, A/B."
    rows = [{"id": k, "prompt": "p", "constraints": [one], "response": text} for k, one in enumerate(kinds)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = subprocess.run([sys.executable, "-c", PROGRAM, path, *HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].strip() == "IMPORTED"


def test_nltk_is_whole_for_those_who_import_it_later() -> None:
    program = """
from adhere.constraints.reading import nltk_loader
assert nltk_loader.word_tokenizer().tokenize("CAN'T") == ["CA", "N'T"]
import sys
assert "nltk" not in sys.modules
import nltk
assert nltk.FreqDist("aab")["a"] == 2
from nltk.tokenize.punkt import PunktSentenceTokenizer
assert nltk_loader.punkt().PunktSentenceTokenizer().tokenize("It is so. Is it?") == ["It is so.", "Is it?"]
"""
    subprocess.run([sys.executable, "-c", program], check=True)
