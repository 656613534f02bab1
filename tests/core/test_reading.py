"""Files that strangers wrote cost a line, not a traceback and not the memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from adhere.core import findings
from adhere.core.errors import UserError
from adhere.core.reading import parse_json, unpack_gzip
from adhere.gateway.policy.policy import load as load_policy
from adhere.problems.loading import load as load_problems
from adhere.train.rows import read_rows
from adhere.warden.acts.acts import rules_from

DEEP = "[" * 100_000


def test_nesting_beyond_the_reader_is_no_json() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(DEEP)


def test_a_gzip_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(OSError, match="unpacks to more than"):
        unpack_gzip(gzip.compress(bytes(30 << 20)), most=1 << 20)


@pytest.mark.parametrize("text", [DEEP, '{"a":' * 50_000])
def test_deeply_nested_files_are_one_line_each(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deep.jsonl"
    path.write_text(text)
    for read in (findings.read, load_problems, read_rows, load_policy, lambda _: rules_from(text, "rules")):
        with pytest.raises(UserError) as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_a_deeply_nested_policy_ends_the_command_with_a_line(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("routes: " + "[" * 2_000)
    command = [sys.executable, "-m", "adhere", "policy", "check", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_log_that_unpacks_to_too_much_is_refused_before_it_is_read(tmp_path: Path) -> None:
    import json
    import zipfile

    from adhere.measure.files.line import Bad
    from adhere.measure.files.streams import lines

    path = tmp_path / "bomb.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({"version": 2, "status": "success", "eval": {"model": "m"}}))
        archive.writestr("samples/a_epoch_1.json", bytes(80 << 20))
    assert path.stat().st_size < 1 << 20
    [bad] = lines(path)
    assert isinstance(bad, Bad)
    assert "unpacks to a part of" in bad.problem
