"""IFTrain's rules say what their instructions say; the reference profile keeps its checker's answers and faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adhere.constraints.benchmarks.iftrain import IDS, from_iftrain
from adhere.core.errors import UserError
from adhere.measure.adherence.scoring import score
from adhere.measure.adherence.tally import Subject

REQUEST = {"prompt_to_repeat": "Say sea."}
CASES: list[tuple[str, dict[str, Any], str, bool, bool]] = [
    ("copy:repeat_phrase", {"phrase": "a b c", "small_n": 2}, "a x c a y c", True, True),
    ("copy:repeat_phrase", {"phrase": "a b c", "small_n": 1}, "a b c", False, False),
    ("copy:copy", REQUEST, " say SEA.\n", True, True),
    ("new:copy_span_idx", {**REQUEST, "n_start": 0, "n_end": 3}, "Say", True, True),
    ("detectable_format:sentence_hyphens", {}, "It is.-So it is.", True, True),
    ("detectable_format:sentence_hyphens", {}, "It is. So it is.", False, False),
    ("keywords:no_adjacent_consecutive", {}, "an old boat", True, True),
    ("keywords:no_adjacent_consecutive", {}, "a boat", False, False),
    ("detectable_format:square_brackets", {}, "[so] [it] [is].", True, False),
    ("keywords:word_once", {"keyword": "cat"}, "a cat concatenates", True, False),
    (
        "keywords:word_count_different_numbers",
        {"keyword": "cat", "frequency": 2, "relation": "less than"},
        "a cat",
        True,
        True,
    ),
    ("keywords:exclude_word_harder", {"keyword": "cat"}, "a cat.", False, True),
    ("paragraphs:paragraphs", {}, "one\n***\ntwo", True, True),
    ("paragraphs:paragraphs2", {}, "one\n\ntwo", True, True),
    ("first_word:first_word_sent", {"first_word": "we"}, "We go. “We” stay.", True, False),
    ("first_word:first_word_answer", {"first_word": "we"}, "We, too.", True, False),
    ("last_word:last_word_sent", {"last_word": "sea"}, "The sea. A sea!", True, True),
    ("last_word:last_word_answer", {"last_word": "sea"}, "The sea.", True, True),
    ("detectable_format:bigram_wrapping", {}, "<<I am>> <<at home>>", True, True),
    ("detectable_format:bigram_wrapping", {}, "home", False, True),
    ("copy:copying_simple", REQUEST, "Say sea.", True, True),
    ("copy:copying_multiple", {**REQUEST, "N": 2}, "Say sea. ****** Say sea.", True, True),
    ("punctuation:punctuation_dot", {}, "so。", False, True),
    ("punctuation:punctuation_exclamation", {}, "so", True, True),
    ("count:lowercase_counting", {"N": 2}, "The old sea", True, True),
    ("count:lowercase_counting", {"N": 1}, "été là", False, True),
    ("letters:letter_counting", {"N": 3, "relation": "at least"}, "s e a", True, True),
    ("letters:letter_counting", {"N": 3, "relation": "less than"}, "été", False, True),
    ("letters:letter_counting2", {"letter": "e", "let_frequency": 1, "let_relation": "at least"}, "sea", True, True),
    (
        "count:counting_composition",
        {"n_sent": 2, "n_words": 3},
        " *** ".join(["I am here. You are there."] * 3),
        True,
        False,
    ),
    ("count:count_unique", {}, "The sea, the sky, a sun", False, False),
    ("count:count_unique", {}, "a, b, c", True, False),
    ("count:count_increment_word", {"keyword1": "sea", "keyword2": "sky"}, "sea sky sky", True, True),
    ("keywords:palindrome", {}, "I see a boat", False, True),
    ("keywords:palindrome", {}, "a level field", True, True),
    ("keywords:keyword_specific_position", {"keyword": "sea", "n": 2, "m": 3}, "One. By the sea.", True, True),
    ("keywords:start_end", {}, "Sea and sea", True, True),
    ("keywords:start_end", {}, "Sea and sea.", False, False),
]


def test_every_id_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(IDS)
    assert len(IDS) == 29


@pytest.mark.parametrize(("name", "given", "text", "fixed", "reference"), CASES)
def test_what_follows_a_rule(name: str, given: dict[str, Any], text: str, fixed: bool, reference: bool) -> None:
    assert from_iftrain(name, given).check(text).met is fixed
    assert from_iftrain(name, given, "reference").check(text).met is reference


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("copy:copying", {}, "nearest: copy:copy"),
        ("letters:letter_counting", {"N": 3}, "relation must be a text"),
        ("letters:letter_counting", {"N": "3", "relation": "at least"}, "N must be a whole number"),
        ("keywords:palindrome", {"n": 3}, "takes no n"),
    ],
)
def test_what_is_wrong_with_an_instruction_is_said(name: str, given: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        from_iftrain(name, given)


def test_rows_of_open_instruct_are_read_as_they_are(tmp_path: Path) -> None:
    row = {
        "key": "personas_IF_3760",
        "messages": [{"content": "Say sea. Include a palindrome in your response.", "role": "user"}],
        "ground_truth": "[{'instruction_id': ['keywords:palindrome', 'length_constraints:number_words'], "
        "'kwargs': [None, {'num_words': 5, 'relation': 'less than'}]}]",
        "dataset": "ifeval",
        "constraint_type": "multi",
        "response": "A level sea",
    }
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps(row))
    assert score([path]).tally.prompts(Subject("m", "iftrain")).met == 1
