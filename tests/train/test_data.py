"""Rows, data hygiene and pools: what must not be trained on, and what a pair is made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adhere.constraints import Include, Words
from adhere.core.errors import UserError
from adhere.train.hygiene import apart, of_use, without_evaluation
from adhere.train.pool import check_answers, kept, pairs, sampled_from_json
from adhere.train.reward import Reward
from adhere.train.rows import PromptRow, read_rows, row_from_json

LONG = "Write a short story about a brave little fox who finds a golden key in the old forest"


def row(text: str, *constraints: object, identity: str = "") -> PromptRow:
    return PromptRow(identity or text, ({"role": "user", "content": text},), tuple(constraints))  # type: ignore[arg-type]


def test_an_evaluation_prompt_is_left_out_whatever_its_case_and_marks() -> None:
    cleaned = without_evaluation([row("Tell me about the sea!"), row("Tell me about rain.")], ["tell me about the SEA"])
    assert ([one.text for one in cleaned.rows], cleaned.same) == (["Tell me about rain."], 1)


def test_a_prompt_that_shares_most_of_its_words_in_order_is_left_out_and_counted() -> None:
    cleaned = without_evaluation([row(f"Please. {LONG}."), row("Write about a fox and a key.")], [LONG])
    assert (len(cleaned.rows), cleaned.overlapping, cleaned.same) == (1, 1, 0)


def test_a_prompt_that_stands_twice_is_trained_on_once() -> None:
    cleaned = without_evaluation([row("The sea", identity="a"), row("the sea.", identity="b")], [])
    assert ([one.id for one in cleaned.rows], cleaned.duplicates) == (["a"], 1)


def test_a_system_prompt_does_not_hide_an_evaluation_prompt() -> None:
    hidden = PromptRow("x", ({"role": "system", "content": "Be brief."}, {"role": "user", "content": LONG}), ())
    assert without_evaluation([hidden], [LONG]).rows == ()


def test_rows_with_a_held_out_kind_are_kept_apart() -> None:
    rows = [row("a", Words(at_most=3)), row("b", Words(at_most=3), Include(terms=("sea",)))]
    assert [one.text for one in apart(rows, ["contains.terms"])] == ["a"]


@pytest.mark.parametrize(("share", "useful"), [(0.0, False), (0.1, True), (0.9, True), (0.95, False), (1.0, False)])
def test_prompts_that_all_answers_pass_or_fail_are_of_no_use(share: float, useful: bool) -> None:
    assert of_use(share) is useful


def test_constraints_that_a_prompt_states_in_words_are_read() -> None:
    assert row_from_json({"prompt": "Describe the sea in at most 9 words."}).constraints == (Words(at_most=9),)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["nonsense"], "line 1: no JSON"),
        (['{"prompt": ""}'], "line 1"),
        (['{"prompt": "Say hello."}'], "neither constraints nor a problem"),
        (['{"prompt": "In 3 words.", "id": "a"}', '{"prompt": "In 4 words.", "id": "a"}'], "lines 1 and 2"),
        ([json.dumps({"prompt": "x", "constraints": [{"kind": "no.such"}]})], "no.such"),
    ],
)
def test_a_malformed_row_is_named_by_its_line(lines: list[str], problem: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(UserError, match=problem):
        read_rows(path)


def test_a_pool_keeps_what_passes_and_pairs_it_with_what_does_not() -> None:
    rows = [row("useful", Include(terms=("sea",))), row("easy", Words(at_most=9))]
    answers = [[(text, 2) for text in ("the sea", "the sea", "a lake", "***")], [("one", 1), ("two", 1)]]
    pool = [sampled_from_json(json.loads(json.dumps(one.to_json()))) for one in check_answers(rows, answers, Reward())]
    assert [one.share for one in pool] == [0.5, 1.0]
    assert [(prompt.text, answer.text) for prompt, answer in kept(pool)] == [("useful", "the sea")]
    assert [(good.text, bad.text) for _, good, bad in pairs(pool)] == [("the sea", "a lake")]


def test_an_answer_that_does_not_solve_its_problem_does_not_pass() -> None:
    record = {"prompt": "2 + 2? Use at most 5 words.", "problem": {"domain": "math", "prompt": "2 + 2?", "answer": "4"}}
    [prompt] = check_answers([row_from_json(record)], [[("It is 4.", 3), ("It is 5.", 3)]], Reward())
    assert [answer.passes for answer in prompt.answers] == [True, False]


def test_sampling_resumes_after_a_kill_and_asks_only_for_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from adhere.api import train_sampling

    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": f"Describe the sea in {n} words."}) + "\n" for n in (5, 6, 7)))
    first = train_sampling.filter_answers("pocket", prompts, tmp_path / "pool", samples=2, max_tokens=8, limit=2)
    assert (first.prompts, first.answers) == (2, 4)
    pool = tmp_path / "pool" / "pool.jsonl"
    whole = pool.read_text()
    pool.write_text(whole[:-20])  # a kill within the second line

    asked: list[str] = []
    ask = train_sampling.sample_answers

    async def counted(model: object, rows: list[PromptRow], *rest: object) -> object:
        asked.extend(one.text for one in rows)
        return await ask(model, rows, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(train_sampling, "sample_answers", counted)
    again = train_sampling.filter_answers("pocket", prompts, tmp_path / "pool", samples=2, max_tokens=8)
    assert asked == ["Describe the sea in 6 words.", "Describe the sea in 7 words."]
    assert again.prompts == 3
    assert pool.read_text().startswith(whole.splitlines()[0])
    with pytest.raises(UserError, match="another samples"):
        train_sampling.filter_answers("pocket", prompts, tmp_path / "pool", samples=3, max_tokens=8)
