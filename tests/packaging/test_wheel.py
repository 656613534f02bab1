"""The wheel, built from the tree and installed into an environment that has nothing else.

Needs `build` and an index that serves the core's dependencies; skips with the reason where either is missing.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.wheel, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
LARGEST = 14_000_000
"""Bytes: the two bundled checkpoints, the constraint data and the code, compressed."""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("hatchling") is not None:
        built = tmp_path_factory.mktemp("dist")
        code = f"import hatchling.build as b; print(b.build_wheel({str(built)!r}))"
        done = run(sys.executable, "-c", code, cwd=ROOT)
    elif (ROOT / "dist").is_dir() and list((ROOT / "dist").glob("*.whl")):
        return next((ROOT / "dist").glob("*.whl"))
    else:
        built = tmp_path_factory.mktemp("dist")
        done = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", built, ROOT, cwd=built)
    if done.returncode:
        pytest.skip(f"the wheel cannot be built here: {done.stderr.strip().splitlines()[-1]}")
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def adhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment that holds the wheel and the core's dependencies alone."""
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home, with_pip=True)
    lock = ROOT / "requirements-lock.txt"
    done = run(home / "bin" / "python", "-m", "pip", "install", "--quiet", "-c", lock, wheel, cwd=home)
    if done.returncode:
        pytest.skip(f"no package index: {done.stderr.strip().splitlines()[-1]}")
    return home / "bin" / "adhere"


def test_the_wheel_holds_code_weights_and_data_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "adhere/py.typed" in names
    assert any(name.endswith("instruct/model.safetensors") for name in names)
    assert any(name.startswith("adhere/samples/") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "docs/", "benchmarks/"))]
    assert wheel.stat().st_size < LARGEST


def test_the_core_scores_answers_in_a_fresh_environment(adhere: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    line = {"prompt": "Name a river.", "response": "Rhine", "constraints": [{"kind": "length.words", "at_most": 3}]}
    answers.write_text(json.dumps(line) + "\n", encoding="utf-8")
    done = run(adhere, "score", answers, "--json", "out.json", "--fail-under", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    findings = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["findings"]
    assert any(found["what"] == "adherence.prompt.strict" and found["estimate"] == 1 for found in findings)


def test_the_fresh_command_finds_its_data_and_names_its_version(adhere: Path, tmp_path: Path) -> None:
    assert run(adhere, "--version", cwd=tmp_path).stdout.startswith("adhere ")
    listed = run(adhere, "constraints", "language", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "language.response" in listed.stdout
