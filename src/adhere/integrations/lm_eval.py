"""lm-evaluation-harness: `process_results` for a task whose rows have constraints.

A task's YAML:

    task: my_rules
    dataset_path: json
    dataset_kwargs: {data_files: rows.jsonl}     # {"prompt": ..., "constraints": [...]} in each line
    test_split: train
    output_type: generate_until
    doc_to_text: "{{prompt}}"
    doc_to_target: ""
    process_results: !function adhere_rules.process_results
    metric_list:
      - {metric: adheres, aggregation: mean, higher_is_better: true}
      - {metric: adheres_share, aggregation: mean, higher_is_better: true}

and beside it `adhere_rules.py` with `from adhere.integrations.lm_eval import process_results`. What `--log_samples`
writes is read by `adhere score`, which gives intervals and verdicts by constraint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from adhere.api.check import check
from adhere.integrations.given import listed


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """What one document's answer scores: `adheres` (1 if every constraint is met, else 0) and `adheres_share`.

    `doc["constraints"]` is a list of constraints, or such a list as JSON text, which Arrow keeps best.

    Raises:
        UserError: the document has no constraints.
    """
    constraints = doc.get("constraints", ())
    if isinstance(constraints, str) and constraints.lstrip().startswith(("[", "{")):
        constraints = json.loads(constraints)
    given = [_without_nulls(one) for one in listed(constraints)]
    checks = check(given, results[0])
    return {"adheres": float(checks.all_met), "adheres_share": checks.share}


def _without_nulls(constraint: Any) -> Any:
    """Arrow gives every row the union of all rows' fields, null where a row has none."""
    if isinstance(constraint, Mapping):
        return {key: value for key, value in constraint.items() if value is not None}
    return constraint
