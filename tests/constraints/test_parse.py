"""What instructions in free text are read as, and how that compares with IFEval's own lists.

`pytest tests/constraints/test_parse.py -s` prints the table of docs/results/parsing.md.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adhere.constraints import Constraint, parse
from adhere.constraints.parse import find

WORDINGS: list[tuple[str, list[dict[str, Any]]]] = [
    ("Answer in under 50 words.", [{"kind": "length.words", "at_most": 49}]),
    ("Write between 3 and five sentences.", [{"kind": "length.sentences", "at_least": 3, "at_most": 5}]),
    ("Your answer should be 100 words or less.", [{"kind": "length.words", "at_most": 100}]),
    ("Write 300+ words.", [{"kind": "length.words", "at_least": 300}]),
    ("Use all lowercase letters.", [{"kind": "case.letters", "case": "lower"}]),
    ("Wrap your entire response with double quotation marks.", [{"kind": "format.quotation"}]),
    ("Do not use any commas.", [{"kind": "excludes.mark", "mark": "comma"}]),
    (
        "Include the keywords waste, material and meal.",
        [{"kind": "contains.terms", "terms": ["waste", "material", "meal"]}],
    ),
    (
        "Use the keywords 'indicator' and 'objective'.",
        [{"kind": "contains.terms", "terms": ["indicator", "objective"]}],
    ),
    (
        "Avoid using the following keywords: sleep, cook, feed",
        [{"kind": "excludes.terms", "terms": ["sleep", "cook", "feed"]}],
    ),
    ("Do not include keywords ['kill', 'slaughter'].", [{"kind": "excludes.terms", "terms": ["kill", "slaughter"]}]),
    ('The word "rock" should not appear in your response.', [{"kind": "excludes.terms", "terms": ["rock"]}]),
    ("Include the word story at least twice.", [{"kind": "contains.frequency", "term": "story", "at_least": 2}]),
    (
        "The word sneaker should appear 10 or more times.",
        [{"kind": "contains.frequency", "term": "sneaker", "at_least": 10}],
    ),
    ('Mention "sea" at most once.', [{"kind": "contains.frequency", "term": "sea", "at_most": 1}]),
    ("The letter t should appear at most once.", [{"kind": "contains.letter", "letter": "t", "at_most": 1}]),
    ('Do not include the letter "c".', [{"kind": "contains.letter", "letter": "c", "at_most": 0}]),
    ("Italicize at least 5 keywords.", [{"kind": "format.highlights", "at_least": 5}]),
    ("At least 5 words in the output should be in all caps.", [{"kind": "case.capital_words", "at_least": 5}]),
    ('The last sentence should be "So it goes."', [{"kind": "structure.end_phrase", "phrase": "So it goes."}]),
    (
        "Finish your response with this exact phrase: So what is next?",
        [{"kind": "structure.end_phrase", "phrase": "So what is next?"}],
    ),
    (
        "Write a haiku.\nFirst repeat the request above word for word, then answer.",
        [{"kind": "structure.repeat_prompt", "prompt": "Write a haiku."}],
    ),
    (
        'Answer with one of the following options: "My answer is yes.", "My answer is no."',
        [{"kind": "choice.options", "options": ["My answer is yes.", "My answer is no."]}],
    ),
    ("Write between 5 and 3 words.", []),
    ("There were 12 words on the wall, someone said.", []),
    ("```\nUse at most 5 words.\n```", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "wanted"), WORDINGS, ids=[text[:40] for text, _ in WORDINGS])
def test_an_instruction_is_read_as_it_is_meant(text: str, wanted: list[dict[str, Any]]) -> None:
    assert [constraint.to_json() for constraint in parse(text)] == wanted


def test_the_place_that_states_a_constraint_is_given() -> None:
    text = 'Write. Use the word "sea" at least 2 times, and write 3 lines.'
    found = find(text)
    assert [text[f.span.start : f.span.end] for f in found] == ['Use the word "sea" at least 2 times', "write 3 lines"]


HOSTILE = {
    "quotes": '"' * 50_000,
    "list": 'include "a", ' + '"a", ' * 20_000,
    "bare": "include the words " + "a, " * 30_000,
    "numbers": "12 " * 33_000,
    "stars": "separate *" + "*" * 90_000,
    "repeat": "repeat the exact exact " * 5_000,
    "lines": "\n" * 100_000,
    "letters": "a" * 100_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_prompt_makes_reading_slow(text: str) -> None:
    start = time.process_time()
    parse(text)
    assert time.process_time() - start < 5.0  # linear: some tenths; a pattern that backtracks takes minutes


SAME = {"case.letters": "case.english"}
"""One type in IFEval: only upper or only lower case, and English."""

STATED = frozenset(
    {
        "language.response",
        "length.words",
        "length.lines",
        "length.paragraphs",
        "style.register",
        "semantic.sentiment",
    }
)
"""Kinds that prompts state beside what IFEval lists: "in English" (a part of its case types), "a 500 word essay",
"exactly 4 paragraphs" (a part of its paragraph type), "in a formal way". Every such find was looked at and is stated by
its prompt, but for those in `WRONG`."""

WRONG = frozenset(
    {
        (1216, "language.response"),
        (1675, "language.response"),
        (1834, "length.words"),
        (3455, "length.words"),
        (3513, "length.words"),
    }
)
"""By prompt: "the Croatian and Serbian nations", "a translation in German", "5 words in all capital letters"."""


@dataclass
class Counts:
    asked: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    exact: Counter[str] = field(default_factory=Counter)
    unlisted: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)

    def line(self, kind: str) -> str:
        columns = (self.asked, self.found, self.exact, self.unlisted, self.false)
        return f"| {kind} | " + " | ".join(str(column[kind]) for column in columns) + " |"


def _type(constraint: Constraint) -> str:
    return SAME.get(constraint.kind, constraint.kind)


def _measure(path: Path) -> Counts:
    from adhere.constraints.benchmarks.ifeval import from_ifeval

    counts = Counts()
    for row in map(json.loads, path.read_text().splitlines()):
        wanted: list[Constraint] = [
            from_ifeval(name, {k: v for k, v in (kwargs or {}).items() if v is not None}, "fixed")
            for name, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True)
        ]
        counts.asked.update(map(_type, wanted))
        listed = frozenset(map(_type, wanted))
        for found in (entry.constraint for entry in find(row["prompt"])):
            same = [one for one in wanted if _type(one) == _type(found)]
            equal = [one for one in same if one == found or _type(one) == "case.english"]
            if same:
                wanted.remove((equal or same)[0])
                counts.found[_type(found)] += 1
                counts.exact[_type(found)] += bool(equal)
            elif "case.english" in listed and _type(found) == "case.english":
                counts.unlisted["case.english"] += 1  # "in all lowercase letters, no capital letters": said twice
            elif found.kind in STATED and (row["key"], found.kind) not in WRONG:
                counts.unlisted[_type(found)] += 1
            else:
                counts.false[_type(found)] += 1
    return counts


def test_ifevals_prompts_are_read_as_their_authors_list_them(shared_data: Path) -> None:
    counts = _measure(shared_data / "ifeval/input_data.jsonl")
    asked, found, exact = counts.asked.total(), counts.found.total(), counts.exact.total()
    unlisted, false = counts.unlisted.total(), counts.false.total()
    print("\n| type | listed | found | with its parameters | stated, not listed | false |\n|---|---|---|---|---|---|")
    for kind in sorted(counts.asked | counts.false | counts.unlisted):
        print(counts.line(kind))
    print(f"recall {found / asked:.3f} (with parameters {exact / asked:.3f}); ", end="")
    read = found + unlisted + false
    print(f"precision {(found + unlisted) / read:.3f}, against the lists alone {found / read:.3f}")
    assert found / asked >= 0.83
    assert (found + unlisted) / (found + unlisted + false) >= 0.96
