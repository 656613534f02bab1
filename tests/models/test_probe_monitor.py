"""A saved monitor reads at run time what it was fitted on, stops whom it should, and refuses other models."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from tiny import FAMILIES, tiny

from adhere.core.errors import UserError
from adhere.models.forward.capture import CapturePlan, capture
from adhere.models.forward.tokenmap import TokenMap
from adhere.models.generation.generate import Request, Sampling, generate
from adhere.models.load import OpenModel
from adhere.models.serving.probe_monitor import ProbeMonitor, SavedMonitor, answer, load, require_own, save

CHECKS = (0, 3, 4, 9)


def _monitor(model: OpenModel, pool: str = "mean", threshold: float = 1e9, **more) -> SavedMonitor:
    random = np.random.default_rng(3)
    made = SavedMonitor(
        skill="json",
        model=model.name,
        digest=model.digest,
        layer=2,
        pool=pool,  # type: ignore[arg-type]
        checks=CHECKS,
        weights=random.standard_normal(32).astype(np.float32),
        offset=np.array([0.1, 0.2, 0.3, 0.4], np.float32),
        scale=np.array([1.0, 2.0, 3.0, 4.0], np.float32),
        threshold=threshold,
        false_alarm=0.05,
        auc=0.8,
        auc_low=0.7,
        auc_high=0.9,
        n=100,
    )
    return replace(made, **more)


def _requests(model: OpenModel, temperature: float = 0.0) -> list[Request]:
    texts = ("Hi", "What is the sea?", "One two three four five", "a", "The river runs north.")
    return [
        Request(tuple(model.encode(t)), Sampling(max_tokens=4 + 3 * k, temperature=temperature, seed=k))
        for k, t in enumerate(texts)
    ]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pool", ["last", "mean"])
def test_what_is_read_at_run_time_is_what_capture_reads_afterwards(family: str, pool: str) -> None:
    model = tiny(family)
    monitor = _monitor(model, pool)
    reader = ProbeMonitor(monitor, model, stop=False)
    requests = _requests(model)
    answers = generate(model, requests, watchers=[reader], batch=2)
    name = "token" if pool == "last" else "mean"
    positions = ("prompt", *(f"{name}{check}" for check in CHECKS[1:]))
    for k, (request, given) in enumerate(zip(requests, answers, strict=True)):
        ended = given.reason == "end"
        one = TokenMap((*request.tokens, *given.tokens), len(request.tokens), ended)
        found = capture(model, [one], CapturePlan(layers=(2,), positions=positions))
        wanted = ((found.states[0, 0] @ monitor.weights - monitor.offset) / monitor.scale)[found.present[0]]
        # the last token is written and never read, unless another follows it
        seen = [w for w, check in zip(wanted, CHECKS, strict=False) if check < len(given.tokens)]
        np.testing.assert_allclose(reader.values[k], seen, atol=1e-3)


def test_an_alarm_stops_its_row_there_and_no_other() -> None:
    model = tiny()
    reader = ProbeMonitor(_monitor(model), model, stop=False)
    plain = generate(model, _requests(model), watchers=[reader])
    highest = {row: max(values) for row, values in reader.values.items()}
    order = sorted(highest, key=highest.__getitem__)
    threshold = (highest[order[-1]] + highest[order[-2]]) / 2
    monitor = _monitor(model, threshold=threshold)
    watcher = ProbeMonitor(monitor, model)
    answers = generate(model, _requests(model), watchers=[watcher])
    stopped = order[-1]
    assert [k for k, a in enumerate(answers) if a.reason == "watcher"] == [stopped]
    alarm = watcher.alarms[stopped]
    assert alarm.tokens == CHECKS[int(np.argmax(reader.values[stopped]))] == len(answers[stopped].tokens)
    assert answers[stopped].tokens == plain[stopped].tokens[: alarm.tokens]
    assert [a.tokens for k, a in enumerate(answers) if k != stopped] == [
        a.tokens for k, a in enumerate(plain) if k != stopped
    ]


def test_only_the_rows_named_are_watched() -> None:
    model = tiny()
    watcher = ProbeMonitor(_monitor(model, threshold=-1e9), model, rows=[1, 3])
    answers = generate(model, _requests(model), watchers=[watcher])
    assert [k for k, a in enumerate(answers) if a.reason == "watcher"] == [1, 3]


def test_a_batch_begun_again_is_read_from_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    calm = ProbeMonitor(_monitor(model), model, stop=False)
    generate(model, _requests(model), watchers=[calm])
    forward = model.model.forward
    calls = 0

    def scarce(*args, input_ids: torch.Tensor, **kwargs):
        nonlocal calls
        calls += 1
        if calls == 5:  # in the midst of an answer
            raise torch.OutOfMemoryError("no room")
        return forward(*args, input_ids=input_ids, **kwargs)

    monkeypatch.setattr(model.model, "forward", scarce)
    reader = ProbeMonitor(_monitor(model), model, stop=False)
    with pytest.warns(UserWarning, match="out of memory"):
        generate(model, _requests(model), watchers=[reader])
    assert reader.values.keys() == calm.values.keys()
    for row, values in calm.values.items():
        np.testing.assert_allclose(reader.values[row], values, atol=1e-3)


def test_a_restart_draws_anew_and_an_answer_comes_at_last() -> None:
    model = tiny()
    requests = _requests(model, temperature=1.0)
    always = _monitor(model, threshold=-1e9, checks=(3,), offset=np.zeros(1), scale=np.ones(1))
    made = answer(model, requests, [always], on_alarm="restart", restarts=2)
    plain = generate(model, requests)
    for one, before in zip(made, plain, strict=True):
        assert [alarm.tokens for alarm in one.alarms] == [3, 3]
        assert one.generation.reason in ("end", "length")
        assert one.spent == 6 + len(one.generation.tokens)
        assert one.generation.tokens != before.tokens
    again = answer(model, requests, [always], on_alarm="restart", restarts=2)
    assert [a.generation.tokens for a in again] == [a.generation.tokens for a in made]


def test_without_an_alarm_nothing_changes() -> None:
    model = tiny()
    requests = _requests(model, temperature=1.0)
    plain = generate(model, requests)
    for how in ("stop", "restart"):
        made = answer(model, requests, [_monitor(model)], on_alarm=how)  # type: ignore[arg-type]
        assert [a.generation.tokens for a in made] == [a.tokens for a in plain]
        assert [a.spent for a in made] == [len(a.tokens) for a in plain]


def test_each_answer_is_watched_for_its_own_skills() -> None:
    model = tiny()
    always = _monitor(model, threshold=-1e9)
    made = answer(model, _requests(model), [always], watched=[["json"], ["topic"], ["json"], [], []])
    assert [bool(a.alarms) for a in made] == [True, False, True, False, False]


def test_a_greedy_answer_cannot_be_begun_anew() -> None:
    with pytest.raises(UserError, match="temperature above 0"):
        answer(tiny(), _requests(tiny()), [_monitor(tiny())], on_alarm="restart")


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    model = tiny()
    both = [_monitor(model), _monitor(model, "last", skill="topic")]
    save(tmp_path / "m", both)
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["monitor.json", "monitor.safetensors"]
    for one, two in zip(both, load(tmp_path / "m", model), strict=True):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(two, name))
    assert [one.skill for one in load(tmp_path / "m", skills=["topic"])] == ["topic"]


def test_another_models_monitor_is_refused_unless_told(tmp_path: Path) -> None:
    model = tiny()
    save(tmp_path, [_monitor(model)])
    other = tiny("qwen2")
    with pytest.raises(UserError, match="weights are not those of tiny-qwen2"):
        load(tmp_path, other)
    assert load(tmp_path, other, other_model=True)
    with pytest.raises(UserError, match="reads 16 numbers, tiny-llama has 32"):
        require_own(_monitor(model, weights=np.zeros(16, np.float32)), model, other_model=True)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "monitor.json").unlink(), "no monitor can be read"),
        (lambda folder: (folder / "monitor.json").write_text("{}"), "not a monitor"),
        (lambda folder: (folder / "monitor.safetensors").write_bytes(b"x" * 64), "not a monitor"),
        (lambda folder: _edit(folder, checks=[0, 3]), "does not fit together"),
        (lambda folder: _edit(folder, pool="max"), "does not fit together"),
        (lambda folder: (folder / "monitor.json").write_text('{"format": 9}'), "of format 9"),
    ],
)
def test_a_damaged_monitor_is_one_clear_line(tmp_path: Path, damage, message: str) -> None:
    save(tmp_path, [_monitor(tiny())])
    damage(tmp_path)
    with pytest.raises(UserError, match=message):
        load(tmp_path)


def _edit(folder: Path, **changes: object) -> None:
    record = json.loads((folder / "monitor.json").read_text())
    record["monitors"][0].update(changes)
    (folder / "monitor.json").write_text(json.dumps(record))


def test_a_skill_that_is_not_there_is_named(tmp_path: Path) -> None:
    save(tmp_path, [_monitor(tiny())])
    with pytest.raises(UserError, match="no monitor for topic; there are json"):
        load(tmp_path, skills=["topic"])
