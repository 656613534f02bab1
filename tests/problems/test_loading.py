"""Files and Hub data sets become problems, or a line that says what is wrong with them."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import types
from pathlib import Path

import pytest

from adhere.core.errors import UserError
from adhere.problems import load

GSM = {"question": "2 + 2?", "answer": "2 + 2 = 4\n#### 4"}
FILES = {
    "gsm8k/test.jsonl": ("gsm8k", "math", 1319),
    "math500/test.jsonl": ("math500", "math", 500),
    "humaneval/HumanEval.jsonl.gz": ("humaneval", "code", 164),
    "mbpp/mbpp.jsonl": ("mbpp", "code", 974),
    "mbpp/sanitized-mbpp.json": ("mbpp-sanitized", "code", 427),
    "multihop/hotpotqa_distractor_dev_200.jsonl": ("hotpotqa", "multihop", 200),
    "multihop/musique_ans_dev_200.jsonl": ("musique", "multihop", 200),
}


@pytest.mark.parametrize("name", FILES)
def test_every_public_file_is_recognised_whole(shared_data: Path, name: str) -> None:
    loaded = load(shared_data / name)
    assert (loaded.format, loaded.domain, len(loaded.problems)) == FILES[name]
    assert loaded.skipped == ()
    assert loaded.sha256 == hashlib.sha256((shared_data / name).read_bytes()).hexdigest()
    assert len({problem.id for problem in loaded.problems}) == len(loaded.problems)
    assert all(problem.reference and problem.prompt for problem in loaded.problems)


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_what_is_wrong_with_a_file_is_said_in_one_line(tmp_path: Path) -> None:
    cases = {
        "no such file": tmp_path / "absent.jsonl",
        "row 2 has no 'answer', which gsm8k needs": write(tmp_path / "a.jsonl", GSM, {"question": "?", "answer": None}),
        "fit no known format": write(tmp_path / "b.jsonl", {"x": 1}),
        "holds no rows": write(tmp_path / "c.jsonl"),
        "line 1 is not an object": write(tmp_path / "d.jsonl", "text"),
        "none of its 1 rows makes a problem": write(tmp_path / "e.jsonl", {"question": "?", "answer": "5"}),
        "row 1 is not in hotpotqa's layout": write(
            tmp_path / "f.jsonl", {"question": "?", "answer": "5", "context": 5}
        ),
    }
    bad = tmp_path / "g.jsonl"
    bad.write_text('{"question": ', encoding="utf-8")
    cases["line 1 is not JSON"] = bad
    latin = tmp_path / "h.jsonl"
    latin.write_bytes(b'{"question": "caf\xe9"}')
    cases["is not UTF-8"] = latin
    broken = tmp_path / "i.jsonl.gz"
    broken.write_bytes(b"no gzip")
    cases["cannot be read"] = broken
    for words, path in cases.items():
        with pytest.raises(UserError) as caught:
            load(path)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="no format is named"):
        load(tmp_path / "a.jsonl", format="gsm9k")


def test_named_format_is_held_to(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", GSM)
    assert load(path, format="gsm8k").format == "gsm8k"
    with pytest.raises(UserError, match="row 1 has no 'problem', which math500 needs"):
        load(path, format="math500")


def test_gzip_json_list_and_lines_hold_the_same(tmp_path: Path) -> None:
    rows = [GSM, {"question": "3 + 3?", "answer": "#### 6"}]
    lines = write(tmp_path / "a.jsonl", *rows)
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    listed = tmp_path / "c.json"
    listed.write_text(json.dumps(rows), encoding="utf-8")
    wrapped = tmp_path / "d.json"
    wrapped.write_text(json.dumps({"data": rows}, indent=1), encoding="utf-8")
    assert len({load(path).problems for path in (lines, packed, listed, wrapped)}) == 1


def test_rows_that_make_no_problem_are_left_out_and_counted(tmp_path: Path) -> None:
    loaded = load(write(tmp_path / "a.jsonl", GSM, {"question": "?", "answer": "no marks"}))
    assert (len(loaded.problems), loaded.rows) == (1, 2)
    assert loaded.skipped == (("2", "the answer does not end in '#### value'"),)


def test_limit_takes_the_first_or_draws_by_seed_and_the_hash_stays(shared_data: Path) -> None:
    whole = load(shared_data / "gsm8k/test.jsonl")
    first = load(shared_data / "gsm8k/test.jsonl", limit=5)
    drawn = [load(shared_data / "gsm8k/test.jsonl", limit=5, seed=seed).problems for seed in (1, 1, 2)]
    assert first.problems == whole.problems[:5]
    assert first.sha256 == whole.sha256
    assert drawn[0] == drawn[1] != drawn[2]


def test_hub_names_load_through_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def load_dataset(name: str, config: str | None, *, split: str) -> list[dict[str, str]]:
        asked.append((name, config, split))
        if name == "nobody/nothing":
            raise RuntimeError("Dataset 'nobody/nothing' doesn't exist\nlong trace")
        return [GSM]

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    loaded = load("openai/gsm8k")
    assert (loaded.source, loaded.format) == ("openai/gsm8k:main@test", "gsm8k")
    assert load("openai/gsm8k:socratic@train", format="gsm8k").sha256 == loaded.sha256
    assert asked == [("openai/gsm8k", "main", "test"), ("openai/gsm8k", "socratic", "train")]
    with pytest.raises(UserError, match="cannot be loaded from the Hub \\(Dataset 'nobody/nothing' doesn't exist\\)"):
        load("nobody/nothing")


def test_without_datasets_the_hub_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="pip install datasets"):
        load("openai/gsm8k")
