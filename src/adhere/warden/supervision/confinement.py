"""What the agent's process gives up before its first instruction. Run as a part of the process reaper, as a program.

Standard library only; Linux; every step is a documented system call through `prctl` and `mount`.

Rules
- Kernel settings, cgroup files and devices are sealed in the agent's own mount table: `/proc/sys`, `/sys` and other
  kernel controls become read-only, and `/dev` holds the harmless devices alone. Root would need no capability to write
  them, since they belong to it.
- Then every capability leaves the bounding set, root's included, and no program can give any back (`no_new_privs`). So
  what was mounted cannot be unmounted, and what was sealed cannot be unsealed.
- A step that the kernel refuses is skipped and named: the caller reports what is open, and never claims what was not
  done. Hiding the charter is not such a step; that fails as a whole.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 24, 28, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECURE_NOROOT_LOCKED = 0b1111
"""SECBIT_NOROOT and SECBIT_NO_SETUID_FIXUP, each with its lock: being root gives no capability."""
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 0x20, 0x1000, 0x4000
LAST_CAPABILITY = 63
CAPABILITY_VERSION_3 = 0x20080522

SEALED = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/sys")
"""Kernel controls that become read-only."""
MASKED = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats")
"""Files that show kernel memory or the keys of others."""
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd", "stdin", "stdout", "stderr")
"""What is left of /dev; links stay links."""
ACCELERATORS = ("nvidia", "dri", "kfd")
"""Beginnings of the names of graphics devices, which are left as well."""


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> None:
    if getattr(_libc(), name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _mount(source: str, target: str, kind: bytes | None, flags: int, data: bytes | None = None) -> None:
    _call("mount", os.fsencode(source), os.fsencode(target), kind, flags, data)


def _read_only(path: str) -> None:
    """Make a folder or file, and what is mounted below it, read-only in this mount table."""
    _mount(path, path, None, MS_BIND | MS_REC)
    below = [path]
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        below += [line.split()[1] for line in mounts if line.split()[1].startswith(path.rstrip("/") + "/")]
    for place in dict.fromkeys(below):
        for flags in (MS_NOSUID | MS_NODEV | MS_NOEXEC, MS_NOSUID | MS_NODEV, 0):
            with contextlib.suppress(OSError):
                _mount("none", place, None, MS_BIND | MS_REMOUNT | MS_RDONLY | flags)
                break
        else:
            raise OSError(1, f"{place} stays writable")


def _private_devices() -> None:
    """Replace /dev by one that holds `DEVICES` alone."""
    keep = "/dev"
    handles: dict[str, int] = {}
    links: dict[str, str] = {}
    accelerators = [name for name in os.listdir(keep) if name.startswith(ACCELERATORS)]
    for name in (*DEVICES, *accelerators):
        path = f"{keep}/{name}"
        if os.path.islink(path):
            links[name] = os.readlink(path)
        elif os.path.exists(path):
            handles[name] = os.open(path, os.O_PATH | os.O_CLOEXEC)
    _mount("none", keep, b"tmpfs", MS_NOSUID | MS_NOEXEC, b"size=64k,mode=755")
    for name, target in links.items():
        os.symlink(target, f"{keep}/{name}")
    for name, handle in handles.items():
        path = f"{keep}/{name}"
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            os.mkdir(path)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        _mount(f"/proc/self/fd/{handle}", path, None, MS_BIND | MS_REC)
        os.close(handle)
    _mount("none", keep, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC)


def _mask(path: str) -> None:
    if os.path.exists(path):
        _mount("/dev/null", path, None, MS_BIND)


def seal_mounts() -> list[str]:
    """Seal kernel controls and devices in this process's own mount table; what the kernel refused, in words."""
    steps: list[tuple[str, Callable[[], None]]] = [
        (f"{path} is writable", partial(_read_only, path)) for path in SEALED if os.path.exists(path)
    ]
    steps += [(f"{path} is readable", partial(_mask, path)) for path in MASKED]
    steps.append(("all devices of the machine are in /dev", _private_devices))
    return _try(steps)


def drop_privileges(user: tuple[int, int] | None) -> list[str]:
    """Become `user` (uid, gid), give up every capability for good, and forbid getting any.

    Returns what the kernel refused, in words.

    Raises:
        OSError: this process may not become `user`.
    """
    refused = _try(
        [
            ("programs may give privileges", _forbid_new_privileges),
            ("root's capabilities may be regained", _shrink_bounding_set),
        ]
    )
    if user is not None:
        uid, gid = user
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    return refused + _try([("capabilities are kept", _clear_capabilities)])


def _try(steps: list[tuple[str, Callable[[], None]]]) -> list[str]:
    refused = []
    for what, step in steps:
        try:
            step()
        except OSError as error:
            refused.append(f"{what} ({error.strerror or error})")
    return refused


def _forbid_new_privileges() -> None:
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _shrink_bounding_set() -> None:
    if not _has_capabilities():
        return
    for capability in range(_last_capability() + 1):
        _call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)
    _call("prctl", PR_SET_SECUREBITS, SECURE_NOROOT_LOCKED, 0, 0, 0)


def _clear_capabilities() -> None:
    with contextlib.suppress(OSError):  # kernels before 4.3 have no ambient set
        _call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _call("capset", ctypes.byref(header), ctypes.byref(nothing))


def _has_capabilities() -> bool:
    with open("/proc/self/status", encoding="utf-8") as status:
        return any(line.startswith("CapEff:") and int(line.split()[1], 16) for line in status)


def _last_capability() -> int:
    try:
        with open("/proc/sys/kernel/cap_last_cap", encoding="utf-8") as file:
            return int(file.read())
    except (OSError, ValueError):
        return LAST_CAPABILITY


def forbid_inspection() -> None:
    """Keep processes of the same user from attaching to this one or reading its memory."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            _call("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
