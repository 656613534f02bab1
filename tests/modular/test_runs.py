"""Grids of trainings: nothing is trained twice, nothing is overwritten, and what was learned is told honestly."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from adhere.core import findings as records
from adhere.core.errors import UserError
from adhere.modular import runs
from adhere.modular.figures import Band, HeatMap, Points, correct_logits, embedding_circles, emergence, phase
from adhere.modular.figures import generalisation as generalisation_figure
from adhere.modular.generalization_odds import Odds, generalised
from adhere.modular.published import QUANTILES, table
from adhere.modular.run_spec import Job, Recipe
from adhere.modular.stored import load


def _grid(**changes: object) -> list[Job]:
    settings: dict[str, object] = {
        "recipe": Recipe(steps=20),
        "rates": (0.0, 0.5),
        "seeds": 2,
        "moduli": (11,),
        "width": 16,
    }
    return runs.grid(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[runs.Finished]]:
    out = tmp_path_factory.mktemp("runs")
    return out, runs.run(_grid(), out)


def test_every_job_of_a_grid_has_a_folder_of_its_own() -> None:
    jobs = _grid(operations=("add", "subtract"), shares=(0.4, 0.8), moduli=(11, 13))
    assert len({job.name for job in jobs}) == len(jobs) == 2 * 2 * 2 * 2 * 2


def test_linear_models_are_not_repeated_for_every_attention_rate() -> None:
    assert len(_grid(kind="alpha")) == 2


def test_a_finished_grid_is_not_trained_again(done: tuple[Path, list[runs.Finished]]) -> None:
    out, first = done
    seen: list[Job] = []
    again = runs.run(_grid(), out, progress=lambda job, _: seen.append(job))
    assert not seen
    assert [one.history for one in again] == [one.history for one in first]


def test_a_larger_grid_trains_only_what_is_missing(done: tuple[Path, list[runs.Finished]]) -> None:
    out, _ = done
    seen: set[str] = set()
    runs.run(_grid(seeds=3, rates=(0.0,)), out, progress=lambda job, _: seen.add(job.name))
    assert seen == {"add-11/alpha-0.000/share-0.80/seed-2"}


def test_other_settings_in_the_same_folder_are_refused(done: tuple[Path, list[runs.Finished]]) -> None:
    with pytest.raises(UserError, match="other settings"):
        runs.run(_grid(recipe=Recipe(steps=20, weight_decay=1.0)), done[0])


@pytest.mark.slow
def test_processes_train_what_one_process_trains(done: tuple[Path, list[runs.Finished]], tmp_path: Path) -> None:
    spread = runs.run(_grid()[:2], tmp_path, workers=2)
    for one, alone in zip(spread, done[1], strict=False):
        assert one.history == alone.history


def test_a_damaged_history_says_what_to_remove(tmp_path: Path) -> None:
    (job,) = _grid(rates=(0.0,), seeds=1)
    (tmp_path / job.name).mkdir(parents=True)
    (tmp_path / job.name / runs.HISTORY).write_text("{")
    with pytest.raises(UserError, match="remove its folder"):
        runs.run([job], tmp_path)


def test_findings_stand_beside_their_value_at_initialisation(done: tuple[Path, list[runs.Finished]]) -> None:
    for one in done[1]:
        assert {finding.what for finding in one.findings} == {
            f"modular.{name}"
            for name in ("accuracy", "gradient_symmetricity", "distance_irrelevance", "circularity", "fve")
        }
        for finding in one.findings:
            assert finding.control is not None
            assert finding.control.what == "at initialisation"
        assert records.read(one.folder / runs.FINDINGS) == list(one.findings)


def test_the_two_distance_irrelevances_are_told_apart(done: tuple[Path, list[runs.Finished]]) -> None:
    logits = [f.subject["logit"] for f in done[1][0].findings if f.what == "modular.distance_irrelevance"]
    assert sorted(map(str, logits)) == ["right answer", "top wrong answer"]


def test_a_saved_network_is_the_one_that_was_examined(done: tuple[Path, list[runs.Finished]]) -> None:
    from adhere.modular.examine import examine

    one = done[1][0]
    network, recipe = load(one.folder / runs.MODEL)
    assert recipe["seed"] == one.job.recipe.seed
    seen = examine(network, one.job.train().numpy())
    (finding,) = (f for f in one.findings if f.what == "modular.gradient_symmetricity")
    assert finding.estimate == seen.gradient_symmetricity.value


def test_the_odds_count_functions_and_single_answers_apart() -> None:
    odds = Odds.of(Job())
    assert odds.held_out == 697
    assert odds.log10_functions == pytest.approx(697 * math.log10(59))
    assert odds.single_answers == 41_123  # 0.2 * 59^2 * 59 = 41,076 before rounding the split
    assert "59^697" in odds.words
    assert "not functions" in odds.words


def test_the_share_that_generalises_has_its_interval_and_the_armchairs_chance() -> None:
    finding = generalised(Job(), 7, 8)
    assert finding.estimate == 7 / 8
    assert finding.interval is not None
    assert finding.interval[0] < 7 / 8 < finding.interval[1]
    assert finding.control is not None
    assert finding.control.estimate == 0.0, "59^-697 is nought in a float"


def test_the_phase_diagram_has_every_training_and_the_authors_band(done: tuple[Path, list[runs.Finished]]) -> None:
    findings = [finding for one in done[1] for finding in one.findings]
    figures = phase(findings)
    assert len(figures) == 2
    for figure in figures:
        (band,) = (series for series in figure.series if isinstance(series, Band))
        dots = [series for series in figure.series if isinstance(series, Points)]
        assert len(band.x) == len(QUANTILES)
        assert sorted(x for series in dots for x in series.x) == [0.0, 0.0, 0.5, 0.5]
    assert phase([]) == ()


def test_figures_of_one_training_have_a_number_for_every_record(done: tuple[Path, list[runs.Finished]]) -> None:
    one = done[1][0]
    loss, _, metrics = emergence(one.history)
    assert [len(series.x) for series in loss.series if not isinstance(series, HeatMap)] == [3, 3]
    assert len(metrics.series) == 5
    network, _ = load(one.folder / runs.MODEL)
    heat = correct_logits(network)
    assert heat is not None
    (series,) = heat.series
    assert isinstance(series, HeatMap)
    assert series.values.shape == (11, 11)
    from adhere.modular.examine import examine

    assert len(embedding_circles(examine(network).circles)) == 4


def test_generalisation_by_share_is_drawn_from_findings_alone() -> None:
    figure = generalisation_figure([generalised(Job(), 3, 4), generalised(Job(recipe=Recipe(share=0.3)), 0, 4)])
    assert figure is not None
    (points,) = figure.series
    assert isinstance(points, Points)
    assert (points.x, points.y) == ((0.8, 0.3), (0.75, 0.0))
    assert generalisation_figure([]) is None


def test_a_released_table_is_read_by_run(tmp_path: Path) -> None:
    path = tmp_path / "1l.csv"
    path.write_text("runid,gradient_sim,distance_irrelevance,circularity\nab,0.9,0.3,0.99\nunfinished,,,\n")
    assert list(table(path)) == ["ab"]
    assert table(path)["ab"].top_wrong == 0.3
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="no column"):
        table(path)


def test_histories_are_plain_json(done: tuple[Path, list[runs.Finished]]) -> None:
    record = json.loads((done[1][0].folder / runs.HISTORY).read_text())
    assert [r["step"] for r in record["records"]] == [0, 10, 20]


def test_the_report_section_draws_every_figure(done: tuple[Path, list[runs.Finished]]) -> None:
    from adhere.report import page
    from adhere.report.sections.modular import section

    made = section(done[1])
    charts = [chart for block in made.blocks if isinstance(block, page.Charts) for chart in block.charts]
    assert len(charts) == 2 + 3 + 1 + 3  # phase; circles, matrix and course of the one verdict there is
    assert all(chart.svg.startswith("<svg") for chart in charts)
    html = page.render("t", "l", [made])
    assert "10^" in html
    assert len(html) < page.LARGEST


def test_what_is_on_disk_is_found_again(done: tuple[Path, list[runs.Finished]]) -> None:
    names = {one.job.name for one in runs.read(done[0])}
    assert {one.job.name for one in done[1]} <= names
