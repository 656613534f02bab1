"""Walls: namespaces in which a process sees no network, no other process and nearly no files (Linux).

`enter(staging)` moves the calling process, and the child it must then fork, into new mount, network, pid, ipc and
uts namespaces inside a user namespace of their own:
- the file tree is an empty, read-only one that holds only Python's library, the system's shared libraries and four
  devices, all read-only, and an empty `/work`;
- every item then has mount and ipc namespaces of its own (`enter_item`) with a fresh `/work`: files, System V objects
  and message queues end with the item, whatever it did to keep them;
- there is no /proc, so no environment, command line or memory of any process can be read through it;
- the network namespace has no interface that is up;
- an item has no capability, and none can be had again (no_new_privs; no further user namespaces).

A privileged caller builds the tree first and then becomes `nobody` (kernel uid 65534): root would not be held by a
limit on processes. Only the standard library, and nothing of adhere, is imported: this file is loaded by path inside
a bare interpreter.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

NOBODY = 65534
# linux/sched.h
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
# linux/mount.h
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID = -100, 0x8000, 0x1, 0x2
# linux/prctl.h
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
SYS_MOUNT_SETATTR = 442  # the same number on every architecture (it is younger than their split)
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
SYS_CAPSET = {"x86_64": 126, "aarch64": 91, "riscv64": 91, "ppc64le": 184, "s390x": 185}
DEVICES = ("null", "zero", "random", "urandom")
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store")
FILES = ("/etc/ld.so.cache", "/usr/share/zoneinfo")


class NoWalls(OSError):
    """This system does not let us build namespaces; the text says which call refused."""


_libc = ctypes.CDLL(None, use_errno=True)


def _call(what: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise NoWalls(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    _call(
        f"mount {target}",
        _libc.mount(
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            data.encode() if data else None,
        ),
    )


def _bind(source: str, root: str) -> None:
    """Show `source` under `root` at its own path, read-only with everything mounted below it."""
    target = root + source
    if os.path.isdir(source):
        Path(target).mkdir(parents=True, exist_ok=True)
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()
    _mount(source, target, None, MS_BIND | MS_REC)
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0, 0, 0)
    _call(
        f"mount_setattr {target}",
        _libc.syscall(
            ctypes.c_long(SYS_MOUNT_SETATTR),
            AT_FDCWD,
            ctypes.c_char_p(target.encode()),
            AT_RECURSIVE,
            ctypes.byref(attributes),
            ctypes.c_size_t(ctypes.sizeof(attributes)),
        ),
    )


def _visible() -> list[str]:
    """What the tree must show for Python and its extension modules to load, outermost first, none inside another."""
    wanted: list[str] = []
    python = [os.path.dirname(os.__file__), *(path for path in sys.path if os.path.isabs(path))]
    library = os.path.join(sys.base_prefix, "lib")
    for path in [*LIBRARIES, library, *python]:
        real = os.path.realpath(path)
        if os.path.isdir(real) and real != "/" and not any(f"{real}/".startswith(f"{w}/") for w in wanted):
            wanted.append(real)
    return [path for path in wanted if not any(path != w and path.startswith(f"{w}/") for w in wanted)]


def _links(root: str) -> None:
    """Repeat the system's own links (/lib -> usr/lib) and the names under which Python knows its library."""
    python = [os.path.dirname(os.__file__), *(path for path in sys.path if os.path.isabs(path))]
    for path in [*LIBRARIES, *python]:
        target = Path(root + path)
        if os.path.exists(path) and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(os.path.realpath(path))


def _build(root: str) -> None:
    """An empty tree at `root`: libraries and devices read-only, an empty `/work` to mount on; it becomes /."""
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    _mount("cell", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for path in _visible():
        _bind(path, root)
    _links(root)
    for path in (*FILES, *(f"/dev/{name}" for name in DEVICES)):
        if os.path.exists(path):
            _bind(path, root)
    work = f"{root}/work"
    os.mkdir(work)
    os.chdir(root)
    machine = os.uname().machine
    if machine not in SYS_PIVOT_ROOT:
        raise NoWalls(f"pivot_root: its number on {machine} is not known here")
    _call("pivot_root", _libc.syscall(ctypes.c_long(SYS_PIVOT_ROOT[machine]), b".", b"."))
    _call("umount2", _libc.umount2(b".", MNT_DETACH))
    os.chdir("/")
    _mount("none", "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def _map_ids(proc: int, uid: int, gid: int) -> None:
    """Show the caller as uid 1000 inside its user namespace: not 0, so that an exec gives no capability back."""
    for name, line in (("setgroups", "deny"), ("uid_map", f"1000 {uid} 1"), ("gid_map", f"1000 {gid} 1")):
        handle = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)
    try:
        handle = os.open("sys/user/max_user_namespaces", os.O_WRONLY, dir_fd=proc)
    except OSError:
        return
    try:
        os.write(handle, b"0")
    finally:
        os.close(handle)


def _unshare(flags: int) -> None:
    _call(f"unshare {flags:#x}", _libc.unshare(ctypes.c_int(flags)))


def enter(staging: str) -> None:
    """Go behind the walls; the caller forks next, and the child is process 1 of the new pid namespace.

    Args:
        staging: an empty folder to build the tree on; it stays empty for everyone outside.

    Raises:
        NoWalls: the system refuses. The process may be half-way in and must end.
    """
    inner = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
    try:
        proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        Path("/proc/self/oom_score_adj").write_text("1000")  # the first to go when memory runs out
        if os.geteuid() == 0:
            _unshare(CLONE_NEWNS)
            _build(staging)
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            # Changing uid hides /proc/self from the process itself; it has to write its own uid_map.
            _call("prctl dumpable", _libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
            _unshare(inner)
            _map_ids(proc, NOBODY, NOBODY)
        else:
            uid, gid = os.geteuid(), os.getegid()
            _unshare(inner | CLONE_NEWNS)
            _map_ids(proc, uid, gid)
            _build(staging)
        os.close(proc)
    except NoWalls:
        raise
    except OSError as error:
        raise NoWalls(error.errno, f"{error.strerror} ({error.filename})") from error


def enter_item(disk: int) -> str:
    """Give the calling process, a fork of the cell, mount and ipc namespaces of its own and a fresh work folder.

    Returns the folder, which holds `disk` bytes at most.

    Raises:
        NoWalls: the system refuses.
    """
    _unshare(CLONE_NEWNS | CLONE_NEWIPC)
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    _mount("work", "/work", "tmpfs", flags, f"size={disk},nr_inodes=4096,mode=777")
    os.chdir("/work")
    return "/work"


def close_memory() -> None:
    """Let no program that this process runs give it rights again, and close its memory to its children (no ptrace)."""
    _call("prctl no_new_privs", _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _call("prctl dumpable", _libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))


def seal() -> None:
    """Give up every capability for good, and close this process's memory to its children."""
    machine = os.uname().machine
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    data = (ctypes.c_uint32 * 6)()
    _call("capset", _libc.syscall(ctypes.c_long(SYS_CAPSET[machine]), ctypes.byref(header), ctypes.byref(data)))
    close_memory()


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that forked it ends."""
    _call("prctl pdeathsig", _libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0))
