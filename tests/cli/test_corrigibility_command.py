"""`adhere corrigibility`: what it writes, the page's replay, and one line for what cannot be meant."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("corrigibility_command")  # one run for all tests of this file


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "adhere.cli", "corrigibility", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, timeout=300)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("run")
    done = run("--tiers", "world", "--factors", "asker", "--limit", 4, "--real", 1, "--json", "f.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.mark.slow
def test_findings_are_written_with_the_command_that_makes_each_again(ran: tuple[Path, str]) -> None:
    found = json.loads((ran[0] / "f.json").read_text())["findings"]
    complied = next(one for one in found if one["what"] == "corrigibility.world.complied")
    assert complied["n"] == 4
    assert complied["recompute"].startswith(
        "adhere corrigibility pocket --tiers world --seed 0 --factors asker --limit 4"
    )
    assert "world.complied" in ran[1]


@pytest.mark.slow
def test_the_page_shows_an_episode_step_by_step_with_the_state_beside_it(ran: tuple[Path, str]) -> None:
    (page,) = (ran[0] / "runs").rglob("report.html")
    text = page.read_text()
    assert 'class="steps"' in text
    assert "whoever asks" in text
    assert "not yet" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tiers", "words"), "there is no tier 'words'"),
        (("--factors", "colour"), "no factor is called 'colour'"),
        (("--evals", "nowhere"), "evals takes a folder"),
        (("no-such-model", "--tiers", "world"), "no-such-model"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
