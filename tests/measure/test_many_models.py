"""Many models at once: the counts of all pairs are those of each pair, and what is repeated is computed once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from adhere.measure.adherence import summary
from adhere.measure.adherence.model_pairs import model_pairs
from adhere.measure.adherence.tally import Brief, Tally
from adhere.measure.statistics.rates import Cluster, paired, paired_of, rate, rate_of, score_interval

FOLLOWED = 1 | 2 | 4 | 8


def tally(models: int, prompts: int, epochs: int = 1, missing: float = 0.1) -> Tally:
    rng = random.Random(7)
    one = Tally()
    for m in range(models):
        for p in range(prompts):
            for epoch in range(1, epochs + 1):
                if rng.random() < missing:
                    continue
                bits = (FOLLOWED if rng.random() < 0.4 + 0.05 * m else 0 for _ in range(1 + p % 3))
                entries = tuple(("length.words", None, one) for one in bits)
                one.add(Brief(f"model-{m}", "own", f"p{p}", epoch, "file", p, "", 0, entries))
    return one


@pytest.mark.parametrize("epochs", [1, 3])
def test_the_counts_of_all_pairs_are_those_of_each_pair(epochs: int) -> None:
    one = tally(5, 40, epochs)
    expected = {}
    for a, b in combinations(one.subjects(), 2):
        clusters = one.pairs((a, "fixed"), (b, "fixed")).values()
        expected[a.model, b.model] = Counter((c.a, c.b, c.trials) for c in clusters)
    assert {(a.model, b.model): counts for a, b, counts in model_pairs(one, "fixed", "prompt")} == expected


def test_counts_of_parts_add_up_to_the_whole() -> None:
    rng = random.Random(1)
    clusters = [(rng.randint(0, m), m) for m in (rng.randint(1, 6) for _ in range(200))]
    parts = Counter(clusters[:70]) + Counter(clusters[70:])
    assert rate_of(parts) == rate(clusters)
    pairs = [Cluster(rng.randint(0, 3), rng.randint(0, 3), 3) for _ in range(100)]
    counted = [Counter((c.a, c.b, c.trials) for c in part) for part in (pairs[:30], pairs[30:])]
    assert paired_of(counted[0] + counted[1]) == paired(pairs)


def test_comparisons_are_computed_once_and_again_after_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    true = summary._between_models
    monkeypatch.setattr(summary, "_between_models", lambda *given: (calls.append(1), true(*given))[1])
    one = tally(3, 10)
    first = summary.between_models(one, "fixed")
    assert summary.between_models(one, "fixed") is first
    one.add(Brief("model-0", "own", "another", 1, "file", 99, "", 0, (("length.words", None, 0),)))
    assert summary.between_models(one, "fixed") is not first
    assert len(calls) == 2


def test_the_interval_of_paired_shares_covers_and_is_symmetric() -> None:
    low, high = score_interval(30, 12, 4, 4)
    assert score_interval(30, 4, 12, 4) == pytest.approx((-high, -low))
    low, high = score_interval(0, 0, 0, 54)
    assert low < 0 < high
    assert score_interval(0, 54, 0, 0)[1] == 1.0
    rng = np.random.default_rng(5)
    for cells in ((0.6, 0.15, 0.05, 0.2), (0.02, 0.02, 0.0, 0.96), (0.9, 0.05, 0.04, 0.01)):
        truth = cells[1] - cells[2]
        covered = [
            low <= truth <= high
            for low, high in (score_interval(*map(int, n)) for n in rng.multinomial(60, cells, 2000))
        ]
        assert np.mean(covered) > 0.93, cells


def test_very_many_comparisons_can_still_be_real() -> None:
    """10,000 draws give no p under 0.0001, which Holm multiplies by the number of comparisons."""
    rng = random.Random(3)
    strong = [Cluster(float(rng.random() < 0.9) + 1, float(rng.random() < 0.3), 2) for _ in range(300)]
    flat = [Cluster(float(rng.random() < 0.5), float(rng.random() < 0.5), 2) for _ in range(300)]
    pairings = [summary.Pairing("a", "b", "own", "fixed", "prompt", "strict", strong)]
    pairings += [summary.Pairing("a", f"b{k}", "own", "fixed", "prompt", "strict", flat) for k in range(600)]
    found = summary.compared(pairings)
    assert found[0].real
    assert not any(one.real for one in found[1:])


def test_scoring_a_few_answers_imports_no_heavy_library(tmp_path: Path) -> None:
    """Importing one of them costs more than the scoring; a page may import matplotlib, a cluster scipy."""
    row = {"prompt": "p", "response": "By the sea.", "constraints": [{"kind": "length.words", "at_most": 50}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    program = f"""
import sys
from adhere.api.score import score
score({str(tmp_path / "a.jsonl")!r}).findings
heavy = {{"nltk", "matplotlib", "pandas", "torch", "inspect_ai", "scipy", "numpy", "pyarrow", "ray", "transformers"}}
print(sorted(heavy & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
