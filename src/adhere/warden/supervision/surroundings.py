"""What lies within reach of an agent although nobody gave it: keys of principals, and daemons that start processes.

Rules
- A private key is recognised by its material: a file counts if its public part belongs to a principal of the charter,
  or is the warden's own, whatever the file is called. The search is bounded, and says so where it ended early.
- A door is a socket or spool of a daemon that would start a process outside supervision for whoever asks. Doors that
  exist before the run are found by their well-known places; a daemon elsewhere is not found.
- Both are hidden from the agent where it has a mount table of its own. What stays within reach is named.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from adhere.warden.canonical import Refused
from adhere.warden.charter.charter import Charter
from adhere.warden.charter.keys import fingerprint, load_signer

DEPTH = 3
"""Folders below a starting point that are searched for keys."""
MOST_FILES = 20_000
"""Files that are looked at in all."""
LARGEST_KEY = 16_384
"""Bytes; an RSA key of 8,192 bits has 6,400."""
PASSED_OVER = frozenset((".git", "node_modules", "__pycache__"))

DOORS = {
    "tmux": ("{tmux}/tmux-{uid}/*",),
    "screen": ("/run/screen/S-*/*",),
    "systemd --user": ("/run/user/{uid}/systemd/private", "/run/user/{uid}/bus"),
    "docker": ("/run/docker.sock", "/var/run/docker.sock", "/run/user/{uid}/docker.sock"),
    "podman": ("/run/podman/podman.sock", "/run/user/{uid}/podman/podman.sock"),
    "containerd": ("/run/containerd/containerd.sock", "/run/crio/crio.sock"),
}
"""Sockets of daemons that start processes for whoever may speak to them."""
ROOT_DOORS = {
    "systemd": ("/run/systemd/private", "/run/dbus/system_bus_socket"),
    "cron": ("/var/spool/cron", "/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/crontab"),
    "at": ("/var/spool/at", "/var/spool/atjobs"),
}
"""Doors that are open to root alone: other users reach them only through programs that give privileges."""


@dataclass(frozen=True)
class Door:
    """A way to start a process outside supervision: which daemon, and the path that leads to it."""

    daemon: str
    path: Path

    def __str__(self) -> str:
        return f"{self.daemon} ({self.path})"


@dataclass(frozen=True)
class FoundKeys:
    """Private keys of principals that were found; `complete` is False where the search ended early."""

    paths: tuple[Path, ...]
    complete: bool = True


def private_keys(charter: Charter, places: Sequence[Path], *, without: Sequence[Path] = ()) -> FoundKeys:
    """Private keys of this charter's people, and of its warden, in and below `places`, but for folders in `without`."""
    materials = {fingerprint(principal.key) for principal in charter.principals()}
    passed = {os.path.realpath(path) for path in without}
    found: dict[Path, None] = {}
    looked_at = 0
    for place in dict.fromkeys(os.path.realpath(place) for place in places):
        for path in _small_files(Path(place), passed):
            looked_at += 1
            if looked_at > MOST_FILES:
                return FoundKeys(tuple(found), complete=False)
            if _holds_one_of(path, materials, charter.terms.warden):
                found[path] = None
    return FoundKeys(tuple(found))


def _small_files(place: Path, passed: set[str], depth: int = 0) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                if depth < DEPTH and entry.name not in PASSED_OVER and os.path.realpath(entry.path) not in passed:
                    yield from _small_files(Path(entry.path), passed, depth + 1)
            elif entry.is_file() and entry.stat().st_size <= LARGEST_KEY:
                yield Path(os.path.realpath(entry.path))
        except OSError:
            continue


def _holds_one_of(path: Path, materials: set[str], warden: str) -> bool:
    try:
        if b"PRIVATE KEY-----" not in path.read_bytes():
            return False
        key = load_signer(path).public_key
    except (OSError, Refused):
        return False
    return fingerprint(key) in materials or key.keyval.get("public") == warden


def readable_by(path: Path, user: tuple[int, int] | None) -> bool:
    """Whether an agent that runs as `user` (uid, gid), or as this process's user, may read `path`."""
    if user is None:
        return os.access(path, os.R_OK)
    try:
        status = path.stat()
    except OSError:
        return False
    if user[0] == status.st_uid:
        return True
    group = bool(status.st_mode & stat.S_IRGRP) and user[1] == status.st_gid
    return group or bool(status.st_mode & stat.S_IROTH)


def doors(user: tuple[int, int] | None, *, left_open: Sequence[Path] = ()) -> tuple[list[Door], list[Door]]:
    """The doors that are there for `user`: those to be closed, and those that `left_open` names."""
    uid = os.geteuid() if user is None else user[0]
    tmux = os.environ.get("TMUX_TMPDIR") or "/tmp"
    kinds = {**DOORS, **(ROOT_DOORS if uid == 0 else {})}
    found: dict[str, Door] = {}
    for daemon, patterns in kinds.items():
        for pattern in patterns:
            for path in glob(pattern.format(uid=uid, tmux=tmux)):
                real = os.path.realpath(path)
                found.setdefault(real, Door(daemon, Path(real)))
    kept = {os.path.realpath(path) for path in left_open}
    closed = [door for real, door in found.items() if real not in kept]
    return closed, [door for real, door in found.items() if real in kept]
