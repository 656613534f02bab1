"""Constraint attention: the measure is its definition, the comparison matches like with like and covers the truth."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from tiny import tiny

from adhere.core.errors import UserError
from adhere.explain.analyses.attention import (
    BINS,
    MEASURES,
    Attended,
    AttentionCase,
    attend,
    cases,
    compare,
    findings,
    match,
    tenths,
)
from adhere.models.forward.attention_hooks import eager
from adhere.models.forward.tokenmap import replay

CONSTRAINT = "Use no commas."


def _case(problem: str, sustained: bool, response: str = "It is 12.", condition: str = "math, k = 1") -> AttentionCase:
    messages = ({"role": "user", "content": f"What is {problem} and 5? {CONSTRAINT}"},)
    return AttentionCase(problem, sustained, messages, response, (CONSTRAINT,), condition)


def _made(
    outcomes: list[tuple[str, bool]], lengths: list[int], values: np.ndarray, condition: list[str] | None = None
) -> Attended:
    """An `Attended` whose every block and tenth has the answer's one value; two blocks."""
    conditions = condition or ["c"] * len(outcomes)
    made = tuple(_case(p, s, condition=c) for (p, s), c in zip(outcomes, conditions, strict=True))
    mass = np.broadcast_to(values[:, None, None, None], (len(made), 2, BINS, len(MEASURES))).copy()
    return Attended(mass, mass[:, :, 0].copy(), np.array(lengths), made, {})


@pytest.mark.slow
def test_the_measures_are_their_definition_from_eager_attentions() -> None:
    model = tiny()
    response = "It is twelve, I think."
    one = _case("7", True, response)
    found = attend(model, [_case("3", False, "No."), one])
    mapped = replay(model, one.messages, response, parts={"constraint": CONSTRAINT})
    with eager(model.model):
        weights = model.model(torch.tensor([mapped.tokens]), output_attentions=True).attentions
    tokens = len(response)  # a byte a token
    for block in range(3):
        rows = weights[block][0].mean(0)
        c = [float(rows[mapped.prompt - 1 + t, list(mapped.parts["constraint"])].sum()) for t in range(tokens)]
        q = [float(rows[mapped.prompt - 1 + t, list(mapped.parts["problem"])].sum()) for t in range(tokens)]
        share = [a / (a + b) for a, b in zip(c, q, strict=True)]
        for b in range(BINS):
            chosen = [t for t in range(tokens) if 10 * t // tokens == b]
            wanted = [np.mean([x[t] for t in chosen]) for x in (c, np.array(c) / len(CONSTRAINT), share)]
            np.testing.assert_allclose(found.mass[1, block, b], wanted, atol=1e-6)
        np.testing.assert_allclose(
            found.whole[1, block], [np.mean(c), np.mean(c) / len(CONSTRAINT), np.mean(share)], atol=1e-6
        )
    assert np.isnan(found.mass[0]).any()  # three tokens fill three tenths
    assert np.isfinite(found.mass[0, 0, :, 0]).sum() == 3
    assert found.lengths.tolist() == [3, tokens]


def test_a_row_that_looks_at_neither_has_no_share_and_is_left_out_of_its_mean() -> None:
    found = np.array([[[0.0, 0.0], [0.2, 0.2]]], np.float32)
    _, whole = tenths(found, 4)
    np.testing.assert_allclose(whole[0], [0.1, 0.025, 0.5])


def test_like_is_matched_with_like() -> None:
    outcomes = [
        ("a", False),
        ("a", True),
        ("a", True),
        ("b", False),
        ("c", True),
        ("d", True),
        ("e", False),
        ("f", True),
    ]
    lengths = [20, 22, 40, 21, 24, 60, 20, 20]
    conditions = ["k1"] * 6 + ["k2", "k3"]
    pairs = match(_made(outcomes, lengths, np.zeros(8), conditions))
    found = {(int(f), int(s)): w for f, s, w in zip(pairs.failed, pairs.sustained, pairs.weight, strict=True)}
    assert found == {
        (0, 1): 1.0,  # the same problem, and of like length: answer 2 is twice as long
        (3, 1): 0.5,  # other problems of like length
        (3, 4): 0.5,
    }
    assert (pairs.within, pairs.by_length, pairs.unmatched) == (1, 1, 1)  # nothing else of condition k2


def test_the_difference_is_that_of_matched_answers_and_not_of_all() -> None:
    """Sustained answers that are long look less; compared with them alone anything would look attended to."""
    outcomes = [(str(k), False) for k in range(20)] + [(str(k + 20), True) for k in range(40)]
    lengths = [20] * 20 + [20] * 20 + [100] * 20
    values = np.array([0.3] * 20 + [0.2] * 20 + [0.01] * 20)
    result = compare(_made(outcomes, lengths, values))
    estimate, low, high = result.headline()
    assert estimate == pytest.approx(0.1)
    assert low == pytest.approx(0.1)
    assert high == pytest.approx(0.1)
    assert result.problems == 20


def test_the_interval_covers_the_true_difference() -> None:
    """Answers of a problem are alike, and there may be two of one: 95 % intervals hold it in at least 90 % of runs."""
    random = np.random.default_rng(1)
    covered = 0
    runs = 100
    for run in range(runs):
        outcomes, values = [], []
        for p in range(30):
            own = 0.1 * random.standard_normal()
            for sustained in (False, True) if p % 2 else (False, False, True):
                outcomes.append((str(p), sustained))
                values.append(own + (0.0 if sustained else 0.05) + 0.05 * random.standard_normal())
        _, low, high = compare(
            _made(outcomes, [20] * len(outcomes), np.array(values)), seed=run, resamples=400
        ).headline()
        covered += low <= 0.05 <= high
    assert covered >= 90


def test_with_no_difference_the_interval_seldom_excludes_zero_though_controls_are_shared() -> None:
    random = np.random.default_rng(2)
    missed = 0
    runs = 100
    for run in range(runs):
        outcomes = [(str(k), False) for k in range(30)] + [(str(30 + k), True) for k in range(12)]
        made = _made(outcomes, [20] * 42, random.standard_normal(42))
        _, low, high = compare(made, seed=run, resamples=400).headline()
        missed += not low <= 0 <= high
    assert missed <= 10


def test_with_no_difference_hardly_any_study_has_a_block_that_excludes_zero() -> None:
    """Six blocks and their tenths: without a correction nearly every study would have one."""
    random = np.random.default_rng(3)
    missed = 0
    for run in range(24):
        outcomes = [(str(k), False) for k in range(30)] + [(str(30 + k), True) for k in range(30)]
        made = _made(outcomes, [20] * 60, np.zeros(60))
        answers, _, bins, measures = made.mass.shape
        values = random.standard_normal((answers, 6, bins, measures))
        made = replace(made, mass=values, whole=values.mean(axis=2))
        result = compare(made, seed=run, resamples=200)
        low, high = result.low[2, :-1, :, 0], result.high[2, :-1, :, 0]
        missed += bool(((low > 0) | (high < 0)).any())
    assert missed <= 5


def test_findings_have_their_names_their_control_and_their_n() -> None:
    outcomes = [(str(k), k % 2 == 0) for k in range(20)]
    made = findings(compare(_made(outcomes, [20] * 20, np.arange(20.0))), model="tiny", recompute="adhere sustain")
    assert len(made) == 3 * 3 * 11 * 3  # outcomes, two blocks and all, tenths and all, measures
    one = next(f for f in made if f.of(layer="all", progress="all", outcome="difference", measure="raw"))
    assert one.n == 10
    assert one.interval is not None
    assert one.control is not None
    assert one.control.estimate == 0
    assert {f.subject["progress"] for f in made} == {*range(0, 100, 10), "all"}


def test_what_cannot_be_compared_is_said_in_one_line() -> None:
    with pytest.raises(UserError, match="0 of 2 answers under constraints failed"):
        compare(_made([("a", True), ("b", True)], [5, 5], np.zeros(2)))
    with pytest.raises(UserError, match="none of 1 failed answers"):
        compare(_made([("a", True), ("b", False)], [5, 50], np.zeros(2)))
    with pytest.raises(UserError, match="does not stand in the messages"):
        attend(tiny(), [AttentionCase("a", True, ({"role": "user", "content": "Hi"},), "x", (CONSTRAINT,))])


def test_answers_that_cannot_be_looked_at_are_counted() -> None:
    found = attend(tiny(), [_case("1", True), _case("2", False, response="")])
    assert found.skipped == {"the answer is empty": 1}
    assert len(found.cases) == 1


def test_records_of_a_run_become_cases_of_the_constraint_arm() -> None:
    @dataclass(frozen=True)
    class Record:
        arm: str = "constraint"
        correct: bool | None = True
        problem: str = "p"
        domain: str = "math"
        k: int = 2
        position: str = "after"
        response: str = "12"
        sentences: tuple[str, ...] = (CONSTRAINT,)
        truncated: bool = False
        system: str = ""
        prompt: str = f"What is 7 and 5? {CONSTRAINT}"

    made = list(
        cases([Record(), Record(arm="control"), Record(correct=None), Record(system="Be brief.", correct=False)])
    )
    assert [one.sustained for one in made] == [True, False]
    assert [m["role"] for m in made[1].messages] == ["system", "user"]
    assert made[0].condition == "math, k = 2, after"
    assert attend(tiny(), made).mass.shape == (2, 3, BINS, 3)


def test_a_model_that_the_hooks_misread_is_refused_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    from adhere.core.errors import UserError
    from adhere.explain.analyses import attention
    from adhere.models.forward import selftest

    def misread(_opened: object) -> None:
        raise UserError("states differ")

    monkeypatch.setattr(selftest, "self_test", misread)
    with pytest.raises(UserError, match="states differ"):
        attention.attend(object(), [])  # type: ignore[arg-type]
