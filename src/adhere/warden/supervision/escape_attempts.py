"""What an escaping agent would try, run as a program from inside the agent's own place.

    python -I -S escape_attempts.py RESULT PLAN

Standard library only. PLAN is JSON: `hidden` (paths that shall not be readable), `network` (none, loopback or all).
RESULT gets one JSON object: each attempt by name, "succeeded" or the kernel's answer. An attempt that succeeds does no
harm: what was mounted or made is undone, nothing is written into kernel settings.
"""

from __future__ import annotations

import ctypes
import glob
import json
import os
import socket
import stat
import sys
from collections.abc import Callable
from typing import Any

MNT_DETACH, MS_REMOUNT, MS_BIND, CLONE_NEWNS = 2, 0x20, 0x1000, 0x20000
SUCCEEDED = "succeeded"


def call(name: str, *arguments: Any) -> None:
    """Call a function of the C library.

    Raises:
        OSError: it failed.
    """
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def open_hidden(paths: list[str]) -> None:
    """Read what is hidden."""
    failure = OSError(2, "nothing readable there")
    for path in paths:
        try:
            if os.path.isdir(path):
                if os.listdir(path):
                    return
            else:
                with open(path, "rb") as file:
                    if file.read(1):
                        return
        except OSError as error:
            failure = error
    raise failure


def look_through_others(paths: list[str]) -> None:
    """Read what is hidden by way of another process's root folder."""
    for process in os.listdir("/proc"):
        if process.isdigit() and int(process) != os.getpid():
            for path in paths:
                try:
                    open_hidden([f"/proc/{process}/root{path}"])
                except OSError:
                    continue
                return
    raise OSError(1, "no process lets it")


def uncover(paths: list[str]) -> None:
    """Unmount what hides."""
    failure = OSError(2, "nothing is hidden")
    for path in paths:
        try:
            call("umount2", os.fsencode(path), MNT_DETACH)
            return
        except OSError as error:
            failure = error
    raise failure


def mount_something() -> None:
    """Mount, and undo it."""
    call("mount", b"none", b"/tmp", b"tmpfs", 0, None)
    call("umount2", b"/tmp", MNT_DETACH)


def change_kernel_settings() -> None:
    """Open a kernel setting for writing; nothing is written."""
    os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))


def leave_the_cgroup() -> None:
    """Move to another cgroup."""
    places = glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)[:1] or ["/sys/fs/cgroup/cgroup.procs"]
    handle = os.open(places[0], os.O_WRONLY)
    try:
        os.write(handle, b"0")
    finally:
        os.close(handle)


def read_a_disk() -> None:
    """Open a block device."""
    for path in glob.glob("/dev/*"):
        if stat.S_ISBLK(os.stat(path).st_mode):
            os.close(os.open(path, os.O_RDONLY))
            return
    raise OSError(2, "none there")


def make_a_device() -> None:
    """Make a device file, and remove it."""
    path = f"/tmp/adhere-device-{os.getpid()}"
    os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, 0))
    os.unlink(path)


def become_root() -> None:
    """Change to the user root."""
    if os.geteuid() == 0:
        raise OSError(1, "is root, which has no capability")
    os.setuid(0)


def hold_a_capability() -> None:
    """Whether the process has a capability, or root could regain one."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        status = dict(line.split(":", 1) for line in file)
    bounding = int(status["CapBnd"], 16) if os.geteuid() == 0 else 0
    if not (int(status["CapEff"], 16) | bounding):
        raise OSError(1, "none")


def gain_privileges() -> None:
    """Whether a program may still give privileges."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        status = dict(line.split(":", 1) for line in file)
    if int(status["NoNewPrivs"]):
        raise OSError(1, "no new privileges")


def reach_the_network() -> None:
    """Find a route to another machine; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect(("192.0.2.1", 9))


def attempts(hidden: list[str], network: str) -> dict[str, Callable[[], None]]:
    """Every attempt by its name."""
    steps: dict[str, Callable[[], None]] = {
        "mount": mount_something,
        "remount a kernel control": lambda: call("mount", b"none", b"/proc/sys", None, MS_REMOUNT | MS_BIND, None),
        "have a mount table of its own": lambda: call("unshare", CLONE_NEWNS),
        "change kernel settings": change_kernel_settings,
        "move to another cgroup": leave_the_cgroup,
        "read a block device": read_a_disk,
        "make a device": make_a_device,
        "become root": become_root,
        "hold a capability": hold_a_capability,
        "gain privileges from a program": gain_privileges,
    }
    if hidden:
        steps = {
            "read what is hidden": lambda: open_hidden(hidden),
            "read what is hidden through another process": lambda: look_through_others(hidden),
            "uncover what is hidden": lambda: uncover(hidden),
            **steps,
        }
    if network != "all":
        steps["reach the network"] = reach_the_network
    return steps


def main(result: str, plan: dict[str, Any]) -> None:
    """Try everything and write what came of it to `result`."""
    answers = {}
    for name, attempt in attempts(plan["hidden"], plan["network"]).items():
        try:
            attempt()
            answers[name] = SUCCEEDED
        except OSError as error:
            answers[name] = error.strerror or str(error)
    with open(result, "w", encoding="utf-8") as file:
        json.dump(answers, file)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
