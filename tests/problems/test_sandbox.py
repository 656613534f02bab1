"""Untrusted code fails by itself and takes nothing with it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from adhere.core.errors import UserError
from adhere.problems.sandbox import Job, Limits, Run, Sandbox

TIGHT = Limits(cpu=0.5, wall=1.5, memory=256 << 20, file=1 << 20, processes=4)
GOOD = Job("def f(x):\n    return x + 1", entry="f", calls=("(1,)",), limits=TIGHT)
SECRET = "hunter2-of-the-parent"


def good(run: Run) -> bool:
    return run.end == "finished" and [r.value for r in run.reports] == ["2"]


def passed(run: Run) -> bool:
    return run.end == "finished" and all(r.status in ("passed", "returned") for r in run.reports)


@pytest.fixture(scope="module", params=["namespaces", "limits"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    os.environ["ADHERE_TEST_SECRET"] = SECRET
    try:
        box = Sandbox(workers=1, isolation=request.param, disk=8 << 20)
    except UserError as error:
        pytest.skip(str(error))
    with box:
        yield box
    del os.environ["ADHERE_TEST_SECRET"]


@pytest.fixture(scope="module")
def walled() -> Iterator[Sandbox]:
    try:
        box = Sandbox(workers=1, isolation="namespaces", disk=8 << 20)
    except UserError as error:
        pytest.skip(str(error))
    with box:
        yield box


def attack(box: Sandbox, source: str, limits: Limits = TIGHT) -> Run:
    """Run `source` between two innocent jobs that wait in the same cell; they must not notice."""
    job = Job(textwrap.dedent(source), tests=("pass",), limits=limits)
    before, run, after = box.run([GOOD, job, GOOD])
    assert good(before)
    assert good(after), "the attack reached the job behind it"
    return run


ATTACKS = {
    "endless loop": "while True: pass",
    "endless loop that swallows signals": """
        import signal
        for number in (signal.SIGPROF, signal.SIGXCPU, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_PROF, 0)
        while True: pass
    """,
    "sleep": "import time; time.sleep(60)",
    "ten gigabytes printed": "for _ in range(10_000_000): print('x' * 1000)",
    "ten gigabytes written to the raw descriptor": "import os\nwhile True: os.write(1, b'x' * 65536)",
    "a large file": "open('big', 'wb').write(b'x' * 10_000_000)",
    "memory": "x = bytearray(10**10)",
    "recursion": "def g(): g()\ng()",
    "kills its parent": "import os; os.kill(os.getppid(), 9)",
    "kills its parent and hides the error": """
        import os
        try: os.kill(os.getppid(), 9)
        except BaseException: pass
    """,
    "kills its process group": "import os, signal; os.killpg(0, signal.SIGKILL)",
    "exits with success": "import sys; sys.exit(0)",
    "leaves without a word": "import os; os._exit(0)",
    "aborts": "import os; os.abort()",
    "opens a connection": "import socket; socket.create_connection(('127.0.0.1', 22), 1)",
    "reads its parent's environment": "import os; open(f'/proc/{os.getppid()}/environ').read()",
    "reads the host's accounts": "open('/etc/passwd').read()",
    "starts a shell": "import subprocess; subprocess.run(['/bin/sh', '-c', 'true'], check=True)",
    "never parses": "def f(:",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_attack_fails_that_item_and_nothing_else(sandbox: Sandbox, name: str) -> None:
    assert not passed(attack(sandbox, ATTACKS[name]))


def test_write_outside_the_work_folder_fails_and_leaves_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    os.chmod(tmp_path, 0o777)
    os.chmod(victim, 0o666)
    for source in (
        f"open({str(victim)!r}, 'w').write('yours')",
        f"open({str(tmp_path / 'new')!r}, 'w').write('yours')",
        f"import os; os.remove({str(victim)!r})",
        f"import os; os.rename({str(victim)!r}, 'here')",
        f"import os; os.mkdir({str(tmp_path / 'folder')!r})",
        "open('/tmp/adhere-was-here', 'w')",
        "open('../adhere-was-here', 'w')",
    ):
        assert not passed(attack(sandbox, source)), source
    assert victim.read_text() == "mine"
    assert os.listdir(tmp_path) == ["victim"]
    assert not Path("/tmp/adhere-was-here").exists()


@pytest.mark.slow
def test_fork_bomb_is_held_by_the_limit_on_processes(walled: Sandbox) -> None:
    for bomb in (
        "import os\nwhile True: os.fork()",
        "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass",
    ):
        assert not passed(attack(walled, bomb))


def test_fork_is_refused_without_walls() -> None:
    with Sandbox(workers=1, isolation="limits") as box:
        run = attack(box, "import os; os.fork()")
        assert run.reports[-1].status == "refused"


def test_thread_bomb_fails(walled: Sandbox) -> None:
    source = "import threading, time\nfor _ in range(1000): threading.Thread(target=time.sleep, args=(9,)).start()"
    assert not passed(attack(walled, source))


def test_nothing_of_the_parents_environment_is_seen(sandbox: Sandbox) -> None:
    source = "import os\ndef f():\n    return sorted(os.environ)"
    (run,) = sandbox.run([Job(source, entry="f", calls=("()",))])
    assert [r.value for r in run.reports] == ["[]"]


def test_no_process_but_its_own_and_no_foreign_file_can_be_seen(walled: Sandbox) -> None:
    source = """
import os
def f():
    seen = [path for path in ('/proc', '/home', '/tmp', '/etc/passwd', '/bin/sh') if os.path.exists(path)]
    return [os.listdir('.'), seen, os.getppid()]
"""
    (run,) = walled.run([Job(source, entry="f", calls=("()",))])
    assert [r.value for r in run.reports] == ["[[], [], 1]"]


def test_killing_everything_by_system_call_reaches_no_one_else(walled: Sandbox) -> None:
    # ctypes goes past the audit hook; only namespaces hold this. Never run it without them.
    attack(walled, "import ctypes, os\nctypes.CDLL(None).kill(-1, 9)\nctypes.CDLL(None).kill(os.getppid(), 9)")
    attack(walled, "import ctypes\nctypes.CDLL(None).kill(0, 9)")


def test_loopback_and_abstract_sockets_lead_nowhere(walled: Sandbox) -> None:
    listener = __import__("socket").socket(__import__("socket").AF_UNIX)
    listener.bind("\0adhere-sandbox-test")
    listener.listen()
    try:
        run = attack(walled, "import socket; socket.socket(socket.AF_UNIX).connect('\\0adhere-sandbox-test')")
    finally:
        listener.close()
    assert run.reports[0].error.startswith("ConnectionRefusedError")


def test_capabilities_and_namespaces_cannot_be_had_again(walled: Sandbox) -> None:
    source = """
import ctypes
def f():
    libc = ctypes.CDLL(None, use_errno=True)
    return [libc.unshare(0x10000000), libc.unshare(0x20000), libc.mount(b'x', b'/work', b'tmpfs', 0, None),
            libc.ptrace(16, 1, 0, 0), libc.setuid(0)]
"""
    (run,) = walled.run([Job(source, entry="f", calls=("()",))])
    assert [r.value for r in run.reports] == ["[-1, -1, -1, -1, -1]"]


PRLIMIT = (
    "import ctypes\nlibc = ctypes.CDLL(None)\nnew = (ctypes.c_ulong * 2)({0}, {0})\nlibc.prlimit(1, {1}, new, None)\n"
)


def test_an_item_that_takes_its_cell_along_twice_is_undecided_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from adhere.problems.sandbox import pool

    real = pool._Cell.put

    def put(cell: pool._Cell, unit: tuple[int, ...], jobs: Sequence[Job]) -> None:
        real(cell, unit, jobs)
        if any("sleep" in jobs[i].answer for i in unit):
            threading.Timer(0.2, cell.process.kill).start()

    monkeypatch.setattr(pool._Cell, "put", put)
    with Sandbox(workers=1) as box:
        assert attack(box, "import time; time.sleep(1)").end == "broke"


def test_a_cell_whose_limits_were_tampered_with_is_replaced(walled: Sandbox) -> None:
    attack(walled, PRLIMIT.format(5, 7))  # RLIMIT_NOFILE of 5: the next fork could not open its pipes


def test_nothing_is_carried_over_from_one_item_to_the_next(sandbox: Sandbox) -> None:
    dirty = """
import builtins, os, random
builtins.len = lambda x: 7
os.environ['A'] = 'b'
open('left', 'w').write('x')
random.random()
"""
    source = "import os, random\ndef f():\n    return [len([]), sorted(os.environ), os.listdir('.'), random.random()]"
    clean = Job(source, entry="f", calls=("()",))
    first, _, second = sandbox.run([clean, Job(dirty, tests=("pass",)), clean])
    assert first.reports == second.reports
    assert (first.reports[0].value or "").startswith("[0, [], [],")


def test_work_folder_can_be_written_up_to_its_size(walled: Sandbox) -> None:
    fill = "for i in range(20): open(str(i), 'wb').write(b'x' * 900_000)"
    assert passed(attack(walled, "open('a', 'w').write('x'); assert open('a').read() == 'x'"))
    assert "No space left" in attack(walled, fill).reports[0].error
    assert not passed(attack(walled, "import os\nfor i in range(5000):\n    os.mkdir('d'); os.chdir('d')"))


def test_sets_of_strings_have_one_order_in_every_cell() -> None:
    job = Job("def f():\n    return list({str(i) for i in range(50)})", entry="f", calls=("()",))
    orders = set()
    for _ in range(3):
        with Sandbox(workers=2) as box:
            orders |= {run.reports[0].value for run in box.run([job] * 8)}
    assert len(orders) == 1


def test_many_threads_may_run_jobs_at_once() -> None:
    results: list[bool] = []
    with Sandbox(workers=2) as box:

        def work() -> None:
            results.extend(good(run) for run in box.run([GOOD] * 20))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [True] * 120


def test_jobs_larger_than_a_pipe_pass_both_ways() -> None:
    padded = Job("#" * 300_000 + "\ndef f():\n    return 'x' * 100_000", entry="f", calls=("()",))
    with Sandbox(workers=1) as box:
        runs = box.run([padded] * 20)
    assert all(len(run.reports[0].value or "") == 100_002 for run in runs)


def test_a_cell_killed_from_outside_is_replaced_and_its_job_done_again() -> None:
    with Sandbox(workers=1) as box:
        job = Job("import time\ntime.sleep(0.5)\ndef f(x):\n    return x + 1", entry="f", calls=("(1,)",))
        (cell,) = box._idle
        timer = threading.Timer(0.2, cell.process.kill)
        timer.start()
        assert [good(run) for run in box.run([job, job])] == [True, True]


def test_the_cells_end_when_their_owner_is_killed(tmp_path: Path) -> None:
    program = (
        "from adhere.problems.sandbox import Job, Sandbox, Limits\n"
        "box = Sandbox(workers=1)\nprint(box._idle[0].folder, flush=True)\n"
        "box.run([Job('while True: pass', limits=Limits(cpu=60, wall=60))])\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    folder = owner.stdout.readline().strip()
    time.sleep(0.3)
    owner.kill()
    owner.wait()
    deadline = time.monotonic() + 10

    def alive() -> list[str]:
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if folder.encode() in entry.read_bytes():
                    found.append(entry.parent.name)
            except OSError:
                continue
        return found

    if sys.platform == "linux":
        while alive() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert alive() == []


def test_a_forged_report_is_not_believed(sandbox: Sandbox) -> None:
    forged = """
import os
os.write(3, b'{"stage": "test", "test": 0, "status": "passed"}\\n{"stage": "end"}\\n')
os._exit(0)
"""
    assert not passed(attack(sandbox, forged))


def test_values_are_plain_data_and_no_method_of_the_item_is_asked() -> None:
    source = """
class Liar(int):
    def __repr__(self): return '42'
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def f(): return Liar(1)
"""
    with Sandbox(workers=1) as box:
        (run,) = box.run([Job(source, entry="f", calls=("()",))])
    assert run.reports[0].status == "error"
    assert "plain data" in run.reports[0].error


def test_limits_that_make_no_sense_are_a_users_mistake() -> None:
    with pytest.raises(UserError, match="greater than 0"):
        Limits(cpu=0)


PLAIN = [
    "def f(x):\n    return sorted(set(x), key=lambda y: -y)[:2]",
    "f = lambda x: [a + b for a, b in zip(x, x[1:])]",
    "def f(x):\n    total = 0\n    for y in x:\n        total += y\n    return {'total': total}",
    "def f(x):\n    assert x\n    if x[3:]:\n        raise ValueError('x')\n    return ','.join(str(y) for y in x)",
]
NOT_PLAIN = [
    "import os",
    "def f(x):\n    return x.__class__",
    "def f(x):\n    return '{0.__class__}'.format(x)",
    "def f(x):\n    return f'{x}'",
    "def f(x):\n    try:\n        g()\n    except: pass",
    "class A: pass",
    "def f(x):\n    str.upper = 3",
    "def f(x):\n    x.append.y = 3",
    "def f(x):\n    global y\n    y = 3",
    "@f\ndef f(x): return x",
    "__builtins__['len'] = 3",
    "def f(x):\n    return open('x')",
    "def f(x):\n    return getattr(x, 'y')",
    "def f(x):\n    return (y for y in x).gi_frame",
    "def f(x):\n    print(x)",
    "def f(x):\n    return type(x)",
    "def f(x):\n    return unknown",
    "async def f(x): pass",
    "def f(x):\n    with x: pass",
    "def f(x):\n    yield x",
    "def f(x):\n    del x[0]",
    "def f(",
    "def f(__x): return __x",
]


def test_only_programs_that_leave_nothing_behind_count_as_plain() -> None:
    from adhere.problems.sandbox.plain import are_plain

    assert [source for source in PLAIN if not are_plain([source])] == []
    assert [source for source in NOT_PLAIN if are_plain([source])] == []
    assert not are_plain([PLAIN[0], "import os"])


def test_sharing_a_process_changes_no_verdict(sandbox: Sandbox) -> None:
    sources = [*PLAIN, *NOT_PLAIN, "def f(x):\n    while True: pass", "def f(x):\n    return [0] * 10**12", PLAIN[0]]
    sources += ["def f(x):\n    return f(x)", "f = 3", PLAIN[1]]
    jobs = [Job(source, entry="f", calls=("([3, 1, 2],)", "([],)"), limits=TIGHT) for source in sources]
    together = sandbox.run(jobs)
    apart = [sandbox.run([job])[0] for job in jobs]
    assert [(run.end, run.reports) for run in together] == [(run.end, run.reports) for run in apart]
    assert together[0].reports[0].value == "[3, 2]"
    assert together[-1].reports[0].value == "[4, 3]"
    assert "cpu" in {run.end for run in together}


def test_plain_programs_do_not_see_each_other() -> None:
    jobs = [
        Job("kept = [1]\nlen = 3\ndef f(x):\n    kept.append(x)\n    return kept", entry="f", calls=("(2,)",)),
        Job("def f(x):\n    return len('ab')", entry="f", calls=("(2,)",)),
        Job("def f(x):\n    return kept", entry="f", calls=("(2,)",)),
    ] * 8
    with Sandbox(workers=1) as box:
        runs = box.run(jobs)
    assert [run.reports[0].value for run in runs] == ["[1, 2]", "2", None] * 8
