"""The four lenses on states in which what they should find was planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adhere.core.errors import UserError
from adhere.core.findings import dumps
from adhere.explain import Examples
from adhere.explain.analyses.specialists import specialists
from adhere.explain.analyses.specificity import specificity
from adhere.explain.analyses.timing import timing
from adhere.explain.analyses.transfer import closeness, failures, mantel, transfer
from adhere.explain.probing.decodability import Resamples, auc, aucs
from adhere.explain.probing.fitted_erasers import fit_eraser
from adhere.explain.probing.folds import deal
from adhere.explain.probing.scan import Scan, scan
from adhere.explain.probing.surface import surface

from .made import examples


@pytest.fixture(scope="module")
def apart() -> tuple[Examples, Scan]:
    """Skills with nothing in common, readable from layer 1 on, after the prompt."""
    made = examples(skills=3, strength=2.0, shared=0.0).balanced()
    return made, scan(made, "lda")


@pytest.fixture(scope="module")
def alike() -> tuple[Examples, Scan]:
    """Skills that share all there is to read."""
    made = examples(skills=3, strength=0.0, shared=2.0).balanced()
    return made, scan(made, "logistic")


def test_no_prompt_is_in_two_folds_and_no_fold_lacks_a_class() -> None:
    made = examples(skills=3)
    made = replace(made, prompt=made.prompt % 70)  # prompts that several skills share
    fold = deal(made)
    for prompt in np.unique(made.prompt):
        assert len(set(fold[made.prompt == prompt])) == 1
    for skill in made.skills:
        for number in range(5):
            assert 0 < made.met[(made.skill == skill) & (fold == number)].mean() < 1


def test_too_few_prompts_to_split_say_so() -> None:
    made = examples(skills=1, prompts=3, per_prompt=40)
    with pytest.raises(UserError, match="skill0: 3 prompts cannot be split into 5 folds"):
        scan(made, "lda")


def test_auc_is_scikit_learns_within_folds_and_ties_count_half() -> None:
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(0)
    scores = generator.integers(0, 6, 300).astype(np.float32)
    met, fold = generator.random(300) < 0.4, generator.integers(0, 3, 300)
    one = np.zeros(300, np.int64)
    assert auc(scores, met, one).value == pytest.approx(roc_auc_score(met, scores))
    assert aucs(scores, met, one) == pytest.approx(roc_auc_score(met, scores))
    shifted = scores + 100 * fold.astype(np.float32)  # folds are not comparable, and must not be compared
    assert auc(shifted, met, fold).value == pytest.approx(auc(scores, met, fold).value)
    assert aucs(shifted, met, fold) == pytest.approx(auc(scores, met, fold).value)


def test_the_interval_widens_where_responses_of_a_prompt_agree() -> None:
    generator = np.random.default_rng(0)
    prompt = np.repeat(np.arange(40), 5)
    met = (generator.random(40) < 0.5)[prompt]
    scores = (generator.standard_normal(40)[prompt] + met).astype(np.float32)
    fold = np.zeros(200, np.int64)
    widths = []
    for group in (prompt, np.arange(200)):
        low, high = auc(scores, met, fold, Resamples.of(group)).interval
        widths.append(high - low)
    assert widths[0] > 1.7 * widths[1]


def test_intervals_cover_the_truth() -> None:
    """Two normals one deviation apart: the AUC is Phi(1 / sqrt 2) = 0.760."""
    covered = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        met = np.arange(80) % 2 == 0
        scores = (generator.standard_normal(80) + met).astype(np.float32)
        low, high = auc(scores, met, np.zeros(80, np.int64), Resamples.of(np.arange(80), 300, seed)).interval
        covered += low <= 0.7602 <= high
    assert covered >= 180


def test_a_prompts_offset_teaches_nothing(apart: tuple[Examples, Scan]) -> None:
    """Rows of a prompt share an offset and often a label: a split by rows would read the label from it."""
    made = examples(skills=1, strength=0.0, prompts=60, per_prompt=6)
    made = replace(made, met=(np.random.default_rng(3).random(60) < 0.5)[made.prompt])
    scanned = scan(made, "lda", shuffles=0)
    rows = scanned.rows("skill0")
    found = aucs(scanned.specialist[:, :, 0], scanned.met(rows), scanned.design.fold[rows])
    assert np.abs(found - 0.5).max() < 0.2


def test_specialists_read_where_there_is_something_and_emerge_there(apart: tuple[Examples, Scan]) -> None:
    made, scanned = apart
    found = specialists(scanned, surface(made, scanned.design))
    assert (found.auc[1:, 1:] > 0.9).all()
    assert np.abs(found.auc[0] - 0.5).max() < 0.15
    assert np.abs(found.auc[:, 0] - 0.5).max() < 0.15
    assert np.abs(found.shuffled - 0.5).max() < 0.15
    for best in found.best:
        if best.position != "prompt":
            assert best.emergence.value == 1
            assert best.emergence.interval[0] == 1
            assert best.specialist.value > 0.9
            assert (best.specialist - best.general).interval[0] > 0
            assert (best.specialist - best.without).value > 0.2
    held = {(c.finding.subject["skill"], c.finding.subject["position"]) for c in found.claims() if c.holds}
    assert held == {(skill, position) for skill in made.skills for position in ("50", "eos")}
    assert "NaN" not in dumps(found.findings())
    right = [one for one in found.findings() if one.what == "probe.balanced_accuracy"]
    assert len(right) == len(found.best)
    for one in right:
        low, high = one.interval or (0.0, 1.0)
        assert low <= one.estimate <= high
        assert (low > 0.5) is (one.subject["position"] != "prompt")


def test_a_general_probe_is_as_good_where_skills_are_one(alike: tuple[Examples, Scan]) -> None:
    found = specialists(alike[1])
    for best in found.best:
        if best.position != "prompt":
            assert (best.specialist - best.general).value < 0.05
            assert best.without.value > 0.9
    gaps = [c for c in found.claims() if c.finding.what == "probe.general_gap"]
    assert sum(c.holds for c in gaps) <= len(gaps) * 0.1


def test_choosing_the_best_layer_is_not_rewarded_where_there_is_nothing() -> None:
    values = []
    for seed in range(6):
        made = examples(skills=1, strength=0.0, layers=12, positions=("prompt", "eos"), prompts=40, seed=seed)
        scanned = scan(made, "lda", shuffles=0)
        values += [b.specialist.value for b in specialists(scanned).best]
    assert abs(np.mean(values) - 0.5) < 0.04


def test_a_text_that_gives_it_away_is_held_against_the_probe() -> None:
    made = examples(skills=1, strength=2.0)
    made = replace(made, text=tuple("yes indeed" if met else "no, never" for met in made.met))
    scanned = scan(made, "lda")
    found = specialists(scanned, surface(made, scanned.design))
    readable = [c for c in found.claims() if c.finding.what == "probe.auc"]
    assert not any(c.holds for c in readable)
    at_end = next(c for c in readable if c.finding.subject["position"] == "eos")
    assert "Against it: length and character n-grams 1.00" in at_end.sentence
    assert at_end.finding.control is not None
    assert at_end.finding.control.what == "length and character n-grams"


def test_the_surface_baseline_sees_only_what_was_written(apart: tuple[Examples, Scan]) -> None:
    made, scanned = apart
    made = replace(made, text=tuple("a" * 40 + ("b" if met else "c") for met in made.met))
    scores = surface(made, scanned.design)
    rows = scanned.rows("skill0")
    met, fold = scanned.met(rows), scanned.design.fold[rows]
    assert np.isnan(scores[0]).all(), "the prompts were not kept"
    assert aucs(scores[1, rows], met, fold) == pytest.approx(0.5)
    assert aucs(scores[2, rows], met, fold) > 0.99


def test_transfer_is_strong_between_skills_that_are_one_and_absent_between_others(
    apart: tuple[Examples, Scan], alike: tuple[Examples, Scan]
) -> None:
    for (_, scanned), together in ((apart, False), (alike, True)):
        common, own = transfer(scanned, specialists(scanned), "eos")
        for found in (common, own):
            off = found.matrix[~np.eye(3, dtype=bool)]
            assert (np.diag(found.matrix) > 0.9).all()
            assert (off > 0.9).all() if together else (np.abs(off - 0.5) < 0.2).all()
            assert len(found.clusters()) == (1 if together else 3)
            held = [c.holds for c in found.claims() if c.finding.subject["from"] != c.finding.subject["to"]]
            assert all(held) if together else sum(held) <= 1


def test_mantel_finds_a_planted_agreement_and_none_where_there_is_none() -> None:
    generator = np.random.default_rng(0)
    outside = generator.random((7, 7))
    outside += outside.T
    value, p, pairs = mantel(outside**2, outside)
    assert value == pytest.approx(1.0)
    assert p < 0.01
    assert pairs == 21
    other = generator.random((7, 7))
    assert mantel(closeness(other), outside)[1] > 0.05


def test_failures_correlate_over_shared_prompts_and_only_there() -> None:
    made = examples(skills=3, prompts=40)
    prompt = made.prompt % 40
    hard = np.random.default_rng(0).random(40) < 0.5
    met = np.where(made.skill == "skill2", made.met, hard[prompt])
    found = failures(replace(made, prompt=np.where(made.skill == "skill2", prompt + 1000, prompt), met=met))
    assert found[0, 1] == pytest.approx(1.0)
    assert np.isnan(found[0, 2])


def test_timing_tells_monitoring_from_planning_and_foresight_from_report() -> None:
    made = examples(skills=1, prompts=80, per_prompt=5, strength=2.0)
    # at "50" only what was decided by then is readable
    early = np.arange(len(made)) % 2 == 0
    noise = np.random.default_rng(5).standard_normal(made.states[~early, :, 1].shape)
    made.states[~early, :, 1] = noise
    made = replace(made, decided=np.where(early, 0.2, 1.0).astype(np.float32))
    scanned = scan(made, "lda")
    found = timing(scanned, specialists(scanned, surface(made, scanned.design)), made)
    split = found.by_decision[0]
    assert all(part is not None for part in split.surface)
    assert split.share_open == pytest.approx(0.5)
    assert split.decided is not None
    assert split.open is not None
    assert split.decided.value > 0.9
    assert abs(split.open.value - 0.5) < 0.15
    held = {c.finding.subject.get("contrast"): c.holds for c in found.claims() if "contrast" in c.finding.subject}
    assert held == {"during - before": True, "end - before": True}
    assert not next(c for c in found.claims() if c.finding.subject.get("position") == "prompt").holds


def test_specificity_falls_to_nothing_where_free_texts_read_alike() -> None:
    made = examples(skills=1, prompts=80, per_prompt=6, strength=2.0)
    free = np.arange(len(made)) % 3 == 0
    plain = replace(made, constrained=~free)
    blank = replace(made, constrained=~free, states=made.states.copy())
    blank.states[free] = np.random.default_rng(1).standard_normal(blank.states[free].shape)
    for tested, specific in ((plain, False), (blank, True)):
        scanned = scan(tested, "lda", shuffles=0)
        found = specificity(tested, scanned, [(2, "eos")])[0]
        assert found.asked.value > 0.9
        assert found.free is not None
        assert (found.free.value > 0.9) is not specific
        assert found.claims()[0].holds is specific


def test_a_site_at_which_all_states_are_alike_says_nothing_of_specificity() -> None:
    made = examples(skills=1, prompts=80, per_prompt=6)
    made = replace(made, constrained=np.arange(len(made)) % 3 != 0, states=np.ones_like(made.states))
    found = specificity(made, scan(made, "lda", shuffles=0), [(2, "eos")])[0]
    assert found.rank == 0
    assert np.isnan([found.variance_asked, found.apart_asked]).all()
    assert not any(claim.holds for claim in found.claims())


def test_an_eraser_to_be_used_leaves_nothing_linear() -> None:
    made = examples(skills=1, prompts=100).balanced()
    site = (2, "eos")
    x = fit_eraser(made, "skill0", site)(made.slab(*site))
    assert np.abs(x[made.met].mean(axis=0) - x[~made.met].mean(axis=0)).max() < 1e-2


def test_moments_that_do_not_fit_are_summed_up_in_turn_to_the_same_scores(
    apart: tuple[Examples, Scan], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, scanned = apart
    monkeypatch.setattr("adhere.explain.probing.fitting.CELLS", 0)
    again = scan(made, "lda")
    for name in ("specialist", "general", "few", "without", "shuffled"):
        assert np.allclose(getattr(again, name), getattr(scanned, name), atol=1e-3), name


def test_the_same_scores_come_from_several_processes(apart: tuple[Examples, Scan]) -> None:
    made, scanned = apart
    seen = []
    again = scan(made, "lda", processes=2, tick=lambda: seen.append(1))
    assert np.allclose(again.specialist, scanned.specialist, atol=1e-5)
    assert len(seen) == scanned.specialist.shape[0] * scanned.specialist.shape[1]
