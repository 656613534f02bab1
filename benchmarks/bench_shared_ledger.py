"""A ledger in PostgreSQL beside one in SQLite: appends a second, and how long a stop takes to reach a replica.

A server is started in a scratch folder. The stop's time is from the call that submits it until the other replica's stop
signal is thrown, each `n` times: woken by NOTIFY, and by polling alone (LISTEN is undone).
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path

STOPS = 30
APPENDS = 300


def _quantiles(values: list[float]) -> str:
    ordered = sorted(values)
    return (
        f"median {1000 * statistics.median(ordered):.1f} ms, 95% {1000 * ordered[int(0.95 * len(ordered))]:.1f} ms, "
        f"worst {1000 * ordered[-1]:.1f} ms (n={len(ordered)})"
    )


def _appends(ledger: object) -> float:
    began = time.perf_counter()
    for number in range(APPENDS):
        ledger.append("note", {"number": number}, 1.0)  # type: ignore[attr-defined]
    return APPENDS / (time.perf_counter() - began)


def _stop_times(folder: Path, keys: object, *, listening: bool) -> list[float]:
    from adhere.gateway.governance.stop_signal import StopSignal
    from adhere.warden.engine.warden import Warden

    times = []
    with Warden.open(folder, instance="one") as one, Warden.open(folder, instance="other") as other:
        thrown = StopSignal(other)
        if not listening:
            thrown._ledger.store._channel = "nothing"  # type: ignore[attr-defined]
            thrown._ledger.store._listening = False  # type: ignore[attr-defined]
        for number in range(STOPS):
            time.sleep(0.1 + 0.007 * number)  # any moment of a polling interval
            stop = keys.sealed(one, "stop", "owner", text="bench")  # type: ignore[attr-defined]
            began = time.perf_counter()
            one.submit(stop)
            while thrown.stopped() is None:
                time.sleep(0.0005)
            times.append(time.perf_counter() - began)
            from adhere.warden.supervision import running

            running.finish_stop(one)
            one.submit(keys.sealed(one, "resume", "owner", "deputy"))  # type: ignore[attr-defined]
            until = time.perf_counter() + 5
            while thrown.stopped() is not None and time.perf_counter() < until:
                time.sleep(0.005)
        thrown.close()
    return times


def main() -> None:
    from tests.gateway import charters
    from tests.warden.postgres import Server

    from adhere.warden.engine import shared_ledger
    from adhere.warden.ledger.ledger import Ledger
    from adhere.warden.ledger.store import Location

    folder = Path(tempfile.mkdtemp(prefix="adhere-bench-"))
    home = Path(tempfile.mkdtemp(prefix="adhere-pg-"))
    shutil.chown(home, "postgres")
    server = Server(home)
    server.start()
    try:
        keys = charters.found(folder / "charter")
        ledger = Ledger.of(folder / "charter")
        print(f"SQLite      {_appends(ledger):8.0f} appends/s, each synced")
        ledger.close()
        shared_ledger.move(folder / "charter", Location(server.url()), time.time)
        ledger = Ledger.of(folder / "charter")
        print(f"PostgreSQL  {_appends(ledger):8.0f} appends/s, each synced")
        ledger.close()
        for name, listening in (("NOTIFY", True), ("polling", False)):
            times = _stop_times(folder / "charter", keys, listening=listening)
            print(f"stop seen by another replica, {name}: {_quantiles(times)}")
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
