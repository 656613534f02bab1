"""Logged responses: read with their verdicts, refused where another model wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest

from adhere.core.errors import UserError
from adhere.explain.cases.labels import cases, satisfied
from adhere.explain.collection.logs import read
from adhere.models.load import OpenModel, open_model


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve prompts put to the pocket model by Inspect."""
    from inspect_ai import eval as evaluate

    import adhere.measure._registry  # noqa: F401
    from adhere.measure.adherence.task import adherence

    folder = tmp_path_factory.mktemp("logs")
    evaluate(adherence(per_skill=4, seed=2), model="adhere/pocket", limit=12, log_dir=str(folder), display="none")
    return folder


@pytest.fixture(scope="module")
def opened() -> OpenModel:
    return open_model("pocket")


@pytest.mark.slow
def test_a_log_gives_prompts_answers_and_verdicts(log: Path, opened: OpenModel) -> None:
    logged = read(log, opened, name="adhere/pocket")
    assert logged.checked == "digest", "the answers say which weights wrote them"
    assert len(logged.responses) + sum(logged.left_out.values()) == 12
    for response in logged.responses:
        assert response.prompt.messages[-1][0] == "user"
        assert response.prompt.task in ("describe", "retell", "turn")
        for skill, met in response.verdicts:
            assert met == satisfied(response.prompt.asked(skill), response.text)
    assert cases(logged.responses)


@pytest.mark.slow
def test_the_logged_verdict_counts_not_a_second_opinion(log: Path, opened: OpenModel) -> None:
    response = read(log, opened, name="adhere/pocket").responses[0]
    from dataclasses import replace

    skill, met = response.verdicts[0]
    turned = replace(response, verdicts=((skill, not met),))
    assert next(case for case in cases([turned]) if case.skill == skill).met is not met


@pytest.mark.slow
def test_another_models_log_is_refused_unless_told(log: Path) -> None:
    base = open_model("pocket-base")
    with pytest.raises(UserError, match="--allow-other-model"):
        read(log, base, name="adhere/pocket-base")
    assert read(log, base, name="adhere/pocket-base", other_model=True).responses


@pytest.mark.slow
def test_a_folder_without_logs_and_a_file_that_is_none_are_lines(tmp_path: Path, opened: OpenModel) -> None:
    with pytest.raises(UserError, match="no Inspect logs there"):
        read(tmp_path, opened)
    broken = tmp_path / "x.eval"
    broken.write_text("no")
    with pytest.raises(UserError, match="not an Inspect log"):
        read(broken, opened)
