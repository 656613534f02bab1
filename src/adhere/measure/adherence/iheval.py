"""Rows of IHEval (arXiv 2502.08745), rule following: rules in the system prompt, which the user repeats or contradicts.

    {"id": ..., "system": ..., "conversation_history": [user, assistant, ...], "instruction": ...,
     "answer": {"instruction_id_list": [...], "kwargs": [...]}, "response": ...}

What counts are the rules of the system prompt, IFEval's ids; the user's own stand in the text only. So the share of
instructions followed is the rate by which the system prompt wins, in the files of conflicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_row(record: Mapping[str, Any]) -> bool:
    """Whether a record is a row of IHEval's rule following."""
    answer = record.get("answer")
    return isinstance(record.get("instruction"), str) and isinstance(answer, dict) and "instruction_id_list" in answer


def as_benchmark(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row in the form of IFEval's, with its conversation as `messages`; any other record as it is."""
    if not is_row(record):
        return record
    history = record.get("conversation_history") or []
    turns = [{"role": ("user", "assistant")[at % 2], "content": str(text)} for at, text in enumerate(history)]
    system = [{"role": "system", "content": record["system"]}] if isinstance(record.get("system"), str) else []
    asked = {"role": "user", "content": record["instruction"]}
    return {**record, **record["answer"], "prompt": record["instruction"], "messages": [*system, *turns, asked]}
