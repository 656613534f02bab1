"""The supervisor: where the agent lives, and how its end is verified.

Rules
- The agent runs below a `keeper` process, contained by the strongest means that this machine offers, in this order:
  cgroup v2 (killed and verified by the kernel), a PID namespace (dies with its init), a subreaper (killed until a
  look finds nothing). Where several are there they are used together. Elsewhere (macOS) a process group, which is
  labelled weaker: who leaves the group leaves supervision.
- Supervisor and keeper watch each other: the death of either kills the agent. After the death of both, a PID namespace
  dies by itself; a cgroup or a marked process is found and killed by whoever opens the charter next (`leftovers`).
- The charter's folder is hidden from the agent (its own mount table) where the kernel allows it; running it as
  another user keeps it away from the folder by the file system's permissions. What is in force is in
  `Supervisor.contained`.
- An end is reported with what was there, by which method, and whether the emptiness was verified; never a bare success.
- A subreaper alone is weaker: an agent of the same user can kill the process reaper, and what then lives on is found
  only if it still bears the mark. A reaper that died before it was told to is an alarm, and unless a cgroup or a PID
  namespace says so, nothing is verified to be gone.
- The agent's process gives up capabilities, kernel controls and devices (`confinement`); `Supervisor.open` names what
  the kernel did not let it give up.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from adhere.warden.canonical import Refused
from adhere.warden.supervision import process_reaper

MARK = "ADHERE_RUN"
"""Environment variable that every supervised process inherits; what still bears it after a crash is a leftover."""
BARE = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
"""The process reaper's own environment: what an interpreter may need to start. The agent's comes in the plan."""
METHODS = ("cgroup", "pid namespace", "subreaper", "process group")


NETWORKS = ("none", "loopback", "all")


@dataclass(frozen=True)
class Limits:
    """What a run may use at most, where it has a cgroup: number of processes, and share of the machine's memory."""

    processes: int = 4096
    memory: float = 0.9

    def apply(self, cgroup: Path | None) -> tuple[str, ...]:
        """Set the limits of `cgroup`; what could not be limited, in words."""
        if cgroup is None:
            return ("processes and memory are not limited: no cgroup",)
        with contextlib.suppress(OSError):
            (cgroup.parent / "cgroup.subtree_control").write_text("+pids +memory")
        limits = {"pids.max": self.processes, "memory.max": int(self.memory * _memory_of_machine())}
        unlimited = []
        for name, value in limits.items():
            try:
                (cgroup / name).write_text(str(value))
            except OSError as error:
                unlimited.append(f"{name} is not limited ({error.strerror})")
        return tuple(unlimited)


LIMITS = Limits()


def _memory_of_machine() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@dataclass(frozen=True)
class Killed:
    """An end: what was there, how it was ended, how its emptiness is known.

    `verified` is True where every method says that nothing is left, False where one says otherwise. `weaker`: the
    methods cannot see a process that wants not to be seen.
    """

    processes: tuple[dict[str, Any], ...] = ()
    methods: tuple[str, ...] = ()
    proofs: Mapping[str, bool] = field(default_factory=dict)
    rounds: int = 0
    milliseconds: float = 0.0
    terminated: bool = False
    status: int | None = None

    @property
    def verified(self) -> bool:
        """Whether the emptiness is verified by every method that was used."""
        return bool(self.proofs) and all(self.proofs.values())

    @property
    def weaker(self) -> bool:
        """Whether a process of the agent's could have left supervision: only the kernel's own bounds are not left."""
        return not set(self.methods) & {"cgroup", "pid namespace"}

    @classmethod
    def of(cls, fields: Mapping[str, Any], **more: Any) -> Killed:
        """From the keeper's words."""
        return cls(
            tuple(fields.get("processes", ())),
            tuple(fields.get("methods", ())),
            dict(fields.get("proofs", {})),
            fields.get("rounds", 0),
            fields.get("milliseconds", 0.0),
            status=fields.get("status"),
            **more,
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "verified_empty": self.verified, "weaker": self.weaker}


def cgroup_parent() -> Path | None:
    """A cgroup v2 folder in which this process may make children that can be killed; None where there is none."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
        own = next(
            (line[3:].strip() for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")),
            "/",
        )
    except OSError:
        return None
    for mount in (fields[1] for fields in mounts if fields[2] == "cgroup2"):
        for parent in dict.fromkeys((Path(mount) / own.lstrip("/"), Path(mount))):
            probe = parent / f"adhere-probe-{os.getpid()}-{secrets.token_hex(4)}"
            try:
                probe.mkdir()
            except OSError:
                continue
            try:
                if os.access(probe / "cgroup.kill", os.W_OK) and os.access(parent / "cgroup.procs", os.W_OK):
                    return parent
            finally:
                with contextlib.suppress(OSError):
                    probe.rmdir()
    return None


def has_namespaces(*, pid: bool) -> bool:
    """Whether this user may have a mount (and process) table of his own."""
    if not process_reaper.LINUX:
        return False
    command = [sys.executable, "-I", "-S", process_reaper.__file__, "--probe", "pid" if pid else "mount"]
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


def available() -> dict[str, bool]:
    """Which methods this machine offers to this user."""
    return {
        "cgroup": process_reaper.LINUX and cgroup_parent() is not None,
        "pid namespace": has_namespaces(pid=True),
        "subreaper": process_reaper.LINUX,
        "process group": os.name == "posix",
    }


class Supervisor:
    """One supervised run of a command. Use as a context manager: leaving it leaves nothing alive.

    `methods`: which containment to use; by default everything that is there. `hide`: folders and files that the agent
    shall not see. `user`: (uid, gid) to run as. `env`: the agent's environment. `network`: none, loopback (an own
    network table, in which it may speak to itself) or all. `limits`: how many processes and how much memory.

    Raises:
        Refused: a method or a network of its own that was asked for is not to be had, or the command cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        methods: Sequence[str] | None = None,
        hide: Sequence[Path] = (),
        user: tuple[int, int] | None = None,
        env: Mapping[str, str] | None = None,
        network: str = "all",
        limits: Limits = LIMITS,
    ) -> None:
        if network not in NETWORKS:
            raise Refused("network", f"no network {network!r}; there are: {', '.join(NETWORKS)}")
        if os.name != "posix":
            raise Refused("platform", "supervision needs Linux or macOS; on Windows run it inside WSL")
        if not command:
            raise Refused("command", "no command to run: adhere warden run -- COMMAND")
        self.run_id = secrets.token_hex(8)
        self.wanted = tuple(methods) if methods is not None else None
        self._check_methods()
        self.cgroup: Path | None = self._make_cgroup()
        self.unlimited = limits.apply(self.cgroup)
        """What is not limited, in words."""
        pidns = self._wants("pid namespace") and has_namespaces(pid=True)
        if self.wanted and "pid namespace" in self.wanted and not pidns:
            self._drop_cgroup()
            raise Refused("supervision", "this machine gives this user no PID namespace")
        hidden = [str(Path(path).resolve()) for path in hide]
        self.hides = bool(hidden) and (pidns or has_namespaces(pid=False))
        self.plan: dict[str, Any] = {
            "command": list(command),
            "cgroup": str(self.cgroup) if self.cgroup else "",
            "pidns": pidns,
            "hide": hidden if self.hides else [],
            "user": list(user) if user else None,
            "network": network,
            "env": {**(os.environ if env is None else env), MARK: self.run_id},
        }
        self.contained: tuple[str, ...] = ()
        self.open: tuple[str, ...] = ()
        """What the kernel did not let the agent's process give up, in words; known once it has started."""
        self.pid = 0
        self.ended: Killed | None = None
        self._buffer = b""
        self._keeper: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def _check_methods(self) -> None:
        unknown = sorted(set(self.wanted or ()) - set(METHODS))
        if unknown:
            raise Refused("supervision", f"no method {unknown[0]!r}; there are: {', '.join(METHODS)}")

    def _wants(self, method: str) -> bool:
        return self.wanted is None or method in self.wanted

    def _make_cgroup(self) -> Path | None:
        if not self._wants("cgroup"):
            return None
        parent = cgroup_parent()
        if parent is None:
            if self.wanted:
                raise Refused("supervision", "this machine gives this user no cgroup v2 that it may write")
            return None
        folder = parent / f"adhere-{self.run_id}"
        folder.mkdir()
        return folder

    def _drop_cgroup(self) -> None:
        if self.cgroup is not None:
            with contextlib.suppress(OSError):
                self.cgroup.rmdir()

    def abandon(self) -> None:
        """Give up a run that was not started."""
        self._drop_cgroup()

    def start(self) -> None:
        """Start the agent; returns when it runs.

        Raises:
            Refused: it does not.
        """
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-S", process_reaper.__file__, str(theirs.fileno())]
        self._keeper = subprocess.Popen(command, pass_fds=(theirs.fileno(),), start_new_session=True, env=BARE)
        theirs.close()
        self._channel = ours
        with contextlib.suppress(OSError):  # a reaper that is dead already is found below
            ours.sendall(json.dumps(self.plan).encode() + b"\n")
        event = self._next(30.0)
        if event is None or event["event"] != "started":
            text = event["text"] if event else "the keeper died"
            self._bury()
            raise Refused("supervision", f"cannot start {self.plan['command'][0]}: {text}"[:500])
        self.pid, self.contained = event["pid"], tuple(event["methods"])
        self.open = (*event.get("open", ()), *self.unlimited)

    def record(self) -> dict[str, Any]:
        """What a later process needs to find leftovers of this run."""
        return {
            "run": self.run_id,
            "supervisor": os.getpid(),
            "cgroup": str(self.cgroup) if self.cgroup else "",
            "methods": list(self.contained),
            "hidden": self.hides,
        }

    def _next(self, seconds: float) -> dict[str, Any] | None:
        """The keeper's next word; None at its end or when the time is over."""
        assert self._channel is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            if not select.select([self._channel], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            try:
                data = self._channel.recv(65536)
            except OSError:
                data = b""
            if not data:
                return {"event": "gone"}
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        found: dict[str, Any] = json.loads(line)
        return found

    def fileno(self) -> int:
        """The channel, for `select`: readable when the agent has ended."""
        assert self._channel is not None
        return self._channel.fileno()

    def poll(self, seconds: float = 0.0) -> Killed | None:
        """The agent's end, if it has come; waits at most `seconds`."""
        if self.ended is None:
            event = self._next(seconds)
            if event is not None and event["event"] == "exited":
                self._finish(Killed.of(event))
            elif event is not None and event["event"] == "gone":
                self._finish(self._without_keeper())
        return self.ended

    def processes(self) -> list[dict[str, Any]]:
        """What is alive under supervision now."""
        if self.ended is not None or not self._say("list"):
            return []
        event = self._next(10.0)
        return list(event.get("processes", ())) if event else []

    def kill(self, grace: float = 0.0) -> Killed:
        """End the agent: with `grace` seconds after SIGTERM, then without asking. Returns what was verified."""
        if self.ended is not None:
            return self.ended
        terminated = False
        if grace > 0 and self._say("term"):
            terminated = True
            if self.poll(grace) is not None:
                assert self.ended is not None
                return self.ended
        event = None
        if self._say("kill"):
            event = self._next(process_reaper.DEADLINE + 10)
        if event is not None and event["event"] in ("killed", "exited"):
            return self._finish(Killed.of(event, terminated=terminated))
        return self._finish(self._without_keeper())

    def _say(self, word: str) -> bool:
        assert self._channel is not None
        try:
            self._channel.sendall(json.dumps({"do": word}).encode() + b"\n")
        except OSError:
            return False
        return True

    def _without_keeper(self) -> Killed:
        """The keeper is dead or deaf: end the run from here."""
        assert self._keeper is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._keeper.pid, signal.SIGKILL)
        self._keeper.wait()
        return leftovers(self.record())

    def _finish(self, ended: Killed) -> Killed:
        self.ended = ended
        self._bury()
        return ended

    def _bury(self) -> None:
        if self._keeper is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._keeper.wait(timeout=10)
            if self._keeper.returncode is None:
                self._keeper.kill()
                self._keeper.wait()
        if self._channel is not None:
            self._channel.close()
        self._drop_cgroup()

    def __enter__(self) -> Supervisor:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def marked(run: str) -> list[int]:
    """Living processes that bear the mark of `run`, as far as this user may look."""
    found = []
    wanted = f"{MARK}={run}".encode()
    for name in os.listdir("/proc") if process_reaper.LINUX else ():
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            data = Path(f"/proc/{name}/environ").read_bytes()
        except OSError:
            continue
        if wanted in data.split(b"\0") and process_reaper.parent_and_state(int(name))[1] not in ("", "Z", "X"):
            found.append(int(name))
    return found


def leftovers(record: Mapping[str, Any]) -> Killed:
    """Kill what is left of a run whose supervisor or keeper died: its cgroup, and whatever bears its mark."""
    began = time.monotonic()
    deadline = began + process_reaper.DEADLINE
    proofs: dict[str, bool] = {}
    methods = []
    there: dict[int, str] = {}
    contained = set(record.get("methods", ()))
    if "pid namespace" in contained:  # its init dies with the reaper, and all within with it
        methods.append("pid namespace")
        proofs["pid namespace"] = True
    elif contained and "cgroup" not in contained:
        proofs["process reaper"] = False
    cgroup = record.get("cgroup", "")
    if cgroup:
        methods.append("cgroup")
        if os.path.isdir(cgroup):
            members = process_reaper.read(f"{cgroup}/cgroup.procs").split()
            there |= {int(pid): process_reaper.name_of(int(pid)) for pid in members}
            proofs["cgroup"] = process_reaper.empty_cgroup(cgroup, deadline, process_reaper.reap)
            with contextlib.suppress(OSError):
                os.rmdir(cgroup)
        else:
            proofs["cgroup"] = True
    methods.append("mark")
    rounds = 0
    while True:
        rounds += 1
        alive = marked(record["run"])
        if not alive:
            proofs["mark"] = True
            break
        there |= {pid: process_reaper.name_of(pid) for pid in alive}
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in alive:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
        if time.monotonic() > deadline:
            proofs["mark"] = False
            break
        time.sleep(0.001)
    processes = tuple({"pid": pid, "command": command} for pid, command in sorted(there.items()))
    return Killed(processes, tuple(methods), proofs, rounds, round((time.monotonic() - began) * 1000, 3))
