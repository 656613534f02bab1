"""A monitor's threshold keeps its promise, its figures come of prompts it never saw, and it says what it needs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from tiny import tiny

from adhere.core.errors import UserError
from adhere.explain.monitors.monitor_evaluation import MonitorTrial, findings, trial
from adhere.explain.monitors.monitoring import Answers, _window, conformal, fit
from adhere.models.forward.tokenmap import TokenMap
from adhere.models.generation.generate import Request, Sampling, generate
from adhere.models.load import OpenModel
from adhere.models.serving.probe_monitor import SavedMonitor


def _requests(model: OpenModel, n: int, first: int = 0) -> list[Request]:
    """Prompts that end in one of two marks; sampled answers of twelve tokens."""
    return [
        Request(
            tuple(model.encode(f"Item {first + k} {'!' if k % 2 else '?'}")),
            Sampling(max_tokens=12, temperature=1.0, seed=first + k),
        )
        for k in range(n)
    ]


def _failed(requests: list[Request]) -> np.ndarray:
    """Failing is decided by the prompt's mark: a model that reads its prompt knows before it writes."""
    mark = tiny().encode("!")[0]
    return np.array([request.tokens[-1] == mark for request in requests])


@pytest.fixture(scope="module")
def fitted() -> SavedMonitor:
    model = tiny()
    requests = _requests(model, 240)
    answers = generate(model, requests)
    maps = tuple(
        TokenMap((*r.tokens, *a.tokens), len(r.tokens), a.reason == "end")
        for r, a in zip(requests, answers, strict=True)
    )
    return fit(model, "json", Answers(maps, _failed(requests), np.arange(240)), false_alarm=0.1)


def test_what_the_model_knows_beforehand_is_caught_before_it_writes(fitted: SavedMonitor) -> None:
    assert fitted.checks[0] == 0
    assert fitted.auc > 0.95
    assert fitted.auc_low <= fitted.auc <= fitted.auc_high
    model = tiny()
    assert fitted.digest == model.digest
    requests = _requests(model, 100, 1000)
    wrong = _failed(requests)
    done = trial(model, fitted, requests, lambda k, _text: bool(wrong[k]), rounds=1)
    assert done.recall[0] > 0.8
    assert done.recall[2] == 50
    assert done.false_alarms[0] < 0.25  # 0.1 promised, of 50
    assert done.saved_of_failures()[0] > 0.7
    assert done.saved()[0] < done.saved_of_failures()[0]


def test_labels_that_mean_nothing_give_a_monitor_that_knows_nothing_and_keeps_its_false_alarms() -> None:
    model = tiny()
    requests = _requests(model, 300)
    answers = generate(model, requests)
    maps = tuple(
        TokenMap((*r.tokens, *a.tokens), len(r.tokens), a.reason == "end")
        for r, a in zip(requests, answers, strict=True)
    )
    chance = np.random.default_rng(5).random(300) < 0.5
    monitor = fit(model, "json", Answers(maps, chance, np.arange(300)), false_alarm=0.1, layers=(1,))
    assert monitor.auc_low < 0.5 < monitor.auc_high
    done = trial(model, monitor, _requests(model, 200, 5000), lambda k, _text: k % 2 == 0, rounds=1)
    assert done.false_alarms[1][0] < 0.1 < done.false_alarms[1][1] + 0.1
    assert abs(done.recall[0] - done.false_alarms[0]) < 0.15


def test_the_threshold_keeps_its_promise_on_average() -> None:
    random = np.random.default_rng(0)
    rates = []
    for _ in range(2000):
        values = random.standard_normal(41)
        rates.append(values[40] > conformal(values[:40], 0.1))
    assert np.mean(rates) <= 0.1 + 3 * (0.1 * 0.9 / 2000) ** 0.5
    assert np.mean(rates) >= 0.05


def test_a_threshold_is_an_order_statistic_and_too_few_cannot_set_one() -> None:
    assert conformal(np.arange(19.0), 0.05) == 18
    assert conformal(np.arange(39.0), 0.05) == 37
    with pytest.raises(UserError, match="it takes 19"):
        conformal(np.arange(18.0), 0.05)


def test_the_monitor_looks_where_there_is_something_to_see() -> None:
    """Where looks tell nothing they would only take false alarms; of two that tell the same the earlier saves more."""
    random = np.random.default_rng(1)
    failed = np.arange(400) % 2 == 0
    values = random.standard_normal((400, 4))
    values[failed, 2] += 4
    saved, window = _window(values, np.full(400, 20), failed, (0, 4, 8, 12), 0.05)
    assert window.stop == 3
    assert window.start in (1, 2)
    assert saved > 0.9 * 200 * 12
    values[failed] += 4
    assert _window(values, np.full(400, 20), failed, (0, 4, 8, 12), 0.05)[1].start == 0


def test_too_few_answers_of_a_class_say_how_many_it_takes() -> None:
    maps = tuple(TokenMap((3, 4, 5, 6), 2, False) for _ in range(60))
    with pytest.raises(UserError, match=r"json: 0 answers that fail in one part, 20 are needed: about \d+ answers"):
        fit(tiny(), "json", Answers(maps, np.zeros(60, bool), np.arange(60)))


def test_tokens_saved_are_counted_from_the_alarm(fitted: SavedMonitor) -> None:
    done = MonitorTrial(
        fitted, np.array([True, True, False, False]), np.array([4, -1, 10, -1]), np.array([20, 10, 10, 40]), (0.01,)
    )
    assert done.recall[0] == 0.5
    assert done.false_alarms[0] == 0.5
    assert done.saved()[0] == pytest.approx(16 / 80)
    assert done.saved_of_failures()[0] == pytest.approx(16 / 30)


def test_findings_have_their_names_and_leave_out_what_was_not_seen(fitted: SavedMonitor) -> None:
    done = MonitorTrial(fitted, np.array([False, False]), np.array([-1, 3]), np.array([5, 5]), (0.02, 0.01, 0.03))
    made = findings(done)
    assert [one.what for one in made] == [
        "monitor.auc",
        "monitor.overhead",
        "monitor.false_alarm",
        "monitor.tokens_saved",
    ]
    assert made[1].estimate == 0.02
