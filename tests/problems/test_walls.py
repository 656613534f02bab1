"""What an item leaves behind, reaches for or breaks is not there for the next one, and is not out of the rate."""

from __future__ import annotations

import ctypes
import os
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from adhere.core.errors import UserError
from adhere.problems import CodeProblem, grade_code
from adhere.problems.sandbox import UNSAFE, Job, Limits, Run, Sandbox
from adhere.problems.sandbox.jobs import read_run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="walls are Linux's")
LIMITS = Limits(cpu=2, wall=6, memory=512 << 20, file=4 << 20, processes=4)
GOOD = Job("def f(x):\n    return x + 1", entry="f", calls=("(1,)",), limits=LIMITS)


def box_of(isolation: Any) -> Sandbox:
    try:
        return Sandbox(workers=1, isolation=isolation, disk=8 << 20)
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def walled() -> Iterator[Sandbox]:
    with box_of("namespaces") as box:
        yield box


@pytest.fixture(scope="module")
def landlocked() -> Iterator[Sandbox]:
    with box_of("landlock") as box:
        yield box


@pytest.fixture(scope="module", params=["namespaces", "landlock", "limits"])
def any_box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with box_of(request.param) as box:
        yield box


def value(box: Sandbox, source: str) -> str | None:
    (run,) = box.run([Job(textwrap.dedent(source), entry="f", calls=("()",), limits=LIMITS)])
    assert run.reports, run
    return run.reports[-1].value or run.reports[-1].error


LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"


def test_session_keyring_of_the_host_is_out_of_reach(walled: Sandbox) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(250, 1, None) < 0:  # a session keyring of our own, to hide something in
        pytest.skip("this kernel has no keyrings")
    key = libc.syscall(248, b"user", b"adhere-test", b"hunter2", ctypes.c_size_t(7), -3)
    assert key > 0
    source = f"""
import ctypes
def f():
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(64)
    found = libc.syscall(250, 10, -3, b"user", b"adhere-test", 0)
    return [found, libc.syscall(250, 11, {key}, buffer, 64)]
"""
    with Sandbox(workers=1, isolation="namespaces") as box:  # started by this thread, beside the key
        assert value(box, source) == "[-1, -1]"


def test_shared_memory_and_queues_do_not_survive_an_item(walled: Sandbox) -> None:
    leave = LIBC + textwrap.dedent("""
        def f():
            segment = libc.shmget(77, 1 << 20, 0o1666)
            queue = libc.msgget(78, 0o1666)
            return [segment, queue]
    """)
    look = LIBC + "def f(): return [libc.shmget(77, 0, 0), libc.msgget(78, 0)]"
    value(walled, leave)
    assert value(walled, look) == "[-1, -1]"


@pytest.mark.parametrize(
    "source",
    [
        "import os\nfor _ in range(1000):\n    os.mkdir('d'); os.chdir('d')",
        "import os\nfor _ in range(3000):\n    os.mkdir('dddddddd'); os.chdir('dddddddd')",
        "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').write('x')\nos.chmod('a/b', 0)\nos.chmod('a', 0)",
        "import os\nos.symlink('/', 'out'); os.symlink('.', 'loop')\nopen('x' * 255, 'w')",
    ],
    ids=["1000 nested", "3000 nested, longer than any path", "unreadable folders", "links"],
)
def test_folders_that_cannot_be_removed_cost_neither_a_verdict_nor_the_next_item(any_box: Sandbox, source: str) -> None:
    job = Job(source, tests=("assert False",), limits=LIMITS)
    before, run, after = any_box.run([GOOD, job, GOOD])
    assert [before.reports[0].value, after.reports[0].value] == ["2", "2"]
    assert run.end == "finished" or run.reports[-1].status == "refused"
    assert run.reports[-1].status != "passed"
    look = Job("import os\ndef f(): return os.listdir('.')", entry="f", calls=("()",), limits=LIMITS)
    assert any_box.run([look])[0].reports[0].value == "[]"


SPEAK = """
import gc, os
def marks():
    for thing in gc.get_objects():
        code = getattr(thing, '__code__', None)
        if code is not None and 'nonce' in code.co_freevars:
            yield thing.__closure__[code.co_freevars.index('nonce')].cell_contents
"""
FORGED = {
    "a status that is no text": '{"stage": "test", "test": 0, "status": [1]}',
    "a report that is a number": "7",
    "a line that is an object": '{"stage": "test", "test": 0, "status": "passed", "line": {}}',
    "the same test twice": '{"stage": "test", "test": 0, "status": "passed"}',
    "a test that is not there": '{"stage": "test", "test": 99, "status": "passed"}',
    "deeper than a reader goes": "[" * 50_000,
    "an end and nothing else": '{"stage": "end"}',
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_reports_with_the_right_mark_fail_their_item_and_no_other(walled: Sandbox, name: str) -> None:
    source = SPEAK + f"for mark in marks():\n    os.write(3, (mark + {FORGED[name]!r} + chr(10)).encode() * 2)\n"
    job = Job(source, tests=("assert False",), limits=LIMITS)
    before, run, after = walled.run([GOOD, job, GOOD])
    assert [before.reports[0].value, after.reports[0].value] == ["2", "2"]
    assert not any(report.status == "passed" for report in run.reports) or run.end == "tampered"
    assert run.end != "broke"


@pytest.mark.parametrize(
    "frame",
    [
        None,
        [],
        {"end": "finished", "reports": [], "seconds": "1"},
        {"end": "won", "reports": [], "seconds": 1},
        {"end": "finished", "reports": [{"status": [1]}], "seconds": 1.0},
        {"end": "finished", "reports": [{"stage": "test", "status": "passed", "test": 5}], "seconds": 1.0},
        {"end": "finished", "reports": [{"stage": "test", "status": "passed", "test": True}], "seconds": 1.0},
        {"end": "finished", "reports": [{"stage": "answer", "status": "error"}] * 50, "seconds": 1.0},
        {"end": "finished", "reports": [], "seconds": 1.0, "signal": 9},
    ],
)
def test_frames_of_a_cell_that_lies_are_refused(frame: object) -> None:
    with pytest.raises(ValueError, match=r"report|run"):
        read_run(frame, Job("", tests=("pass",)))


def test_a_malformed_frame_costs_one_item_and_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    from adhere.problems.sandbox import pool

    real = pool._Cell.receive

    def receive(cell: pool._Cell) -> list[Any]:
        frames = real(cell)
        for frame in frames:
            for run in frame.get("runs", []):
                if "boom" in str(run):
                    run["reports"] = [{"status": [1]}]
        return frames

    monkeypatch.setattr(pool._Cell, "receive", receive)
    bad = Job("raise ValueError('boom')", tests=("pass",), limits=LIMITS)
    with Sandbox(workers=1) as box:
        runs = box.run([GOOD, bad, GOOD])
    assert [run.end for run in runs] == ["finished", "broke", "finished"]


def test_a_program_that_brings_its_cell_down_is_wrong_and_one_whose_cell_was_killed_is_undecided() -> None:
    problem = CodeProblem("?", "f", [((1,), 2)])
    assert problem.judge("def f(): 1", Run("broke", (), cause="item")).outcome == "error"
    assert problem.judge("def f(): 1", Run("broke", (), cause="machine")).correct is None
    assert problem.judge("def f(): 1", Run("tampered", ())).correct is False


def test_programs_that_end_their_own_process_are_wrong_not_undecided(walled: Sandbox) -> None:
    problem = CodeProblem("?", "f", ["assert f(1) == 2"], limits=LIMITS)
    kill = "def f(x):\n    ctypes.CDLL(None).kill(os.getpid(), 9)"
    tree = "\nfor _ in range(3000):\n    os.mkdir('d'); os.chdir('d')"
    for program in (
        f"import ctypes, os\n{kill}",
        f"import os\ndef f(x): return 3{tree}",
        "def f(x):\n    while 1: pass",
    ):
        (grade,) = grade_code([(problem, f"```python\n{program}\n```")], walled)
        assert grade.correct is False, grade


def test_an_item_cannot_trace_queue_or_add_keys(walled: Sandbox) -> None:
    if not walled.filtered:
        pytest.skip("libseccomp is not installed")
    source = LIBC + textwrap.dedent("""
        def f():
            calls = [libc.syscall(248, b"user", b"a", b"b", 1, -3), libc.syscall(319, b"x", 0), libc.syscall(425, 1, 0)]
            return [*calls, ctypes.get_errno()]
    """)
    assert value(walled, source) == "[-1, -1, -1, 1]"


WITHOUT_NAMESPACES = {
    "reads the host's accounts": "print(open('/etc/passwd').read())",
    "reads them through sqlite3": "import sqlite3\nsqlite3.connect('/etc/passwd').execute('select 1 from a')",
    "reads another process": "import os\nopen(f'/proc/{os.getppid()}/environ').read()",
    "writes outside": "import os\nos.open('/tmp/adhere-was-here', os.O_CREAT | os.O_WRONLY)",
    "makes a pipe outside": "import os\nos.mkfifo('/tmp/adhere-was-here')",
    "opens a connection": "import socket\nsocket.socket()",
    "starts a program": "import os\nos.execv('/bin/true', ['true'])",
    "forks": "import os\nos.fork()",
    "kills its parent": "import os\nos.kill(os.getppid(), 9)",
}
UNHOOKED = {
    "reads the host's accounts by system call": "assert libc.open(b'/etc/passwd', 0) >= 0",
    "writes outside by system call": "assert libc.open(b'/tmp/adhere-was-here', 0o101, 0o600) >= 0",
    "kills by system call": "assert libc.kill(libc.getppid(), 9) == 0",
    "connects by system call": "assert libc.socket(2, 1, 0) >= 0",
    "forks by system call": "assert libc.fork() > 0",
    "changes modes by system call": "assert libc.chmod(b'/tmp', 0o1777) == 0",
}


@pytest.mark.parametrize("name", WITHOUT_NAMESPACES)
def test_without_namespaces_landlock_and_a_filter_refuse_what_the_audit_hook_let_through(
    landlocked: Sandbox, name: str
) -> None:
    job = Job(WITHOUT_NAMESPACES[name], tests=("pass",), limits=LIMITS)
    before, run, after = landlocked.run([GOOD, job, GOOD])
    assert [before.reports[0].value, after.reports[0].value] == ["2", "2"]
    assert not any(report.status == "passed" for report in run.reports)
    assert not os.path.exists("/tmp/adhere-was-here")


@pytest.mark.parametrize("name", UNHOOKED)
def test_landlock_and_the_filter_hold_where_the_audit_hook_is_not_there(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with box_of("landlock"):
        pass
    program = textwrap.dedent("""
        import os, sys, tempfile, ctypes
        sys.path.insert(0, sys.argv[1])
        import confinement, namespaces
        work = tempfile.mkdtemp()
        refused = confinement.Filter(strict=True)
        os.chdir(work)
        namespaces.seal()
        confinement.restrict_files(work, sys.path[1:])
        refused.apply()
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.open(b'inside', 0o101, 0o600) >= 0
    """)
    import subprocess

    from adhere.problems.sandbox import cell

    done = subprocess.run(
        [sys.executable, "-c", program + UNHOOKED[name], os.path.dirname(cell.__file__)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "AssertionError" in done.stderr.splitlines()[-1], done.stderr
    assert UNHOOKED[name] in done.stderr or done.stderr.count("File") == 1


def test_without_any_walls_code_is_refused_until_the_user_accepts_that(monkeypatch: pytest.MonkeyPatch) -> None:
    from adhere.problems.sandbox import pool

    real = pool._Cell.hello

    def refused(cell: pool._Cell) -> dict[str, Any]:
        hello = real(cell)
        return hello if hello["walls"] == "none" else {"walls": "none", "reason": "not permitted"}

    monkeypatch.setattr(pool._Cell, "hello", refused)
    monkeypatch.delenv(UNSAFE, raising=False)
    with pytest.raises(UserError, match="--unsafe-code"):
        Sandbox(workers=1)
    with pytest.raises(UserError, match="does not grant"):
        Sandbox(workers=1, isolation="namespaces")
    monkeypatch.setenv(UNSAFE, "1")
    with pytest.warns(RuntimeWarning, match="without walls"):
        box = Sandbox(workers=1)
    with box:
        assert box.walls == "none"
        assert box.isolation.startswith("WEAKER")
        assert box.run([GOOD])[0].reports[0].value == "2"


def test_root_does_not_run_code_as_root(any_box: Sandbox) -> None:
    seen = value(any_box, "import os\ndef f(): return [os.getuid(), os.access('/etc/shadow', os.R_OK)]")
    assert seen is not None
    if any_box.walls == "namespaces":
        assert seen == "[1000, False]"
    assert "True" not in seen or os.access("/root", os.X_OK)  # capabilities are gone, the owner's own rights are not


def test_the_command_line_accepts_code_without_walls_only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from adhere.cli.app import app

    monkeypatch.setenv(UNSAFE, "0")
    result = CliRunner().invoke(app, ["sustain", "--unsafe-code", "--write-prompts", "there.jsonl"])
    assert result.exit_code != 0
    assert os.environ[UNSAFE] == "1"
