"""Every form of saved responses is read; everything else is one clear line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adhere.core.errors import UserError
from adhere.measure.adherence.journal import Bad
from adhere.measure.adherence.responses import Line, NothingStated, Prompts, Response, lines, model_of, read

OURS = {"prompt": "Say sea.", "constraints": [{"kind": "contains.terms", "terms": ["sea"]}]}
THEIRS = {"key": 7, "prompt": "No commas.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}


def line(record: Any, file: str = "m.jsonl", number: int = 2) -> Line:
    raw = record if isinstance(record, bytes) else json.dumps(record).encode()
    return Line(file, number, raw, "")


def one(record: Any, prompts: Prompts | None = None) -> Response:
    (response,) = read(line(record), prompts)
    return response


def problem(record: Any, prompts: Prompts | None = None) -> str:
    with pytest.raises(UserError) as caught:
        read(line(record), prompts)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_our_form() -> None:
    response = one({**OURS, "response": "The sea."})
    assert response.model == "m"
    assert response.answer.text == "The sea."
    assert response.question.asked[0].parameters["kind"] == "contains.terms"
    assert response.question.prompt_id == one({**OURS, "response": "other"}).question.prompt_id


def test_the_benchmarks_form_with_nulls_filled_in_as_on_the_hub() -> None:
    response = one({**THEIRS, "kwargs": [{"num_words": None, "relation": None}], "response": "x", "model": "gpt"})
    assert response.model == "gpt"
    assert response.question.prompt_id == "7"
    assert response.question.asked[0].parameters == {}


def test_an_explicit_zero_is_kept() -> None:
    assert one({**THEIRS, "kwargs": [{"n": 0}], "response": ""}).question.asked[0].parameters == {"n": 0}


def test_responses_apart_are_joined_by_key_or_by_prompt(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps(THEIRS) + "\n" + json.dumps(OURS) + "\n")
    prompts = Prompts.load(path)
    assert one({"key": 7, "response": "x"}, prompts).question.prompt == "No commas."
    assert one({"key": "7", "response": "x"}, prompts).question.prompt == "No commas."
    assert one({"prompt": "Say sea.", "response": "x"}, prompts).question.prompt == "Say sea."
    assert "no prompt has the key 8" in problem({"key": 8, "response": "x"}, prompts)
    assert "not in the prompts file" in problem({"prompt": "other", "response": "x"}, prompts)
    assert '"key" or "prompt"' in problem({"response": "x"}, prompts)


def test_lm_evals_samples_with_their_repeats() -> None:
    found = read(line({"doc_id": 0, "doc": THEIRS, "resps": [["one", "two"]]}))
    assert [(r.epoch, r.answer.text) for r in found] == [(1, "one"), (2, "two")]


def test_a_batch_of_openais(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps(THEIRS) + "\n")
    body = {"choices": [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "length"}]}
    response = one({"custom_id": "7", "response": {"status_code": 200, "body": body}}, Prompts.load(path))
    assert response.answer.text == "hello"
    assert response.cut


def test_messages_parts_and_reasoning() -> None:
    assert one({**OURS, "response": {"role": "assistant", "content": "hi"}}).answer.text == "hi"
    assert one({**OURS, "response": {"role": "assistant", "content": None}}).answer.text == ""
    assert (
        one({**OURS, "response": [{"type": "reasoning", "text": "a"}, {"type": "text", "text": "b"}]}).answer.text
        == "b"
    )
    assert one({**OURS, "response": "<think>x</think>\ny"}).answer.text == "\ny"


def test_an_empty_response_is_legal() -> None:
    assert one({**OURS, "response": ""}).answer.text == ""


def test_tokens_that_ran_out_are_noticed() -> None:
    assert one({**OURS, "response": "x", "finish_reason": "length"}).cut
    assert not one({**OURS, "response": "x", "finish_reason": "stop"}).cut


DEEP = b'{"response":' + b"[" * 10_000 + b"]" * 10_000 + b"}"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"prompt": "x", ', "not JSON"),
        (b"[1]", "a list, not an object"),
        (b'"x"', "a string, not an object"),
        (b'{"a": 1, "a": 2}', 'duplicate key: "a"'),
        (b'{"response": "\xff"}', "not UTF-8: byte 0xff at byte 15"),
        (b'{"response": "a\0b"}', "NUL byte at byte 16"),
        (DEEP, "nested too deep"),
        (b'{"n": ' + b"9" * 5_000 + b"}", "not JSON"),
        (json.dumps({**OURS, "response": "a\0b"}).encode(), "NUL character in the response, at character 2"),
        (json.dumps(OURS).encode(), 'missing field: "response"'),
        (json.dumps({**OURS, "response": 3}).encode(), '"response" must be'),
        (json.dumps({**OURS, "response": [3]}).encode(), "content part"),
        (json.dumps({**OURS, "response": "", "epoch": 0}).encode(), '"epoch" must be'),
        (json.dumps({**OURS, "response": "", "model": 3}).encode(), '"model" must be a string, not a number'),
        (json.dumps({**OURS, "response": "", "id": [1]}).encode(), '"id" must be'),
        (json.dumps({**OURS, "response": "", "prompt": 3}).encode(), '"prompt" must be a string'),
        (json.dumps({"response": "x", "prompt": "p"}).encode(), "give --prompts FILE"),
        (json.dumps({"response": "x", "constraints": [{}]}).encode(), 'missing field: "prompt"'),
        (json.dumps({"prompt": "p", "response": "x", "constraints": []}).encode(), "is empty"),
        (json.dumps({"prompt": "p", "response": "x", "constraints": {}}).encode(), '"constraints" must be a list'),
        (
            json.dumps({"prompt": "p", "response": "x", "constraints": [3]}).encode(),
            '"constraints[0]" must be an object',
        ),
        (json.dumps({**THEIRS, "response": "x", "kwargs": []}).encode(), "0 entries for 1 instructions"),
        (json.dumps({**THEIRS, "response": "x", "kwargs": [3]}).encode(), '"kwargs[0]" must be an object'),
        (json.dumps({**THEIRS, "response": "x", "kwargs": None}).encode(), 'missing field: "kwargs"'),
        (
            json.dumps({**THEIRS, "response": "x", "instruction_id_list": []}).encode(),
            "must be a list of instruction ids",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(raw: bytes, expected: str) -> None:
    assert expected in problem(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    "key id prompt response responses messages constraints instruction_id_list kwargs doc resps custom_id model epoch "
    "result error output filter filtered_resps conversations"
).split()


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8) | JSON)
def test_any_json_is_read_or_refused_in_one_line(record: Any) -> None:
    said = ""
    try:
        read(line(record))
    except UserError as error:
        said = str(error)
    assert "\n" not in said


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_in_one_line(raw: bytes) -> None:
    problem(raw)


def test_lines_come_with_their_numbers_blank_ones_passed_over(tmp_path: Path) -> None:
    for name, opened in (("a.jsonl", open), ("a.jsonl.gz", gzip.open)):
        path = tmp_path / name
        with opened(path, "wb") as file:
            file.write(b"\xef\xbb\xbf{}\n\n  \n{}\r\n{}")
        assert [entry.number for entry in lines(path) if isinstance(entry, Line)] == [1, 4, 5]


def test_a_byte_order_mark_is_no_error() -> None:
    assert read(Line("m.jsonl", 1, b"\xef\xbb\xbf" + json.dumps({**OURS, "response": "x"}).encode(), ""))


def test_a_long_line_is_passed_over_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a":1}\n' + b"x" * 5_000 + b"\n" + b'{"b":1}\n')
    first, bad, last = lines(path, limit=100)
    assert isinstance(first, Line)
    assert isinstance(bad, Bad)
    assert str(bad) == f"{path}:2: a line of 5,001 bytes; the most is 100"
    assert isinstance(last, Line)
    assert last.number == 3


def test_a_line_just_as_long_as_allowed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * 100 + b"\n" + b"y" * 101 + b"\n" + b"z" * 100)
    assert [isinstance(entry, Line) for entry in lines(path, limit=100)] == [True, False, True]


def test_a_file_that_is_not_there_or_is_cut_short(tmp_path: Path) -> None:
    (missing,) = lines(tmp_path / "no.jsonl")
    assert "No such file" in str(missing)
    (folder,) = lines(tmp_path)
    assert "directory" in str(folder)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"{}\n" * 50_000)[:-20])
    *_, last = lines(path)
    assert isinstance(last, Bad)
    assert "damaged compressed file" in str(last)
    assert last.line > 40_000
    (tmp_path / "plain.gz").write_bytes(b"{}\n")
    (named_wrongly,) = lines(tmp_path / "plain.gz")
    assert isinstance(named_wrongly, Line)


def test_the_digest_is_of_everything_up_to_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{}\n{}\n")
    before = [entry.digest for entry in lines(path)]
    path.write_bytes(b"{}\n{ }\n")
    after = [entry.digest for entry in lines(path)]
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_prompts_files_are_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    for text, expected in [
        ("", "no prompts"),
        (json.dumps(THEIRS) + "\n" + json.dumps(THEIRS), "p.jsonl:2: duplicate key: 7"),
        ('{"prompt": "x"}', "p.jsonl:1: missing field"),
        ("{", "p.jsonl:1: the file ends within an object"),
        ("{] ", "p.jsonl:1: not JSON"),
    ]:
        path.write_text(text)
        with pytest.raises(UserError, match=expected):
            Prompts.load(path)


def test_a_models_name_from_its_file() -> None:
    assert model_of("runs/meta__llama-3.1.jsonl.gz") == "meta/llama-3.1"
    assert model_of("gpt-4.jsonl") == "gpt-4"


def test_instructions_that_stand_in_the_system_prompt_are_asked_there(tmp_path: Path) -> None:
    from adhere.measure.adherence.task import file_samples

    row = {
        "key": 7,
        "prompt": "Write about the sea. Do not use any commas.",
        "instruction_id_list": ["punctuation:no_comma"],
        "kwargs": [{}],
        "messages": [
            {"role": "system", "content": "Do not use any commas."},
            {"role": "user", "content": "Write about the sea."},
        ],
    }
    answered = {**row, "key": 8, "messages": [*row["messages"], {"role": "assistant", "content": "The sea."}]}
    path = tmp_path / "sys_ifeval.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in (row, answered)) + "\n", encoding="utf-8")
    first, second = file_samples("ifeval", str(path))
    assert [(message.role, message.text) for message in first.input] == [  # type: ignore[union-attr]
        ("system", "Do not use any commas."),
        ("user", "Write about the sea."),
    ]
    assert second.input == row["prompt"]


def test_rows_of_iheval_count_the_rules_of_the_system_prompt_and_ask_the_whole_conversation(tmp_path: Path) -> None:
    row = {
        "id": 1001,
        "system": "You are not allowed to use any commas.",
        "conversation_history": ["Use three commas.", "One, two, three, four."],
        "instruction": "Now again. Use three commas.",
        "answer": {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]},
        "response": "None here.",
    }
    path = tmp_path / "iheval.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    from adhere.measure.adherence.task import file_samples

    [sample] = file_samples("ifeval", str(path))
    assert [message.role for message in sample.input] == ["system", "user", "assistant", "user"]  # type: ignore[union-attr]
    [line] = lines(path)
    assert not isinstance(line, Bad)
    [response] = read(line)
    assert [one.asked_as for one in response.question.asked] == ["punctuation:no_comma"]
    assert (response.question.prompt_id, response.answer.text) == ("1001", "None here.")


def test_a_prompt_that_lists_nothing_is_read_where_that_is_asked_for() -> None:
    prompts = Prompts(reads=True)
    response = one({"prompt": "Write about the sea. Do not use commas.", "response": "Blue."}, prompts)
    assert {"kind": "excludes.mark", "mark": "comma"} in [stated.parameters for stated in response.question.asked]
    chat = [
        {"role": "system", "content": "Answer in all lowercase letters."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "hello"},
    ]
    response = one({"messages": chat}, prompts)
    assert [stated.parameters["kind"] for stated in response.question.asked] == ["case.letters"]
    with pytest.raises(NothingStated):
        one({"prompt": "How are you?", "response": "Fine."}, prompts)
    listed = {"prompt": "Do not use commas.", "constraints": [{"kind": "length.words", "at_most": 5}], "response": "a"}
    assert [stated.parameters["kind"] for stated in one(listed, prompts).question.asked] == ["length.words"]
