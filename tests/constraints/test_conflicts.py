"""A contradiction is claimed only where no text meets both."""

from __future__ import annotations

import gzip
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from adhere.constraints import contradict, from_json
from adhere.constraints.conflicts import RULES, conflicts
from adhere.constraints.registry import families


def _of(*records: dict[str, Any]) -> list[Any]:
    return [from_json(record) for record in records]


PAIRS = [
    ({"kind": "length.words", "at_most": 5}, {"kind": "length.words", "at_least": 9}),
    ({"kind": "contains.terms", "terms": ["sea", "sky"]}, {"kind": "excludes.terms", "terms": ["sky"]}),
    ({"kind": "contains.terms", "terms": ["New York"]}, {"kind": "excludes.terms", "terms": ["york"]}),
    ({"kind": "contains.frequency", "term": "sea", "at_least": 2}, {"kind": "excludes.terms", "terms": ["sea"]}),
    ({"kind": "contains.terms", "terms": ["sea"]}, {"kind": "contains.frequency", "term": "sea", "at_most": 0}),
    ({"kind": "contains.terms", "terms": ["a b c"]}, {"kind": "length.words", "at_most": 2}),
    ({"kind": "contains.letter", "letter": "e", "at_most": 0}, {"kind": "contains.terms", "terms": ["sea"]}),
    ({"kind": "length.words", "at_least": 9}, {"kind": "length.characters", "at_most": 8}),
    ({"kind": "case.english", "case": "upper"}, {"kind": "case.english", "case": "lower"}),
    ({"kind": "case.english", "case": "upper"}, {"kind": "case.letters", "case": "lower"}),
    ({"kind": "language.response", "language": "de"}, {"kind": "language.response", "language": "fr"}),
    ({"kind": "case.english", "case": "lower"}, {"kind": "language.response", "language": "de"}),
    ({"kind": "format.json"}, {"kind": "format.quotation"}),
    ({"kind": "format.json"}, {"kind": "structure.end_phrase", "phrase": "The end"}),
    ({"kind": "format.json"}, {"kind": "structure.repeat_prompt", "prompt": "Write JSON."}),
    ({"kind": "structure.end_phrase", "phrase": "The end."}, {"kind": "structure.end_phrase", "phrase": "Goodbye."}),
    ({"kind": "structure.end_phrase", "phrase": "one two three"}, {"kind": "length.words", "at_most": 2}),
    ({"kind": "structure.repeat_prompt", "prompt": "one two three"}, {"kind": "length.words", "at_most": 2}),
]

HARMLESS = [
    ({"kind": "length.words", "at_most": 9}, {"kind": "length.words", "at_least": 9}),
    ({"kind": "contains.terms", "terms": ["concatenate"]}, {"kind": "excludes.terms", "terms": ["cat"]}),
    (
        {"kind": "contains.frequency", "term": "sea", "at_least": 2},
        {"kind": "contains.frequency", "term": "sky", "at_most": 1},
    ),
    ({"kind": "structure.end_phrase", "phrase": "the end."}, {"kind": "structure.end_phrase", "phrase": "The end"}),
    ({"kind": "case.english", "case": "lower"}, {"kind": "language.response", "language": "en"}),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: " ".join(str(p) for p in pair)[:60])
def test_what_cannot_both_be_is_told_in_either_order(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    one, other = _of(*pair)
    assert contradict(one, other)
    assert contradict(other, one)


@pytest.mark.parametrize("pair", HARMLESS, ids=lambda pair: " ".join(str(p) for p in pair)[:60])
def test_what_can_both_be_is_not_called_a_contradiction(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert contradict(*_of(*pair)) is None


def test_every_rule_has_a_pair_above_and_speaks_of_families_there_are() -> None:
    covered = {frozenset((one["kind"], other["kind"])) for one, other in PAIRS}
    assert {frozenset(pair) for pair in RULES} <= covered | {frozenset(("contains.frequency", "length.words"))}
    assert {kind for pair in RULES for kind in pair} <= set(families())


def test_conflicts_names_the_pairs_among_several() -> None:
    found = conflicts(_of(*PAIRS[0], {"kind": "format.json"}, {"kind": "format.quotation"}))
    assert [(c.one.kind, c.other.kind) for c in found] == [
        ("length.words", "length.words"),
        ("format.json", "format.quotation"),
    ]


def test_no_pair_that_a_real_answer_met_is_called_a_contradiction(shared_data: Path) -> None:
    from adhere.constraints.benchmarks.ifeval import from_ifeval

    prompts = {row["key"]: row for row in map(json.loads, (shared_data / "ifeval/input_data.jsonl").open())}
    met = 0
    for name in ("gpt-4o-2024-08-06", "claude-3-5-sonnet-20240620"):
        with gzip.open(shared_data / f"ifeval/responses/{name}.jsonl.gz", "rt") as lines:
            for answer in map(json.loads, lines):
                row = prompts[answer["key"]]
                asked = [
                    from_ifeval(i, {k: v for k, v in (kw or {}).items() if v is not None}, "reference")
                    for i, kw in zip(row["instruction_id_list"], row["kwargs"], strict=True)
                ]
                good = [c for c, ok in zip(asked, answer["strict"], strict=True) if ok]
                for one, other in combinations(good, 2):
                    met += 1
                    assert contradict(one, other) is None, (one, other)
    assert met > 300
