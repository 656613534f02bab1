"""DSPy, deepeval and lm-evaluation-harness, each against the real package where it is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adhere.core.errors import UserError

RULE = "Answer in under 4 words."
ROW = {"kind": "excludes.terms", "terms": ["sea"]}


def test_dspy_evaluates_and_gets_feedback() -> None:
    dspy = pytest.importorskip("dspy", reason="dspy is not installed")
    from adhere.integrations.dspy import adheres

    class Echo(dspy.Module):  # type: ignore[name-defined, misc]
        def forward(self, question: str) -> object:
            return dspy.Prediction(answer=question)

    examples = [
        dspy.Example(question=text, constraints=[ROW]).with_inputs("question")
        for text in ("By the lake.", "By the sea.", "By the wide blue sea.")
    ]
    metric = adheres(RULE)
    result = dspy.Evaluate(devset=examples, metric=metric, num_threads=1, display_progress=False)(Echo())
    assert result.score == pytest.approx(50.0)
    told = metric(examples[1], dspy.Prediction(answer="By the sea."))
    assert told.score == 0.5
    assert "sea" in told.feedback
    with pytest.raises(UserError):
        adheres()(dspy.Example(question="x"), dspy.Prediction(answer="x"))


def test_deepeval_passes_and_fails_a_case() -> None:
    pytest.importorskip("deepeval", reason="deepeval is not installed")
    from deepeval.test_case import LLMTestCase

    from adhere.integrations.deepeval import AdheresMetric

    metric = AdheresMetric([RULE, ROW])
    assert metric.measure(LLMTestCase(input="Where?", actual_output="By the lake.")) == 1.0
    assert metric.is_successful()
    assert metric.measure(LLMTestCase(input="Where?", actual_output="By the sea.")) == 0.5
    assert not metric.is_successful()
    assert "sea" in str(metric.reason)


def test_process_results_scores_a_row_as_arrow_gives_it() -> None:
    from adhere.integrations.lm_eval import process_results

    nulls = {"constraints": [{**ROW, "at_most": None}]}
    assert process_results(nulls, ["By the lake."]) == {"adheres": 1.0, "adheres_share": 1.0}
    as_text = {"constraints": json.dumps([ROW, {"kind": "length.words", "at_most": 9}])}
    assert process_results(as_text, ["By the sea."]) == {"adheres": 0.0, "adheres_share": 0.5}
    with pytest.raises(UserError):
        process_results({}, ["text"])


def test_lm_eval_runs_a_task_with_our_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lm_eval = pytest.importorskip("lm_eval", reason="lm_eval is not installed")
    from lm_eval.tasks import TaskManager

    rows = [{"prompt": "Where?", "constraints": json.dumps([ROW])} for _ in range(3)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "adhere_rules.py").write_text("from adhere.integrations.lm_eval import process_results\n")
    (tmp_path / "rules.yaml").write_text(
        f"""
task: my_rules
dataset_path: json
dataset_kwargs: {{data_files: {tmp_path / "rows.jsonl"}}}
test_split: train
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: ""
process_results: !function adhere_rules.process_results
metric_list:
  - {{metric: adheres, aggregation: mean, higher_is_better: true}}
  - {{metric: adheres_share, aggregation: mean, higher_is_better: true}}
"""
    )
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    results = lm_eval.simple_evaluate(
        model="dummy",
        tasks=["my_rules"],
        task_manager=TaskManager(include_path=str(tmp_path), include_defaults=False),
    )
    assert results["results"]["my_rules"]["adheres,none"] == 1.0  # the dummy model answers "lol"
