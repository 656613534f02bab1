"""Escapes that an agent may try from inside its place, each refused by the kernel, as root and as another user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adhere.warden.canonical import Refused
from adhere.warden.supervision import running, supervisor
from adhere.warden.supervision.supervisor import Supervisor, marked

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="process containment of Linux"),
    pytest.mark.skipif(not supervisor.has_namespaces(pid=False), reason="no namespaces for this user"),
]

PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
"""One that another user may run, too."""

ATTEMPTS = """
import ctypes, glob, json, os, stat, sys
hidden, result = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
done = {}
def attempt(name):
    def run(step):
        try:
            step()
            done[name] = "succeeded"
        except OSError as error:
            done[name] = error.strerror
    return run
def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
attempt("umount")(lambda: call("umount2", os.fsencode(hidden), 2))
attempt("read the hidden file")(lambda: open(hidden + "/secret").read())
attempt("mount")(lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None))
attempt("remount")(lambda: call("mount", b"none", b"/proc/sys", None, 32 | 4096, None))
attempt("a mount table of its own")(lambda: call("unshare", 0x20000))
attempt("core_pattern")(lambda: open("/proc/sys/kernel/core_pattern", "r+b").write(b""))
def move():
    for path in glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)[:1] or ["/sys/fs/cgroup/cgroup.procs"]:
        with open(path, "w") as file:
            file.write("0")
attempt("move to another cgroup")(move)
def devices():
    for path in glob.glob("/dev/*"):
        if stat.S_ISBLK(os.stat(path).st_mode):
            os.close(os.open(path, os.O_RDONLY))
            return
    raise OSError(2, "none there")
attempt("read a block device")(devices)
attempt("make a device")(lambda: os.mknod("/tmp/adhere-device", stat.S_IFBLK | 0o600, os.makedev(7, 0)))
attempt("become root")(lambda: os.setuid(0) if os.geteuid() else (_ for _ in ()).throw(OSError(1, "is root")))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
bounding = int(status["CapBnd"], 16) if os.geteuid() == 0 else 0
done["capabilities"] = int(status["CapEff"], 16) | bounding
done["no new privileges"] = int(status["NoNewPrivs"])
with open("/dev/null", "w") as file:
    file.write("still there")
json.dump(done, open(result, "w"))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    hidden = tmp_path / "charter"
    hidden.mkdir()
    (hidden / "secret").write_text("secret")
    (tmp_path / "attempts.py").write_text(ATTEMPTS)
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o777)
    return tmp_path


def attempted(place: Path, **options: object) -> dict[str, object]:
    result = place / "result.json"
    command = [PYTHON, "-I", "-S", str(place / "attempts.py"), str(place / "charter"), str(result)]
    with Supervisor(command, hide=[place / "charter"], **options) as run:  # type: ignore[arg-type]
        deadline = time.monotonic() + 30
        while run.poll(0.1) is None:
            assert time.monotonic() < deadline
    assert run.ended is not None
    assert run.ended.status == 0
    answer: dict[str, object] = json.loads(result.read_text())
    return answer


USERS = [
    pytest.param({}, id="same user"),
    pytest.param(
        {"user": (65534, 65534)}, id="nobody", marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
    ),
]


@pytest.mark.parametrize("options", USERS)
def test_escape_attempts_of_an_agent_fail(place: Path, options: dict[str, object]) -> None:
    done = attempted(place, **options)
    succeeded = [what for what, how in done.items() if how == "succeeded"]
    assert succeeded == []
    assert done["capabilities"] == 0
    assert done["no new privileges"] == 1


def test_what_could_not_be_given_up_is_named(place: Path) -> None:
    with Supervisor(["sleep", "100"], methods=("subreaper",)) as run:
        assert any("no mount table" in what for what in run.open)
    with Supervisor(["sleep", "100"], hide=[place / "charter"]) as run:
        assert not any("no mount table" in what for what in run.open)


def test_the_environment_of_the_agent_is_on_no_command_line() -> None:
    with Supervisor(["sleep", "100"], env={**os.environ, "API_KEY": "very-secret-key"}) as run:
        assert run._keeper is not None
        for file in ("cmdline", "environ"):
            assert b"very-secret-key" not in Path(f"/proc/{run._keeper.pid}/{file}").read_bytes()


def test_an_agent_that_kills_the_reaper_and_drops_its_mark_is_an_alarm_not_a_clean_end(tmp_path: Path) -> None:
    """Under the subreaper alone nothing can be verified after that; the end says so."""
    script = tmp_path / "kills.py"
    script.write_text(
        "import os, signal, sys, time\n"
        "reaper = os.getppid()\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    os.execve('/bin/sleep', ['sleep', '30.25'], {})\n"
        "time.sleep(0.3)\n"
        "os.kill(reaper, signal.SIGKILL)\n"
        "time.sleep(30)\n"
    )
    with Supervisor([sys.executable, "-I", "-S", str(script)], methods=("subreaper",)) as run:
        deadline = time.monotonic() + 30
        while run.poll(0.1) is None:
            assert time.monotonic() < deadline
    try:
        assert run.ended is not None
        assert not run.ended.verified
        assert run.ended.weaker
        assert run.ended.proofs["process reaper"] is False
        assert marked(run.run_id) == []
    finally:
        subprocess.run(["pkill", "-KILL", "-x", "-f", "sleep 30.25"], check=False)


def test_an_agent_gets_the_variables_named_to_it_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("MY_SETTING", "yes")
    environment = running.agent_environment(["MY_SETTING"], None)
    assert environment["MY_SETTING"] == "yes"
    assert "PATH" in environment
    assert "OPENAI_API_KEY" not in environment
    with pytest.raises(Refused, match="NOT_SET: this variable is not set"):
        running.agent_environment(["NOT_SET"], None)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_home_is_that_of_the_user_who_runs_the_agent() -> None:
    assert running.agent_environment([], (65534, 65534))["HOME"] != os.environ.get("HOME", "/root")
