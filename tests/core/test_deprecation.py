"""A renamed name works for one more minor version and warns; then it must be gone."""

from __future__ import annotations

import pytest

import adhere
from adhere.core.deprecation import is_due


def test_an_old_name_works_and_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(adhere._RENAMED, "verify", ("check", "9.0"))
    with pytest.warns(
        DeprecationWarning, match=r"adhere\.verify is now adhere\.check; the old name is removed in 9\.0"
    ):
        assert adhere.verify is adhere.check


def test_what_is_to_be_removed_by_now_is_gone() -> None:
    late = [name for name, (_, removed_in) in adhere._RENAMED.items() if is_due(removed_in, adhere.__version__)]
    assert not late


def test_versions_compare_as_numbers() -> None:
    assert is_due("0.9", "0.10.0")
    assert not is_due("0.10", "0.9.3")
