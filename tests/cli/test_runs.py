"""The run of a command: which folder it finds again, and what is said when it is interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from adhere.api.runs import Interrupted, folder_of
from adhere.cli.runs import resumable


def test_the_same_plan_finds_its_folder_again_and_another_never() -> None:
    assert folder_of("pocket", (60, 0)) == folder_of("pocket", (60, 0))
    folders = {folder_of("pocket", (60, 0)), folder_of("pocket", (60, 1)), folder_of("pocket", (60, 0), "sustain")}
    assert len(folders) == 3


@pytest.mark.parametrize("model", ["../models/mine/", "openai/gpt-5", ".", "my model"])
def test_a_model_of_any_name_has_one_folder_under_runs(model: str) -> None:
    folder = folder_of(model, None)
    assert folder.parent == Path("runs")
    assert " " not in folder.name


def test_an_interruption_says_where_the_work_lies_and_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, resumable():
        raise Interrupted(tmp_path)
    assert ended.value.exit_code == 130
    said = capsys.readouterr().err
    assert f"--out {tmp_path}" in said
    assert len(said.splitlines()) == 1
