"""What a monitor tells of a text that is still being written, beside its verdict: how it stands, what is unsettled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.constraints.test_laws import EXAMPLES, quick, texts

from adhere.constraints import from_json
from adhere.constraints.constraint import BROKEN, AtEnd, Constraint

FORBIDDING = [
    {"kind": "excludes.terms", "terms": ["sea"]},
    {"kind": "excludes.terms", "terms": ["new york", "C++", "york city"]},
    {"kind": "contains.frequency", "term": "sea", "at_most": 1},
    {"kind": "style.toxicity"},
    {"kind": "not", "of": {"kind": "contains.terms", "terms": ["new york"]}},
    {
        "kind": "all_of",
        "of": [{"kind": "excludes.terms", "terms": ["sea"]}, {"kind": "excludes.terms", "terms": ["sky"]}],
    },
]


@pytest.mark.parametrize("constraint", EXAMPLES)
@quick(10)
@given(data=st.data())
def test_how_a_text_stands_is_what_ending_it_there_would_give(constraint: Constraint, data: st.DataObject) -> None:
    text = data.draw(texts(constraint))
    cut = data.draw(st.integers(0, len(text)))
    monitor = constraint.monitor()
    monitor.feed(text[:cut])
    monitor.feed(text[cut:])
    standing = monitor.standing()
    if not isinstance(monitor, AtEnd):
        assert standing is constraint.check(text).verdict
    assert monitor.close() == constraint.check(text)  # asking changed nothing


@pytest.mark.slow
@pytest.mark.parametrize("record", FORBIDDING, ids=str)
@quick(300)
@given(data=st.data())
def test_nothing_forbidden_began_before_what_is_unsettled(record: dict[str, object], data: st.DataObject) -> None:
    constraint = from_json(record)
    words = [
        "sea",
        "sky",
        " ",
        "new",
        "york",
        "city",
        "C++",
        "C",
        "+",
        "s",
        "e",
        "a",
        "stupid",
        "stu",
        "pid",
        "\n",
        ".",
        "É",
    ]
    monitor = constraint.monitor()
    let_go = length = 0
    for chunk in data.draw(st.lists(st.sampled_from(words), max_size=25)):
        length += len(chunk)
        if monitor.feed(chunk) is BROKEN:
            break
        let_go = max(let_go, length - monitor.unsettled())
    check = monitor.close()
    if check.verdict is BROKEN:
        # of several occurrences the last one breaks a frequency: those before it were allowed
        first = check.spans[-1] if record["kind"] == "contains.frequency" else check.spans[0]
        assert first.start >= let_go


def test_no_more_than_a_beginning_is_unsettled() -> None:
    monitor = from_json({"kind": "excludes.terms", "terms": ["password"]}).monitor()
    for text, unsettled in (("my ", 0), ("pass", 4), ("es ", 0), ("the password", 8), ("s", 0)):
        monitor.feed(text)
        assert monitor.unsettled() == unsettled, text
