"""With any optional package missing every command either works or says in one line what to install."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from adhere.core.extras import EXTRAS, UNIX

GROUPS = {extra: sorted(name for name, of in EXTRAS.items() if of == extra) for extra in sorted(set(EXTRAS.values()))}
ALL = sorted(EXTRAS)


@cache
def _without(*sets: str) -> list[dict[str, object]]:
    script = Path(__file__).with_name("without.py")
    done = subprocess.run([sys.executable, str(script), *sets], capture_output=True, text=True, timeout=900, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _faults(lines: list[dict[str, object]]) -> list[dict[str, object]]:
    faults = []
    for line in lines:
        said = [one for one in str(line["error"]).splitlines() if one.strip()]
        if line["code"] == 2 and len(said) == 1 and said[0].startswith("adhere: "):
            continue
        if line["code"] == 0 and "Traceback" not in str(line["error"]):
            continue
        faults.append(line)
    return faults


def test_without_an_extra_every_command_works_or_names_it_in_one_line() -> None:
    lines = _without(*(",".join(modules) for modules in GROUPS.values()), ",".join(ALL))
    assert len(lines) > 200
    assert not _faults(lines)
    for extra in ("measure", "explain", "enforce"):
        said = [line["error"] for line in lines if line["hidden"] == GROUPS[extra]]
        assert any(f'pip install "adhere[{extra}]"' in str(one) for one in said)


def test_where_the_system_is_no_unix_every_command_works_or_says_so_in_one_line(tmp_path: Path) -> None:
    assert not _faults(_without(",".join(sorted(UNIX))))
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({sorted(UNIX)})); sys.argv = ['adhere', 'corrigibility', "
        "'mockllm/model', '--tiers', 'world', '--limit', '1', '--out', 'run']; from adhere.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "this needs Linux or macOS" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("module", ALL)
def test_without_one_package_every_command_works_or_names_its_extra(module: str) -> None:
    assert not _faults(_without(module))


def test_an_api_model_is_measured_without_what_runs_local_models() -> None:
    hidden = ",".join(GROUPS["explain"] + GROUPS["gguf"] + GROUPS["llamacpp"])
    [audit] = [line for line in _without(hidden) if str(line["command"]).startswith("audit mockllm/")]
    assert "nowhere.jsonl" in str(audit["error"])
    assert "not installed" not in str(audit["error"])


def test_inspect_finds_the_tasks_without_what_runs_local_models() -> None:
    code = (
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {[*GROUPS['explain'], 'tuf', 'securesystemslib']!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        "import adhere.measure._registry\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr.strip()) == ("False", "")
