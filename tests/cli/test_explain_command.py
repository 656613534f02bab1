"""`adhere explain`: from sampling to the page, and what a user can get wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adhere.cli.app import app
from adhere.core.errors import UserError
from adhere.core.findings import read

pytestmark = pytest.mark.xdist_group("explain_command")  # one run for all tests of this file

SMALL = [
    "--samples",
    "48",
    "--erased-prompts",
    "6",
    "--processes",
    "1",
    "--positions",
    "prompt,50,eos,mean",
    "--layers",
    "0,3,6",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain") / "run"
    done = CliRunner().invoke(
        app, ["explain", "--skills", "toxicity,json", *SMALL, "--out", str(folder), "--json", str(folder) + ".json"]
    )
    assert done.exit_code == 0, done.output + repr(done.exception)
    return folder


@pytest.mark.slow
def test_every_lens_and_control_leaves_findings(run: Path) -> None:
    found = read(run / "findings.json")
    names = {one.what for one in found}
    assert {
        "probe.auc",
        "probe.general_gap",
        "probe.emergence",
        "probe.specificity",
        "transfer.auc",
        "erasure.dependency",
        "erasure.behaviour",
        "timing.auc",
    } <= names
    assert all(one.subject["model"] == "adhere/pocket" for one in found)
    assert all(one.interval is None or one.interval[0] <= one.interval[1] for one in found)
    controls = {one.control.what for one in found if one.control}
    assert any("untrained" in name for name in controls) or any("n-grams" in name for name in controls)
    assert json.loads(Path(str(run) + ".json").read_text())["findings"]
    aligned = [one for one in found if str(one.subject.get("position", "")).startswith("decision")]
    assert aligned, "toxicity is decided at the first insult"


@pytest.mark.slow
def test_toxicity_is_readable_at_the_insult_and_the_page_says_so(run: Path) -> None:
    found = [one for one in read(run / "findings.json") if one.what == "timing.auc"]
    at = [one for one in found if one.subject.get("position") == "decision" and one.subject["skill"] == "toxicity"]
    assert at
    assert at[0].estimate is not None
    assert at[0].estimate > 0.75, "the insult has just been read"
    page = (run / "report.html").read_text()
    assert "Saved monitors" in page
    assert "are needed: about" in page, "so few answers are no ground for a threshold, and the page says how many are"
    for anchor in ("explain", "decodability", "transfer", "dependency", "timing", "specificity", "behaviour"):
        assert f'id="{anchor}"' in page
    assert "hold against their controls" in page


@pytest.mark.slow
def test_the_same_command_again_asks_and_replays_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import adhere.explain.analyses.behaviour as behaviour
    import adhere.explain.collection.replaying as replaying
    import adhere.explain.collection.sampling as sampling
    import adhere.explain.monitors.monitor_fitting as watching

    before = json.loads((run / "findings.json").read_text())["findings"]

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was done already")

    monkeypatch.setattr(sampling.WorkerAnswers, "__call__", never)
    monkeypatch.setattr(replaying, "replay_piece", never)
    monkeypatch.setattr(behaviour, "answer_erased", never)
    monkeypatch.setattr(watching, "watch_one", never)
    done = CliRunner().invoke(app, ["explain", "--skills", "toxicity,json", *SMALL, "--out", str(run)])
    assert done.exit_code == 0, done.output + repr(done.exception)
    after = json.loads((run / "findings.json").read_text())["findings"]
    same = [(one["what"], one["estimate"]) for one in before]
    assert same == [(one["what"], one["estimate"]) for one in after]


@pytest.mark.slow
def test_another_plan_in_the_same_folder_is_refused(run: Path) -> None:
    done = CliRunner().invoke(app, ["explain", "--skills", "json", *SMALL, "--out", str(run)])
    assert isinstance(done.exception, UserError)
    assert "holds a run with skills" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--skills", "wordcount"], "nearest: word_count"),
        (["--positions", "prompt,start"], "a position is prompt"),
        (["--positions", "120"], "a position is prompt"),
        (["--layers", "a"], "--layers takes numbers"),
        (["--layers", "9"], "layers 0 to 6"),
        (["--probe", "svm"], "no probe is called"),
        (["--logs", "nowhere"], "there is no log at nowhere"),
        (["openai/gpt-5"], "its weights are not on this machine"),
        (["./nowhere"], "there is no file or folder"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], says: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["explain", *arguments, "--out", str(tmp_path / "run")])
    assert isinstance(done.exception, UserError), done.output
    assert says in str(done.exception)
    assert "\n" not in str(done.exception)
