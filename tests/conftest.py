"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# as the command line does, before numpy and torch load: their threads fight over a shared machine's cores
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the public data sets that the project measures against and does not carry."""
    if not SHARED.is_dir():
        pytest.skip(f"the data sets are not at {SHARED}")
    return SHARED
