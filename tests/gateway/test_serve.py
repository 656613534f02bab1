"""`adhere serve` as a command: what it says, curl, and Inspect against it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gateway.fake import Fake, Turn
from typer.testing import CliRunner

from adhere.cli.app import app
from adhere.core.errors import UserError


@pytest.fixture(scope="module")
def served(fake: Fake) -> Iterator[str]:
    command = [
        sys.executable,
        "-m",
        "adhere",
        "serve",
        "--upstream",
        f"{fake.url}/v1",
        "--port",
        "0",
        "--attempts",
        "1",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("serving "):
                break
        assert any("policy      none" in line for line in said), said
        yield said[-1].split()[1]
        process.terminate()


def test_curl_gets_what_was_asked_for(fake: Fake, served: str) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl here")
    body = {
        "model": fake.says("curl", Turn("one two three"), Turn("one two")),
        "messages": [{"role": "user", "content": "Count."}],
        "constraints": [{"kind": "length.words", "at_most": 2}],
    }
    command = [curl, "-s", "-i", f"{served}/chat/completions", "-d", json.dumps(body)]
    head, _, answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.partition("\n\n")
    assert head.startswith("HTTP/1.1 200")
    assert "x-adhere: met; constraints=1/1; attempts=2" in head
    assert json.loads(answer)["choices"][0]["message"]["content"] == "one two"


@pytest.mark.slow
def test_inspect_asks_through_it(fake: Fake, served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import GenerateConfig, get_model
    from inspect_ai.scorer import includes

    monkeypatch.setenv("GATEWAY_API_KEY", "k")
    fake.says("inspected", Turn("the sea"), Turn("the sky"))
    extra = {"constraints": [{"kind": "excludes.terms", "terms": ["sea"]}]}
    model = get_model("openai-api/gateway/inspected", base_url=served, config=GenerateConfig(extra_body=extra))
    task = Task(dataset=[Sample(input="What is blue?", target="sky")], scorer=includes())
    log = eval(task, model=model, log_dir=str(tmp_path), display="none")[0]
    assert log.status == "success"
    assert log.results is not None
    assert log.results.scores[0].metrics["accuracy"].value == 1.0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--upstream", "localhost:8000"], "the upstream is a URL"),
        (["--upstream", "http://x/v1", "--speaks", "latin"], "chat, messages"),
        (["--upstream", "http://x/v1", "--when-exhausted", "shrug"], "flag, refuse, human"),
        (["--upstream", "http://x/v1", "--key-env", "NO_SUCH_VARIABLE"], "is not set or empty"),
        (["--upstream", "http://x/v1", "--charter", "nowhere"], "--policy"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], line: str) -> None:
    result = CliRunner().invoke(app, ["serve", *arguments])
    assert isinstance(result.exception, UserError)
    assert line in str(result.exception)
    assert "\n" not in str(result.exception)
