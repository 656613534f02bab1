"""Two audits in one process: neither sees the other's progress, samples or callbacks."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

import adhere
from adhere.api.audit import Audit
from adhere.core.errors import UserError


def _run(folder: Path, limit: int, counts: Counter[str]) -> Audit:
    def tell(what: str, finished: int, total: int | None) -> None:
        del total
        counts[what] += finished

    return adhere.audit("pocket", per_skill=4, limit=limit, out=folder, progress=tell)


def test_audits_in_two_threads_count_their_own_answers_alone(tmp_path: Path) -> None:
    sizes = {"a": 3, "b": 7}
    counts = {name: Counter[str]() for name in sizes}
    runs: dict[str, Audit] = {}
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            runs[name] = _run(tmp_path / name, sizes[name], counts[name])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert not errors
    for name, size in sizes.items():
        assert counts[name]["adherence"] == size
        assert len(runs[name].measured.run.kept) == size


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return adhere.audit("pocket", per_skill=4, limit=5, out=tmp_path_factory.mktemp("run"))


def test_an_audit_is_a_table_a_page_and_a_notebook_cell(audit: Audit, tmp_path: Path) -> None:
    table = audit.to_pandas()
    assert len(table) == len(audit.findings)
    assert {"what", "estimate", "low", "high", "n", "model"} <= set(table.columns)
    page = audit.report(tmp_path / "page.html").read_text()
    assert "Does adhere/pocket do what it is told?" in page
    assert "adherence.prompt.strict" in audit._repr_html_()
    assert all(finding.recompute.startswith("adhere audit pocket") for finding in audit.findings)


def test_a_result_cannot_be_changed(audit: Audit) -> None:
    with pytest.raises(AttributeError):
        audit.task_set = "other"  # type: ignore[misc]


def test_the_same_call_asks_nothing_again(audit: Audit) -> None:
    counts: Counter[str] = Counter()
    again = _run(audit.folder, 5, counts)
    assert counts["adherence"] == 0
    assert [Path(log).name for log in again.measured.logs] == [Path(log).name for log in audit.measured.logs]


def test_an_unknown_part_is_refused_before_a_model_is_opened() -> None:
    with pytest.raises(UserError, match="no part 'explian'; there are: sustain, explain, modular"):
        adhere.audit("no-such-model", also=["explian"])
