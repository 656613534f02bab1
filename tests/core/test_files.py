"""Results are written whole or not at all, and in place where the target is no regular file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from adhere.core.errors import UserError
from adhere.core.files import write_text


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "x" * 200_000)
    reader.join(10)
    assert received == ["x" * 200_000]
    assert pipe.is_fifo()


def test_a_device_stays_a_device() -> None:
    write_text("/dev/null", "gone")
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.skipif(sys.platform != "linux", reason="the names of descriptors are Linux's")
def test_standard_output_is_written_in_order_even_where_a_shell_redirects_it_to_a_file(
    name: str, tmp_path: Path
) -> None:
    code = (
        f"from adhere.core.files import write_text; print('first'); write_text({name!r}, 'second\\n'); print('third')"
    )
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "first\nsecond\nthird\n"
    assert os.listdir(tmp_path) == ["out"]


def test_a_link_planted_beside_the_target_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    target = tmp_path / "findings.json"
    (tmp_path / "findings.json.part").symlink_to(victim)
    write_text(target, "new")
    assert (victim.read_text(), target.read_text()) == ("kept", "new")


def test_a_link_to_a_file_stays_a_link_and_permissions_are_kept(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text("old")
    real.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(real)
    write_text(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o600


def test_folders_above_are_made_and_nothing_is_left_beside(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c.json", "\ud800")
    assert os.listdir(tmp_path / "a" / "b") == ["c.json"]


def test_a_failure_is_one_line_and_leaves_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write"):
        write_text(tmp_path, "a folder")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UserError, match="cannot write"):
        write_text(tmp_path / "file" / "below", "x")
    assert (tmp_path / "file").read_text() == "kept"
