"""The latch: a stop that needs neither the ledger nor a free block on the disk.

A file of one page, written once when the charter is founded. A stop is written into it in place and synced, *before*
the ledger is asked; so a full disk, a locked or a torn ledger cannot keep a stop from being on the disk.

Rules
- It holds the highest epoch that a stop has opened. A stop in epoch n opens epoch n + 1, and a resume n + 2: a latch
  above the ledger's epoch therefore means a stop that the ledger has not seen yet, and is honoured.
- It only rises. Resuming does not touch it: the ledger's epoch passes it.
- Missing or unreadable, it counts as a stop.
"""

from __future__ import annotations

import os
from pathlib import Path

from adhere.warden.canonical import Refused

FILE = "latch"
PAGE = 4096
HEAD = b"adhere stop latch 1\n"
NEVER = 2**62
"""What an unreadable latch counts as: above every epoch."""


def _page(epoch: int) -> bytes:
    return (HEAD + f"{epoch:020d}\n".encode()).ljust(PAGE, b"\n")


class Latch:
    """The latch of one charter folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def create(self) -> None:
        """Write the page.

        Raises:
            Refused: it cannot be written.
        """
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(handle, _page(0))
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise Refused("unwritable", f"cannot write {self.path}: {error.strerror}") from error

    def read(self) -> int:
        """The epoch that the last stop opened; 0 where there was none, `NEVER` where it cannot be read."""
        try:
            handle = os.open(self.path, os.O_RDONLY)
            try:
                data = os.pread(handle, PAGE, 0)
            finally:
                os.close(handle)
            if len(data) != PAGE or not data.startswith(HEAD):
                return NEVER
            return int(data[len(HEAD) : len(HEAD) + 20])
        except (OSError, ValueError):
            return NEVER

    def set(self, epoch: int) -> None:
        """Note that a stop has opened `epoch`; on the disk when this returns.

        Raises:
            Refused: it cannot be written.
        """
        if self.read() >= epoch:
            return
        try:
            handle = os.open(self.path, os.O_WRONLY)
            try:
                os.pwrite(handle, _page(epoch), 0)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise Refused("unwritable", f"cannot write {self.path}: {error.strerror}") from error
