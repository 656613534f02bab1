"""Which process a number names: a number is given away again, a beginning is not."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path


def started(pid: int) -> str:
    """When process `pid` began, in the kernel's words; empty where there is no such process.

    A number that was given to a new process in the meantime has another beginning.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"


def home(file: Path) -> str:
    """The name of this very file on this very machine; a copy of it has another one.

    From the machine's id and the file's inode, which copying, restoring and cloning change and moving does not.
    """
    machine = ""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            machine = Path(path).read_text(encoding="ascii").strip()
            break
        except OSError:
            continue
    if not machine:
        machine = f"{uuid.getnode():012x}"
    return hashlib.sha256(f"adhere home {machine} {file.stat().st_ino}".encode()).hexdigest()[:32]
