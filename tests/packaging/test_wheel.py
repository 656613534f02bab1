"""The wheel, built from the tree and installed, not editable, into fresh environments: of the core, and of each extra.

uv makes the environments where it is installed, pip otherwise. Needs an index that serves the dependencies; skips with
the reason where it does not.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from adhere.core.extras import EXTRAS

pytestmark = [pytest.mark.wheel, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
LARGEST = 14_000_000
"""Bytes: the two bundled checkpoints, the constraint data and the code, compressed."""
OPTIONAL = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
ALONE = sorted(set(OPTIONAL) - {"all", "dev"})
"""The extras, each tried in an environment of its own."""
USES: dict[str, tuple[str, str]] = {
    "measure": ("audit {api} --limit 3 --out run", "run/report.html"),
    "explain": ("audit --limit 4 --out run", "run/report.card.png"),
    "files": ("score answers.jsonl --engine local --out run", "run/findings.json"),
    "enforce": ("warden key new owner", "owner.pub"),
    "train": ("train sft pocket --data rows.jsonl --steps 1 --batch 2 --out run", "run/model/model.safetensors"),
}
"""What an extra is for: a command, and a file that it writes. `{api}` is a server that speaks OpenAI's protocol."""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    alone["XDG_DATA_HOME"] = str(cwd)  # keys are kept there
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=alone, capture_output=True, text=True, timeout=600
    )


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


class Api(BaseHTTPRequestHandler):
    """A model behind OpenAI's protocol that always gives the same answer."""

    def do_GET(self) -> None:
        self._answer({"data": [{"id": "m"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "The sea is wide."}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        self._answer(
            {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        )

    def _answer(self, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def install(home: Path, wheel: Path, extra: str = "") -> Path:
    """The command `adhere` of a fresh environment with the wheel, one extra, and what these depend on."""
    what = [f"{wheel}[{extra}]" if extra else str(wheel), *(["openai"] if extra == "measure" else [])]
    locked = ("-c", ROOT / "requirements-lock.txt", *what)
    if uv := shutil.which("uv"):
        run(uv, "venv", "--quiet", "--python", sys.executable, home, cwd=wheel.parent)
        done = run(uv, "pip", "install", "--quiet", "--python", home / "bin" / "python", *locked, cwd=home)
    else:
        venv.create(home, with_pip=True)
        done = run(home / "bin" / "python", "-m", "pip", "install", "--quiet", *locked, cwd=home)
    if done.returncode:
        pytest.skip(f"no package index: {done.stderr.strip().splitlines()[-1]}")
    return home / "bin" / "adhere"


@pytest.fixture(scope="module")
def adhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment that holds the wheel and the core's dependencies alone."""
    return install(tmp_path_factory.mktemp("fresh") / "env", wheel)


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


def test_the_core_names_the_extra_that_a_command_needs(adhere: Path, tmp_path: Path) -> None:
    for command, extra in (("audit", "measure"), ("explain", "explain"), ("serve --upstream pocket", "enforce")):
        done = run(adhere, *command.split(), cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert f'pip install "adhere[{extra}]"' in done.stderr


@pytest.mark.parametrize("extra", ALONE)
def test_an_extra_alone_brings_its_modules_and_does_what_it_is_for(
    extra: str, wheel: Path, api: str, tmp_path: Path
) -> None:
    adhere = install(tmp_path / "env", wheel, extra)
    modules = [module for module, of in EXTRAS.items() if of == extra]
    done = run(
        adhere.with_name("python"), "-c", "; ".join(f"import {name}" for name in modules) or "pass", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    if extra not in USES:
        assert run(adhere, "--version", cwd=tmp_path).returncode == 0
        return
    line = {"prompt": "Name a river.", "response": "Rhine", "constraints": [{"kind": "length.words", "at_most": 3}]}
    (tmp_path / "answers.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    row = {"prompt": "Say something about the sea.", "completion": "The sea is wide."}
    (tmp_path / "rows.jsonl").write_text((json.dumps(row) + "\n") * 4, encoding="utf-8")
    command, written = USES[extra]
    done = run(adhere, *command.format(api=api).split(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / written).exists()
    if extra == "measure":  # a model behind an API is measured without torch
        without = run(adhere.with_name("python"), "-c", "import torch", cwd=tmp_path)
        assert "ModuleNotFoundError" in without.stderr
