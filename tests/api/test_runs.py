"""A run carries on from its own folder and from nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adhere.api.runs import Interrupted, resumable
from adhere.core.errors import UserError


def test_a_run_that_another_user_planted_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    (planted / "findings.json").write_text("{}")
    link = tmp_path / "link"
    link.symlink_to(planted)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    for folder in (planted, link):
        with pytest.raises(UserError, match="another user"), resumable(folder):
            pytest.fail("it was used")


def test_own_new_and_empty_folders_are_used_and_an_interruption_names_them(tmp_path: Path) -> None:
    with resumable(tmp_path), resumable(tmp_path / "new"):
        pass
    with pytest.raises(Interrupted, match="what was done is in"), resumable(tmp_path):
        raise KeyboardInterrupt
