"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# as the command line does, before numpy and torch load: their threads fight over a shared machine's cores
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

PROCESSES = (
    "tests/warden/test_stopping.py",
    "tests/warden/test_self_test.py",
    "tests/warden/test_killed.py",
    "tests/gateway/test_pocket_process.py",
)
"""Files that start, kill and count processes: they run one after another, on one worker."""

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `-n`, a file stays on one worker: its fixtures (an audited model, a charter) are made once."""
    root = Path(__file__).resolve().parents[1]
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            file = item.path.relative_to(root).as_posix()
            item.add_marker(pytest.mark.xdist_group("processes" if file in PROCESSES else file))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the public data sets that the project measures against and does not carry."""
    if not SHARED.is_dir():
        pytest.skip(f"the data sets are not at {SHARED}")
    return SHARED
