"""The same prompts bare and through the gateway: real processes, the real comparison."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adhere.api.gateway_process import upstream_of
from adhere.core.errors import UserError

pytestmark = pytest.mark.xdist_group("through_gateway")  # one run for all tests of this file


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("run")
    command = [sys.executable, "-m", "adhere", "audit", "--per-skill", "4", "--limit", "24", "--through-gateway"]
    done = subprocess.run(
        [*command, "--out", str(folder)], capture_output=True, text=True, timeout=300, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.mark.slow
def test_enforcing_is_held_against_the_same_prompts_bare(ran: tuple[Path, str]) -> None:
    found = json.loads((ran[0] / "findings.json").read_text())["findings"]
    made = {one["subject"].get("of"): one for one in found if one["what"] == "gateway.adherence"}
    whole = made["prompt"]
    bare = next(one for one in found if one["what"] == "adherence.prompt.strict")
    assert whole["control"]["estimate"] == pytest.approx(bare["estimate"])
    assert whole["n"] == bare["n"]
    assert whole["estimate"] - whole["control"]["estimate"] == pytest.approx(whole["subject"]["difference"])
    assert whole["estimate"] > whole["control"]["estimate"]
    assert set(made) >= {"word_count", "inclusion", "exclusion", "json"}


@pytest.mark.slow
def test_what_it_cost_counts_every_token(ran: tuple[Path, str]) -> None:
    found = json.loads((ran[0] / "findings.json").read_text())["findings"]
    [tokens] = [one for one in found if one["what"] == "gateway.tokens"]
    assert tokens["interval"][0] <= tokens["estimate"] <= tokens["interval"][1]
    assert tokens["estimate"] > 1
    assert [one["control"]["estimate"] > 0 for one in found if one["what"] == "gateway.latency"] == [True, True]


@pytest.mark.slow
def test_the_page_and_the_terminal_show_it(ran: tuple[Path, str]) -> None:
    assert "Through the gateway" in ran[1]
    page = (ran[0] / "report.html").read_text()
    assert 'id="enforced"' in page
    assert "Paired differences" in page


@pytest.mark.slow
def test_no_process_of_the_gateway_is_left(ran: tuple[Path, str]) -> None:
    left = [
        entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_child_of_run(entry, str(ran[0]))
    ]
    assert left == []


def _is_child_of_run(entry: Path, folder: str) -> bool:
    try:
        command = (entry / "cmdline").read_bytes()
        return b"adhere\0serve" in command and os.readlink(entry / "cwd") == folder
    except OSError:
        return False


def test_a_model_that_no_gateway_can_stand_before_is_one_clear_line() -> None:
    with pytest.raises(UserError, match="cannot be put in front of google/gemini"):
        upstream_of("google/gemini")


def test_a_hosted_model_is_reached_with_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    told, name = upstream_of("openai/gpt-5")
    assert name == "gpt-5"
    assert told == ["--upstream", "http://localhost:1/v1", "--speaks", "chat", "--key-env", "OPENAI_API_KEY"]
