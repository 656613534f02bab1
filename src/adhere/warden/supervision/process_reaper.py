"""The keeper: one small process that the agent's processes cannot outlive, run as a program of its own.

It starts the agent, waits, and on the word of the supervisor (or on its silence) leaves nothing alive. It uses the
standard library only, has one thread, and holds no secret. The plan, with the agent's environment in it, comes over
the control channel: a command line is read by every user of the machine.

Rules
- It is the subreaper of everything that descends from the agent: who forks twice, calls setsid and lets his parent die
  becomes the keeper's child, not init's.
- With a cgroup, the agent is in it before its first instruction; `cgroup.kill` reaches every member at once, and the
  kernel says `populated 0` when the last is gone.
- With a PID namespace, the agent's world has its own init; killing that kills everything in it before `wait` returns,
  and the init dies with the keeper (PR_SET_PDEATHSIG).
- Killing is: stop what can be seen from breeding (SIGSTOP), then SIGKILL, then look again, until a look finds
  nothing. The answer lists what was there and whether the emptiness was verified, and how.
- The end of the control channel means that the supervisor is dead: kill everything and leave.

Words on the control channel, one JSON object a line. In: {"do": "term"}, {"do": "kill"}, {"do": "list"}. Out: {"event":
"started" | "failed" | "exited" | "killed" | "listed", ...}.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib.util
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x20000000, 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
MS_REC, MS_PRIVATE, MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x4000, 0x40000, 2, 4, 8
DEADLINE = 10.0
"""Seconds after which an emptiness that could not be verified is reported as such."""
LINUX = sys.platform.startswith("linux")
LONGEST_PLAN = 16 << 20
"""Bytes; an environment is some kilobytes."""


def _beside(name: str) -> Any:
    """A module of this folder; as an isolated program this file cannot import its package."""
    place = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise ImportError(f"{place} is not there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> None:
    if getattr(_libc(), name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def become_subreaper() -> bool:
    """Whether orphaned descendants will become this process's children."""
    if not LINUX:
        return False
    try:
        _call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except OSError:
        return False
    return True


def enter_pid_namespace(pid: bool) -> None:
    """Make the next child the init of a process table of its own (with `pid`), and let it have its own mount table.

    Raises:
        OSError: the kernel does not let this user.
    """
    flags = CLONE_NEWPID if pid else 0
    if os.geteuid() != 0:
        uid, gid = os.geteuid(), os.getegid()
        _call("unshare", flags | CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    elif flags:
        _call("unshare", flags)


def enter_mount_namespace() -> None:
    """Give this process its own mount table; what it mounts is seen by nobody above it.

    Raises:
        OSError: the kernel does not let this user.
    """
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)


def enter_network_namespace(loopback: bool) -> None:
    """Give this process a network table of its own, without a way to any other machine; with `loopback` to itself.

    Raises:
        OSError: the kernel does not let this user.
    """
    _call("unshare", CLONE_NEWNET)
    if not loopback:
        return
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(line, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(line, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))


def hide(paths: list[str]) -> None:
    """Cover folders by an empty one and files by nothing, in this mount table only."""
    for path in paths:
        if os.path.isdir(path):
            _call("mount", b"none", os.fsencode(path), b"tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, b"size=4k,mode=000")
        elif os.path.exists(path):
            _call("mount", b"/dev/null", os.fsencode(path), None, 0x1000, None)


def _write(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def parent_and_state(pid: int) -> tuple[int, str]:
    """Parent and state letter of a process; (0, "") where there is none."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[1]), fields[0]) if len(fields) > 1 else (0, "")


def descendants(of: int) -> list[int]:
    """Every living process below `of`, zombies left out."""
    found, todo = [], [of]
    while todo:
        pid = todo.pop()
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        children = [read(f"/proc/{pid}/task/{task}/children") for task in tasks]
        for child in (int(word) for text in children for word in text.split()):
            todo.append(child)
            if parent_and_state(child)[1] not in ("", "Z", "X"):
                found.append(child)
    return found


def name_of(pid: int) -> str:
    """What a process calls itself, at most 120 characters."""
    line = read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()
    if os.path.basename(__file__) in line and " -I -S " in line:
        return "init of the agent's process namespace"
    return (line or read(f"/proc/{pid}/comm").strip())[:120]


def reap() -> list[tuple[int, int]]:
    """Collect every child that is dead; (pid, status)."""
    dead: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return dead
        if pid == 0:
            return dead
        dead.append((pid, status))


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def populated(cgroup: str) -> bool | None:
    """Whether a cgroup has members below it; None where the kernel does not say."""
    for line in read(f"{cgroup}/cgroup.events").splitlines():
        if line.startswith("populated"):
            return line.split()[1] == "1"
    return None


def empty_cgroup(cgroup: str, deadline: float, collect: Callable[[], object]) -> bool:
    """Kill every member of a cgroup; whether the kernel then said `populated 0`. `collect` reaps the dead."""
    try:
        events = os.open(f"{cgroup}/cgroup.events", os.O_RDONLY)
    except OSError:
        return False
    try:
        poll = select.poll()
        poll.register(events, select.POLLPRI)
        while True:
            try:
                _write(f"{cgroup}/cgroup.kill", "1")
            except OSError:
                return False
            if populated(cgroup) is False:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            poll.poll(min(left, 0.02) * 1000)
            os.pread(events, 256, 0)
            collect()
    finally:
        os.close(events)


def sweep(of: int, deadline: float, collect: Callable[[], object]) -> tuple[bool, int]:
    """Kill every descendant of `of` until a look finds none; (verified, rounds). `collect` reaps the dead."""
    rounds = 0
    while True:
        rounds += 1
        alive = descendants(of)
        if not alive:
            return True, rounds
        for pid in alive:
            _signal(pid, signal.SIGSTOP)
        for pid in alive:
            _signal(pid, signal.SIGKILL)
        collect()
        if time.monotonic() > deadline:
            return False, rounds
        if rounds > 1:
            time.sleep(0.0005)


class Keeper:
    """See the module. `plan` is what the supervisor wants (`supervisor.Plan` as JSON)."""

    def __init__(self, plan: dict[str, Any], control: int) -> None:
        self.plan, self.control = plan, control
        self.main = 0
        self.status: int | None = None
        self.methods: list[str] = []
        self.open: list[str] = []
        """What the kernel did not let the agent's process give up."""
        self.buffer = b""

    def say(self, event: str, **fields: Any) -> None:
        """One line to the supervisor; nobody listening is no error."""
        with contextlib.suppress(OSError):
            os.write(self.control, json.dumps({"event": event, **fields}).encode() + b"\n")

    def start(self) -> None:
        """Start the agent.

        Raises:
            OSError: it cannot be, or not as contained as the plan wants.
        """
        if become_subreaper():
            self.methods.append("subreaper")
        spaces = self.plan["pidns"] or self.plan["hide"] or self.plan["network"] != "all"
        told, tell = os.pipe()
        os.set_inheritable(tell, False)
        if spaces:
            enter_pid_namespace(self.plan["pidns"])
        self.main = os.fork()
        if self.main == 0:
            os.close(told)
            try:
                self._become(tell)
            except BaseException as error:  # nothing may return from here into the keeper's own loop
                with contextlib.suppress(OSError):
                    os.write(tell, json.dumps({"fault": f"{type(error).__name__}: {error}"}).encode() + b"\n")
            os._exit(126)
        os.close(tell)
        said = b""
        while data := os.read(told, 4096):
            said += data
        os.close(told)
        words = [json.loads(line) for line in said.splitlines()]
        self.open = [what for word in words for what in word.get("open", ())]
        if faults := [word["fault"] for word in words if "fault" in word]:
            raise OSError(errno.ECHILD, faults[0])
        if self.plan["cgroup"]:
            self.methods.insert(0, "cgroup")
        if self.plan["pidns"]:
            self.methods.insert(1 if self.plan["cgroup"] else 0, "pid namespace")
        if not self.methods:
            self.methods.append("process group")

    def _become(self, tell: int) -> None:
        """In the child: contained first, then the agent. Returns only by an error."""
        os.setsid()
        if self.plan["cgroup"]:
            _write(f"{self.plan['cgroup']}/cgroup.procs", "0")
        own_mounts = self.plan["pidns"] or self.plan["hide"]
        confinement = _beside("confinement") if LINUX else None
        still_open: list[str] = []
        if self.plan["network"] != "all":
            enter_network_namespace(loopback=self.plan["network"] == "loopback")
        if own_mounts:
            enter_mount_namespace()
        if self.plan["pidns"]:
            _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            _call("mount", b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
            hide(self.plan["hide"])
            if confinement:
                still_open += confinement.seal_mounts()
            agent = os.fork()
            if agent:
                os.close(tell)
                self._init(agent)
        else:
            if LINUX:
                _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            hide(self.plan["hide"])
            if confinement and own_mounts:
                still_open += confinement.seal_mounts()
        if confinement and not own_mounts:
            still_open.append("kernel controls and devices are not sealed: no mount table of its own")
        os.close(self.control)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        user = tuple(self.plan["user"]) if self.plan["user"] else None
        if confinement:
            still_open += confinement.drop_privileges(user)
            if user is not None:  # the change of user cleared it
                _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        elif user is not None:
            os.setgroups([])
            os.setgid(user[1])
            os.setuid(user[0])
        if still_open:
            os.write(tell, json.dumps({"open": still_open}).encode() + b"\n")
        os.execvpe(self.plan["command"][0], self.plan["command"], self.plan["env"])

    def _init(self, agent: int) -> None:
        """Process 1 of the namespace: reap, and end with the agent, which ends everything."""
        os.close(self.control)
        signal.signal(signal.SIGTERM, lambda *_: _signal(agent, signal.SIGTERM))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        while True:
            try:
                pid, status = os.waitpid(-1, 0)
            except InterruptedError:
                continue
            except ChildProcessError:
                os._exit(0)
            if pid == agent:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else 128 - code)

    def everything(self) -> list[int]:
        """Every process that is supervised, as far as it can be seen."""
        if LINUX:
            return descendants(os.getpid())
        return [self.main] if self.main and self.status is None else []

    def kill(self) -> dict[str, Any]:
        """Leave nothing alive; what was there and how its end is known."""
        began = time.monotonic()
        deadline = began + DEADLINE
        there = {pid: name_of(pid) for pid in self.everything()}
        proofs: dict[str, bool] = {}
        rounds = 0
        if "cgroup" in self.methods:
            proofs["cgroup"] = empty_cgroup(self.plan["cgroup"], deadline, self.collect)
        if "pid namespace" in self.methods and self.status is None:
            _signal(self.main, signal.SIGKILL)
        if LINUX and "subreaper" in self.methods:
            proofs["subreaper"], rounds = sweep(os.getpid(), deadline, self.collect)
        elif self.main:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.main, signal.SIGKILL)
            while self.status is None and time.monotonic() < deadline:
                self.collect()
                time.sleep(0.001)
            try:
                os.killpg(self.main, 0)
                proofs["process group"] = False
            except (ProcessLookupError, PermissionError):
                proofs["process group"] = True
        while self.main and self.status is None and time.monotonic() < deadline:
            self.collect()
            if self.status is None:
                time.sleep(0.0002)
        if "pid namespace" in self.methods:
            proofs["pid namespace"] = self.status is not None
        return {
            "processes": [{"pid": pid, "command": command} for pid, command in sorted(there.items())],
            "methods": self.methods,
            "proofs": proofs,
            "rounds": rounds,
            "milliseconds": round((time.monotonic() - began) * 1000, 3),
        }

    def collect(self) -> None:
        """Reap, and note the agent's own end."""
        for pid, status in reap():
            if pid == self.main:
                self.status = os.waitstatus_to_exitcode(status)

    def run(self) -> int:
        """Until the agent is gone or the supervisor wants it gone."""
        wake, woken = os.pipe()
        for handle in (wake, woken):
            os.set_blocking(handle, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            self.start()
        except OSError as error:
            self.kill()
            self.say("failed", text=str(error))
            return 1
        if LINUX:
            _beside("confinement").forbid_inspection()
        self.say("started", pid=self.main, methods=self.methods, open=self.open)
        while True:
            self.collect()
            if self.status is not None:
                left = self.kill()
                self.say("exited", status=self.status, **left)
                return 0
            ready, _, _ = select.select([wake, self.control], [], [], 1.0)
            if wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake, 4096)
            if self.control in ready and not self.obey():
                return 0

    def obey(self) -> bool:
        """Do what came over the channel; whether to go on."""
        try:
            data = os.read(self.control, 4096)
        except OSError:
            data = b""
        if not data:
            self.kill()
            if self.plan["cgroup"]:
                with contextlib.suppress(OSError):
                    os.rmdir(self.plan["cgroup"])
            return False
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            word = json.loads(line)["do"]
            if word == "term":
                for pid in self.everything():
                    _signal(pid, signal.SIGTERM)
            elif word == "list":
                self.say("listed", processes=[{"pid": p, "command": name_of(p)} for p in self.everything()])
            elif word == "kill":
                self.say("killed", **self.kill())
                return False
        return True


def probe(pid: bool) -> int:
    """Exit status 0 where namespaces can be had."""
    try:
        enter_pid_namespace(pid)
        child = os.fork()
        if child == 0:
            try:
                enter_mount_namespace()
                if pid:
                    _call("mount", b"proc", b"/proc", b"proc", 0, None)
                os._exit(0)
            except OSError:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except OSError:
        return 1


def read_plan(control: int) -> dict[str, Any]:
    """The plan: the first line on the control channel.

    Raises:
        ValueError: the channel ended before it, or it is no JSON object.
    """
    line = bytearray()
    while not line.endswith(b"\n"):  # the supervisor says nothing more before it is answered
        data = os.read(control, 65536)
        line += data
        if not data or len(line) > LONGEST_PLAN:
            raise ValueError("no plan came over the control channel")
    plan: dict[str, Any] = json.loads(line)
    return plan


if __name__ == "__main__":
    if sys.argv[1] == "--probe":
        sys.exit(probe(pid=sys.argv[2] == "pid"))
    channel = int(sys.argv[1])
    os._exit(Keeper(read_plan(channel), channel).run())
