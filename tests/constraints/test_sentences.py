"""Sentences end where NLTK's Punkt says, whatever the chunks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adhere.constraints.families.sentences import Sentences
from adhere.constraints.reading import sentences

PIECES = [" ", "\n", ".", "!", "?", ")", '"', "”", "a", "B", "Dr", "e.g", "3", "'", "--", "。", "\xa0", " \n", "U.S"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Hello there. Dr. Smith went home! Really?", 3),
        ("Wow!!", 1),
        ("He paid $3.5. Then (he left.) Yes.", 3),
        ("今天很好。我们去海边！", 2),
        ("यह पहला है। यह दूसरा है।", 2),
        ("no end at all", 1),
        ("... !!! ???", 0),
        ("", 0),
        ("“Is it?” she asked. “It is.”", 3),
        ("a" * 500 + ". Next.", 2),
    ],
)
def test_sentences_are_counted_as_a_reader_would(text: str, count: int) -> None:
    assert Sentences(at_least=0).check(text).found == count


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_the_reference_counts_what_nltk_splits(text: str) -> None:
    assert sentences.count_by_punkt(text) == len(sentences.tokenizer().tokenize(text))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.integers(1, 9))
def test_counting_by_words_is_counting_by_chunks(text: str, size: int) -> None:
    long = "So it was. " * 30 + text + " And then"
    whole, cut = sentences.Sentences(), sentences.Sentences()
    whole.read(long)
    for at in range(0, len(long), size):
        cut.read(long[at : at + size])
    assert (whole.count, whole.finish()) == (cut.count, cut.finish())


def test_the_reference_counts_what_nltk_splits_on_real_answers(shared_data: Path) -> None:
    path = shared_data / "ifeval" / "responses" / "gpt-4-1106.jsonl.gz"
    if not path.is_file():
        pytest.skip("the responses to IFEval are not there")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["response"] for line in lines][:250]
    for text in texts:
        assert sentences.count_by_punkt(text) == len(sentences.tokenizer().tokenize(text))
