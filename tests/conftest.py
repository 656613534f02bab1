"""What every test may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the public data sets that the project measures against and does not carry."""
    if not SHARED.is_dir():
        pytest.skip(f"the data sets are not at {SHARED}")
    return SHARED
