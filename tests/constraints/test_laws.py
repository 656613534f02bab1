"""The six laws of `constraint.py`, over every registered family and both profiles.

Texts are put together from pieces that matter: the strings among the constraint's parameters, the family's `pieces`,
and signs that formats are made of. A family needs nothing but `examples` to be tested here.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adhere.constraints import from_json, parse
from adhere.constraints.constraint import BROKEN, HOLDS, OPEN, Check, Constraint, Monitor, Verdict, join_surrogates
from adhere.constraints.registry import families

SIGNS = [
    " ", " ", "\n", "\n\n", "\r\n", ".", "?", "!", ",", "*", "**", "***", "-", "- ", "* ", "#", '"',
    "“", "”", "'", "’",
    "{", "}", "[", "]", ":", "<<", ">>", "(", ")", "```", "a", "A", "B", "b", "i", "1", "3.5", "é",
    "é", "ß", "漢", "。",
    "ไ", "न", "😀", "👍🏽", "\ud83d", "\ude00", "x", "word", "WORD", "Dr.", "etc.", "The", "P.S.", "don't", "\t",
]  # fmt: skip

EXAMPLES = [
    pytest.param(example, id=f"{kind}-{number}")
    for kind, family in families().items()
    for number, example in enumerate(family.examples())
]
FIXED = EXAMPLES
REFERENCE = [pytest.param(example.values[0].under("reference"), id=str(example.id)) for example in EXAMPLES]
EARLY = [example for example in EXAMPLES if example.values[0].decides_early]


def strings_in(value: object) -> list[str]:
    """Every string in a constraint's JSON but the names of kinds and profiles."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [s for key, v in value.items() if key not in ("kind", "profile") for s in strings_in(v)]
    return [s for v in value for s in strings_in(v)] if isinstance(value, list | tuple) else []


@cache
def pieces(constraint: Constraint) -> list[str]:
    own = strings_in(constraint.to_json())
    words = [word for text in own for word in text.split()]
    own += constraint.pieces
    return SIGNS + [*own, *words, *(word[:1] for word in words), *(word.upper() for word in words)] * 2


def texts(constraint: Constraint) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces(constraint)), max_size=14).map("".join)


def read_in(constraint: Constraint, chunks: list[str]) -> tuple[list[Verdict], Check]:
    monitor = constraint.monitor()
    verdicts = [monitor.feed(chunk) for chunk in chunks]
    return verdicts, monitor.close()


def quick(examples: int) -> settings:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=checks, database=None)


@pytest.mark.parametrize("constraint", FIXED)
@quick(10)
@given(data=st.data())
def test_a_verdict_is_final_and_does_not_depend_on_how_the_text_is_cut(
    constraint: Constraint, data: st.DataObject
) -> None:
    holds_to_the_laws(constraint, data)


@pytest.mark.parametrize("constraint", REFERENCE)
@quick(3)
@given(data=st.data())
def test_the_reference_profile_is_a_monitor_too(constraint: Constraint, data: st.DataObject) -> None:
    holds_to_the_laws(constraint, data)


def holds_to_the_laws(constraint: Constraint, data: st.DataObject) -> None:
    text = data.draw(texts(constraint))
    by_character, check = read_in(constraint, list(text))
    whole = constraint.check(text)
    assert whole == check, "agreement: the check is the monitor fed whole"
    assert whole.reason

    for before, after in pairwise(by_character):
        assert before is OPEN or after is before, "finality: a decided verdict never changes"
    if by_character and by_character[-1].decided:
        assert check.verdict is by_character[-1], "finality: the check keeps what was decided"
    assert check.verdict is not OPEN

    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    bounds = [0, *cuts, len(text)]
    chunks = [text[start:end] for start, end in pairwise(bounds)]
    verdicts, in_chunks = read_in(constraint, chunks)
    assert in_chunks == check, "chunk-blindness: the check"
    for verdict, end in zip(verdicts, bounds[1:], strict=True):
        expected = by_character[end - 1] if end else constraint.monitor().verdict
        assert verdict is expected, f"chunk-blindness: the verdict after {end} characters"

    monitor = constraint.monitor()
    monitor.feed(chunks[0])
    fork = monitor.fork()
    monitor.feed("word, and more. A")
    fork.feed(text[len(chunks[0]) :])
    assert fork.close() == check, "a fork goes its own way"
    assert monitor.close() == constraint.check(chunks[0] + "word, and more. A"), "and so does what it left"

    joined = join_surrogates(text)
    assert check.at is not None
    assert 0 <= check.at <= len(joined)
    for span in check.spans:
        assert 0 <= span.start <= span.end <= len(joined)


@pytest.mark.parametrize("constraint", EARLY)
@quick(8)
@given(data=st.data())
def test_a_verdict_comes_at_the_first_character_where_it_is_true(constraint: Constraint, data: st.DataObject) -> None:
    """Brute force over `continuations`: where the monitor stayed open, one meets the constraint and another breaks it;
    where it decided, none does otherwise."""
    text = data.draw(st.lists(st.sampled_from(near(constraint)), min_size=1, max_size=4).map("".join))
    before = monitor = constraint.monitor()
    for c in text:
        if monitor.verdict.decided:
            break
        before = monitor.fork()
        monitor.feed(c)
    still_open = before if monitor.verdict.decided else monitor
    if not still_open.verdict.decided:
        outcomes = outcomes_of(still_open, constraint)
        assert len(outcomes) == 2, f"{constraint!r} could be seen to be {outcomes} earlier in {text!r}"
    if monitor.verdict.decided:
        assert {fork_check(monitor, tail) for tail in continuations(constraint)[:60]} == {monitor.verdict}


def outcomes_of(monitor: Monitor, constraint: Constraint) -> set[Verdict]:
    """What may become of the text; both are looked for no further than needed."""
    outcomes: set[Verdict] = set()
    for tail in continuations(constraint):
        outcomes.add(fork_check(monitor, tail))
        if len(outcomes) == 2:
            break
    return outcomes


def near(constraint: Constraint) -> list[str]:
    own = strings_in(constraint.to_json())
    return [*constraint.pieces, *own, *(text[: len(text) // 2] for text in own if len(text) > 1), "a", " ", "."]


MOST_CONTINUATIONS = 600


@cache
def continuations(constraint: Constraint) -> list[str]:
    """What may follow: everything short that the family's pieces and the constraint's own strings make."""
    own = strings_in(constraint.to_json())
    rests = [text[k:] for text in own for k in range(len(text))]
    found = [" ".join(own), f" {' '.join(own)} ", *rests, *(rest + " more" for rest in rests)]
    alphabet = list(dict.fromkeys([*constraint.pieces, *own[:3]])) or ["a", " "]
    for length in range(8):
        if len(alphabet) ** length > MOST_CONTINUATIONS * 3:
            break
        found += ["".join(tail) for tail in product(alphabet, repeat=length)]
    return list(dict.fromkeys(found))[: MOST_CONTINUATIONS * 4]


def fork_check(monitor: Monitor, tail: str) -> Verdict:
    fork = monitor.fork()
    fork.feed(tail)
    return Verdict.of(fork.close().met)


@pytest.mark.parametrize("family", [pytest.param(family, id=kind) for kind, family in families().items()])
@quick(8)
@given(data=st.data())
def test_what_is_induced_from_a_text_is_met_by_it(family: type[Constraint], data: st.DataObject) -> None:
    text = data.draw(texts(family.examples()[0]))
    for constraint in family.induce(text):
        assert constraint.check(text).verdict is HOLDS, constraint


@pytest.mark.parametrize("constraint", EXAMPLES)
def test_the_sentence_of_a_constraint_reads_back_as_the_constraint(constraint: Constraint) -> None:
    assert parse(constraint.describe()) == (constraint,)


@pytest.mark.parametrize("constraint", [*FIXED, *REFERENCE])
def test_the_json_of_a_constraint_reads_back_as_the_constraint(constraint: Constraint) -> None:
    record = json.loads(json.dumps(constraint.to_json()))
    assert from_json(record) == constraint
    assert hash(from_json(record)) == hash(constraint)


@pytest.mark.parametrize("constraint", [*FIXED, *REFERENCE])
def test_an_empty_text_has_a_verdict_with_a_reason(constraint: Constraint) -> None:
    check = constraint.check("")
    assert check.reason
    assert check.verdict is not OPEN
    assert check.at == 0
    assert all(span.start == span.end == 0 for span in check.spans)


def test_every_family_is_met_by_something_and_broken_by_something_where_it_decides_early() -> None:
    """So that the brute force above is not vacuous."""
    for example in EARLY:
        constraint = example.values[0]
        assert outcomes_of(constraint.monitor(), constraint) == {HOLDS, BROKEN}, constraint
