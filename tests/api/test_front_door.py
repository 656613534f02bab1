"""The stable interface: what `import adhere` offers, what it costs, and where it is documented."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import adhere

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "api" / "adhere.md"


def test_every_stable_name_is_there_callable_and_documented() -> None:
    for name in adhere.__all__:
        assert callable(getattr(adhere, name)), name
        assert name in dir(adhere)
    assert sorted(adhere.__all__) == sorted(set(adhere.__all__))


def test_the_generated_reference_has_exactly_the_stable_names() -> None:
    if not REFERENCE.is_file():
        pytest.skip("the reference is not in this checkout")
    assert sorted(re.findall(r"(?m)^## (\w+)$", REFERENCE.read_text())) == sorted(adhere.__all__)


def test_import_costs_nothing_and_brings_nothing_heavy() -> None:
    code = (
        "import sys, adhere; print([m for m in ('pydantic', 'numpy', 'typer', 'torch', 'inspect') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("first", ["import adhere.explain.plan", "adhere.explain", "from adhere import explain"])
def test_explain_is_the_function_and_the_package_whoever_imports_first(first: str) -> None:
    code = (
        f"import adhere\n{first}\nimport inspect\nimport adhere.explain.plan\n"
        "assert callable(adhere.explain), adhere.explain\n"
        "assert adhere.explain.plan.ExplainPlan\n"
        "assert 'samples' in inspect.signature(adhere.explain).parameters\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'verify'"):
        _ = adhere.verify


def test_saved_responses_are_scored_compared_and_shown_from_python(tmp_path: Path) -> None:
    line = '{"key": "%d", "prompt": "p", "response": "%s", "constraints": [{"kind": "length.words", "at_most": 1}]}\n'
    for name, answer in (("a", "one"), ("b", "one two")):
        (tmp_path / f"{name}.jsonl").write_text("".join(line % (n, answer) for n in range(8)))
    a, b = adhere.score(tmp_path / "a.jsonl"), adhere.score(str(tmp_path / "b.jsonl"))
    strict = [one for one in a.findings if one.what == "adherence.prompt.strict"]
    assert {one.estimate for one in strict} == {1.0}
    assert a.missing(0.5) == []
    assert len(b.missing(0.5)) == 1
    compared = adhere.compare(a, b)
    assert compared.levels[0].real
    assert compared.findings[0].estimate == 1.0
    assert len(compared.only_a) == 8
    for result in (a, compared):
        assert "<table" in result._repr_html_()
        assert result.report(tmp_path / "page.html").stat().st_size > 1000
        result.save(tmp_path / "findings.json")
        assert adhere.core.findings.read(tmp_path / "findings.json") == list(result.findings)
