"""Scores in Inspect logs, for a paired comparison of two of them.

Two runs of a task are paired by sample and epoch; epochs of one sample are a cluster. A scorer whose value is a mapping
gives one metric per key. "C", "P", "I", "N" and truth values become numbers as in Inspect. A sample that ended with an
error was asked and has no answer: it scores 0 in every metric whose values lie between 0 and 1, and is counted. Scores
that are no number, and errors in metrics of another range, are left out and counted.

Inspect's maintainers pointed to extensions for this (inspect_ai issues 2176, 4206).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adhere.core.errors import UserError
from adhere.measure.statistics.rates import Cluster


@dataclass(slots=True)
class LogScores:
    """The scores of one log."""

    path: str
    model: str
    task: str
    metrics: dict[str, dict[tuple[str, int], float]] = field(default_factory=dict)
    """By metric, by sample and epoch."""
    left_out: int = 0
    """Scores that are missing or no number."""
    failed: list[tuple[str, int]] = field(default_factory=list)
    """Samples, with their epoch, that ended with an error."""


def is_log(path: str | os.PathLike[str]) -> bool:
    """Whether the file's name is that of an Inspect log."""
    return os.fspath(path).endswith(".eval")


def read_scores(path: str | os.PathLike[str]) -> LogScores:
    """The scores in the Inspect log at `path`.

    Raises:
        UserError: it cannot be read, inspect_ai is not installed, or there is no score in it.
    """
    try:
        from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries
        from inspect_ai.scorer import value_to_float
    except ModuleNotFoundError:
        raise UserError("an Inspect log needs inspect_ai: pip install 'adhere[measure]'") from None
    name = os.fspath(path)
    try:
        head = read_eval_log(name, header_only=True)
        summaries = read_eval_log_sample_summaries(name)
    except FileNotFoundError:
        raise UserError(f"{name}: no such file") from None
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{name}: not an Inspect log ({reason})") from error
    scores = LogScores(name, head.eval.model, head.eval.task)
    number = value_to_float()
    for sample in summaries:
        if sample.error and not sample.scores:
            scores.failed.append((str(sample.id), sample.epoch))
        for scorer, score in (sample.scores or {}).items():
            for metric, value in _values(scorer, score.value).items():
                numeric = _number(value, number)
                if numeric is None:
                    scores.left_out += 1
                else:
                    scores.metrics.setdefault(metric, {})[str(sample.id), sample.epoch] = numeric
    for values in scores.metrics.values():
        if all(0 <= value <= 1 for value in values.values()):
            values.update(dict.fromkeys(scores.failed, 0.0))
        else:
            scores.left_out += len(scores.failed)
    if not scores.metrics:
        raise UserError(f"{name}: no scores in it")
    return scores


def _values(scorer: str, value: Any) -> dict[str, Any]:
    """A score's values by metric."""
    if isinstance(value, Mapping):
        return {f"{scorer}/{key}": entry for key, entry in value.items()}
    return {scorer: value}


_LETTERS = frozenset("CPIN")
_WORDS = frozenset({"yes", "true", "no", "false"})


def _number(value: Any, convert: Any) -> float | None:
    """A score as a number; None where it is none. (Inspect's own conversion makes 0 of any word, and says so only.)"""
    if isinstance(value, str) and value not in _LETTERS and value.lower() not in _WORDS:
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, (str, int, float)):
        return None
    number = float(convert(value))
    return number if math.isfinite(number) else None


def paired_scores(a: LogScores, b: LogScores) -> dict[str, list[Cluster]]:
    """By metric that both have, the sums of both over the epochs that both have, one cluster per sample.

    Raises:
        UserError: the logs have no metric, or no sample, in common.
    """
    shared = [metric for metric in a.metrics if metric in b.metrics]
    if not shared:
        raise UserError(f"no scorer in common: {', '.join(a.metrics)} against {', '.join(b.metrics)}")
    by_metric: dict[str, list[Cluster]] = {}
    for metric in shared:
        first, second = a.metrics[metric], b.metrics[metric]
        sums: dict[str, list[float]] = {}
        for place in first.keys() & second.keys():
            entry = sums.setdefault(place[0], [0.0, 0.0, 0])
            entry[0] += first[place]
            entry[1] += second[place]
            entry[2] += 1
        if sums:
            by_metric[metric] = [Cluster(x, y, int(n)) for _, (x, y, n) in sorted(sums.items())]
    if not by_metric:
        raise UserError(f"no sample in common: {a.path} and {b.path} are of other tasks or data")
    return by_metric
