"""A model's folder is data: none of its code is run or offered, and its template ends."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from adhere.core.errors import UserError
from adhere.models.chat_template import render_bounded
from adhere.models.load import open_model


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    marker = tmp_path / "was-run"
    code = f"open({str(marker)!r}, 'w').write('x')\nclass C: pass\nclass M: pass\nclass T: pass\n"
    (tmp_path / "evil.py").write_text(code)
    own = {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "weird", "auto_map": own}))
    tokenizer = {"tokenizer_class": "T", "auto_map": {"AutoTokenizer": ["evil.T", None]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    return tmp_path


def test_code_that_a_model_brings_is_neither_run_nor_offered(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = io.StringIO("y\ny\ny\n")
    monkeypatch.setattr(sys, "stdin", answers)
    with pytest.raises(UserError, match="never run"):
        open_model(str(hostile))
    assert answers.read() == "y\ny\ny\n", "somebody asked"
    assert not (hostile / "was-run").exists()


def test_a_template_that_never_ends_is_interrupted_with_a_line() -> None:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    template = ImmutableSandboxedEnvironment().from_string(loops)
    with pytest.raises(UserError, match="does not end"):
        render_bounded(loops, template.render, seconds=0.3)
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:  # nothing of the clock is left behind
        pass


def test_an_opened_models_template_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from adhere.models import chat_template

    monkeypatch.setattr(chat_template.render_bounded, "__defaults__", (0.3,))
    opened = open_model("pocket")
    monkeypatch.setattr(
        opened.tokenizer,
        "chat_template",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    )
    with pytest.raises(UserError, match="does not end"):
        opened.render([{"role": "user", "content": "hi"}])


def test_templates_and_tokenizers_beyond_all_measure_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="characters"):
        render_bounded("x" * 2_000_000, lambda: "")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with open(tmp_path / "tokenizer.json", "wb") as file:
        file.truncate(300 << 20)
    with pytest.raises(UserError, match="no tokenizer has"):
        open_model(str(tmp_path))
