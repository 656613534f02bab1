"""A real PostgreSQL server of the tests' own: started in a scratch folder, killed, started again."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

BINARIES = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(path.split("/")[-2]))
REASON = "no PostgreSQL server is installed here"


class Server:
    """One server on a free port of this machine, with `fsync` on."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run("initdb", "-D", str(self.data), "-A", "trust", "-U", "adhere", "-E", "UTF8", "--no-locale", "-N")

    def _run(self, name: str, *words: str) -> None:
        # PostgreSQL refuses to run as root
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run(
            [*user, f"{BINARIES[-1]}/{name}", *words], check=True, stdout=subprocess.DEVNULL, cwd=self.folder
        )

    def start(self) -> None:
        settings = "-c listen_addresses=127.0.0.1 -c shared_buffers=16MB -c recovery_init_sync_method=syncfs"
        options = f"-k '' -p {self.port} {settings}"
        log = str(self.folder / "log")
        try:
            self._run("pg_ctl", "-D", str(self.data), "-o", options, "-l", log, "-w", "-t", "60", "start")
        except subprocess.CalledProcessError:
            pytest.fail((self.folder / "log").read_text()[-2000:])

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")

    @property
    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def backends(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(child) for child in children]

    def kill(self) -> None:
        """kill -9, the server and everything it started."""
        pids = [self.pid, *self.backends()]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(_lives(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.01)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def url(self, schema: str = "") -> str:
        search = f"?options=-csearch_path%3D{schema}" if schema else ""
        return f"postgresql://adhere@127.0.0.1:{self.port}/postgres{search}"


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory):
    if not BINARIES or (os.geteuid() == 0 and shutil.which("runuser") is None):
        pytest.skip(REASON)
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp(prefix="adhere-pg-"))  # the path of a socket is short
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server = Server(folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)
