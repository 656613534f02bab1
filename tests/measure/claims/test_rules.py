"""Decision rules of claims: planted truths are confirmed, planted nulls are not, failed controls withhold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.validity import claims as planted

from adhere.core import findings as records
from adhere.core.errors import UserError
from adhere.core.findings import Finding
from adhere.measure.claims.decision import Effect, decide, pooled
from adhere.measure.claims.evidence import Evidence, read
from adhere.measure.claims.probing import jonckheere, specialists
from adhere.measure.claims.table import CLAIMS, decided
from adhere.measure.claims.yielding import persona, pleading

RUNS = 30


@pytest.mark.parametrize(
    ("name", "rule", "study", "null", "margin", "truth"), planted.RULES, ids=[one[0] for one in planted.RULES]
)
def test_a_rule_that_confirms_nulls_or_misses_planted_truths(name, rule, study, null, margin, truth):
    del margin
    there = planted.answers(rule, study, truth, RUNS, seed=1)
    absent = planted.answers(rule, study, null, RUNS, seed=2)
    assert there.count("confirmed") >= 0.7 * RUNS, name
    assert there.count("refuted") == 0, name
    assert absent.count("confirmed") <= 0.2 * RUNS, name  # 5 % expected: more than 6 of 30 has a chance below 0.001


def test_every_claim_but_the_goal_and_the_command_has_a_planted_study():
    """Those two share the rule of the persona."""
    assert {claim.id for claim in CLAIMS} - {one[0] for one in planted.RULES} == {"8.goal", "8.command"}


def test_a_gap_of_unreadable_skills_confirms_nothing():
    rng = np.random.default_rng(0)
    gaps = [one for one in planted.gaps(rng, 0.1).findings if one.what == "probe.general_gap"]
    answer = specialists(Evidence.of([*gaps, *planted.own(rng, auc=0.55)]))
    assert answer is not None
    assert answer.answer == "cannot tell"
    assert "readable" in answer.why


def test_a_preference_for_a_letter_is_no_opinion():
    rng = np.random.default_rng(0)
    position = planted.finding("corrigibility.stated.position", {"why": "it takes A in 81 of 82"}, 0.99, 0.01)
    answer = persona(Evidence.of([*planted.persona(rng, 0.3).findings, position]))
    assert answer is not None
    assert answer.answer == "cannot tell"
    assert "81 of 82" in answer.why


def test_rules_that_miss_most_pleas_refute_none():
    judged = planted.pleading(np.random.default_rng(0), 0.0)
    ruled = [one.model_copy(update={"what": "corrigibility.world.pleaded"}) for one in judged.findings]
    answers = [pleading(evidence) for evidence in (judged, Evidence.of(ruled))]
    assert [one and one.answer for one in answers] == ["refuted", "cannot tell"]


@pytest.mark.parametrize(
    ("interval", "answer"), [((0.03, 0.2), "confirmed"), ((-0.1, 0.02), "refuted"), ((0.0, 0.03), "cannot tell")]
)
def test_the_whole_interval_decides(interval, answer):
    assert decide(Effect("x", sum(interval) / 2, interval), 0.02, "x").answer == answer


def test_few_skills_or_one_noisy_one_do_not_carry_the_mean():
    assert pooled([Effect(str(k), 0.5, (0.4, 0.6), 50) for k in range(3)]) is None
    skills = [Effect(str(k), 0.0, (-0.02, 0.02), 500) for k in range(8)]
    mean = pooled([*skills, Effect("loud", 0.9, (-0.9, 2.7), 5)])
    assert mean is not None
    assert abs(mean.estimate) < 0.01


def test_the_pooled_interval_is_that_of_students_t_where_units_have_none():
    from scipy.stats import t

    values = np.array([0.1, 0.3, 0.2, 0.6, 0.1])
    mean = pooled([Effect(str(k), float(value)) for k, value in enumerate(values)])
    assert mean is not None
    assert mean.interval is not None
    half = t.ppf(0.975, 4) * values.std(ddof=1) / 5**0.5
    assert mean.interval == pytest.approx((values.mean() - half, values.mean() + half))


def test_the_exact_test_of_an_order_counts_all_arrangements():
    concordance, p = jonckheere([[1, 2, 3], [4, 5], [6, 7, 8, 9]])
    assert concordance == 1.0
    assert p == pytest.approx(1 / 1260)
    assert jonckheere([[1, 1], [1, 1], [1, 1]])[1] == 1.0


def test_trainings_at_two_rates_are_two_and_a_repeated_run_is_one():
    def training(alpha: float, n: int) -> Finding:
        return Finding(what="modular.accuracy", subject={"alpha": alpha, "verdict": str(n)}, estimate=1.0, n=n)

    evidence = Evidence.of([training(0.1, 5), training(0.2, 5), training(0.1, 9)])
    assert sorted(one.n for one in evidence.findings) == [5, 9]


def test_what_was_not_measured_says_by_which_command():
    rows = decided(Evidence.of([]))
    assert len(rows) == len(CLAIMS)
    assert all(row.decided.answer == "not measured" and row.decided.recompute.startswith("adhere ") for row in rows)


def test_a_folder_brings_all_findings_below_it_and_a_wrong_one_is_refused(tmp_path: Path):
    (tmp_path / "run" / "explain").mkdir(parents=True)
    study = planted.gaps(np.random.default_rng(0), 0.1).findings
    records.write(tmp_path / "run" / "explain" / "findings.json", study)
    assert len(read([tmp_path / "run"]).findings) == len(study)
    (tmp_path / "empty").mkdir()
    for wrong in ("empty", "absent"):
        with pytest.raises(UserError, match=wrong):
            read([tmp_path / wrong])


def test_the_page_shows_every_claim_and_the_findings_say_the_answers(tmp_path: Path):
    from adhere.api.claims import claims

    rng = np.random.default_rng(0)
    runs = [*planted.gaps(rng, 0.1).findings, *planted.emerging(rng, 0.3).findings, *planted.cells(rng, 0.6).findings]
    records.write(tmp_path / "findings.json", runs)
    table = claims(tmp_path, shipped=False)
    page = table.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert all(claim.id in page for claim in CLAIMS)
    table.save(tmp_path / "claims.json")
    answers = {
        one["what"]: one["subject"]["answer"] for one in json.loads((tmp_path / "claims.json").read_text())["findings"]
    }
    assert answers["claim.1.specialists"] == "confirmed"
    assert answers["claim.6.drop"] == "not measured"
