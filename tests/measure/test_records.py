"""A record comes back from its line; a journal survives a kill."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adhere.core.errors import UserError
from adhere.measure.adherence import journal
from adhere.measure.adherence.journal import Bad, Journal
from adhere.measure.adherence.records import ConstraintOutcome, Instruction, Record

TEXT = st.text(max_size=20)
SPANS = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=3).map(tuple)
OUTCOME = st.builds(
    ConstraintOutcome,
    strict=st.booleans(),
    loose=st.booleans(),
    verdict=st.sampled_from(["holds", "broken", "unsure"]),
    reason=TEXT,
    found=st.none() | TEXT | st.integers(),
    wanted=st.none() | TEXT | st.integers(),
    spans=SPANS,
    at=st.none() | st.integers(0, 99),
)
INSTRUCTION = st.builds(
    Instruction,
    kind=TEXT,
    constraint=st.dictionaries(TEXT, TEXT | st.integers(), max_size=2),
    skill=st.none() | TEXT,
    asked_as=st.none() | TEXT,
    fixed=st.none() | OUTCOME,
    reference=st.none() | OUTCOME,
    excerpt=st.text(st.characters(), max_size=9),
    excerpt_start=st.integers(0, 9),
) | st.builds(Instruction, kind=TEXT, constraint=st.just({}))
RECORD = st.builds(
    Record,
    model=TEXT,
    set=TEXT,
    prompt_id=TEXT,
    epoch=st.integers(1, 9),
    file=TEXT,
    line=st.integers(0, 99),
    prompt=st.text(st.characters(), max_size=20),
    length=st.integers(0, 99),
    instructions=st.lists(INSTRUCTION, min_size=1, max_size=3).map(tuple),
    removed=SPANS,
    degenerate=st.lists(st.sampled_from(["loop", "empty"]), max_size=2, unique=True).map(tuple),
    digest=TEXT,
)


@given(RECORD)
def test_a_record_is_one_line_and_comes_back_equal(record: Record) -> None:
    line = record.to_line()
    assert "\n" not in line
    assert line.isascii()
    assert Record.from_line(line) == record


@given(st.lists(RECORD, min_size=1, max_size=4), st.integers(1, 30))
def test_a_journal_cut_anywhere_in_its_last_line_carries_on(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "records.jsonl"
    log = Journal(path, fresh={"files": []})
    log.append(record.to_line() for record in records)
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut] if cut < len(records[-1].to_line()) else whole[:-1])
    assert list(journal.entries(path)) == records[:-1]
    log = Journal(path)
    log.append([records[-1].to_line()])
    log.finish(len(records))
    log.close()
    assert list(journal.entries(path)) == records
    state = journal.state(path)
    assert state is not None
    assert state.done


def test_bad_lines_are_kept_too(tmp_path: Path) -> None:
    bad = Bad("f.jsonl", 3, "not JSON", "00")
    log = Journal(tmp_path / "j", fresh={})
    log.append([bad.to_line()])
    log.close()
    assert list(journal.entries(tmp_path / "j")) == [bad]


def test_a_damaged_journal_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "j"
    Journal(path, fresh={}).close()
    path.write_bytes(path.read_bytes() + b"{}\n{}\n")
    with pytest.raises(UserError, match="j:2: damaged"):
        list(journal.entries(path))


def test_what_is_no_journal_is_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "j"
    assert journal.state(path) is None
    path.write_text('{"prompt": 1}\n')
    assert journal.state(path) is None
    with pytest.raises(UserError, match="cannot write"):
        Journal(tmp_path / "no" / "where" / "j")
