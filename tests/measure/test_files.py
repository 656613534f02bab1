"""Files are read by what they hold, in the shapes that real programs write them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adhere.core.errors import UserError
from adhere.measure.adherence.responses import Prompts, Response, read
from adhere.measure.files import Bad, Line, files_in, lines, model_of

PROMPTS = [
    {
        "key": 1000 + k,
        "prompt": f"Write about the sea, part {k}. Use no commas.",
        "instruction_id_list": ["punctuation:no_comma"],
        "kwargs": [{}],
    }
    for k in range(3)
]
OWN = {"id": "a1", "prompt": "Say sea.", "constraints": [{"kind": "contains.terms", "terms": ["sea"]}]}
ROWS = [{**OWN, "id": f"a{k}", "response": f'The sea, "{k}".\nAnd more…'} for k in range(3)]


def responses(path: Path | str, prompts: Prompts | None = None) -> list[Response]:
    """Everything in the files that `path` stands for; nothing in them may be bad."""
    rows = [row for name in files_in([path]) for row in lines(name)]
    assert not [str(row) for row in rows if isinstance(row, Bad)]
    return [response for row in rows if isinstance(row, Line) for response in read(row, prompts)]


def texts(path: Path | str, prompts: Prompts | None = None) -> list[str]:
    return [response.answer.text for response in responses(path, prompts)]


@pytest.fixture
def prompts(tmp_path: Path) -> Prompts:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PROMPTS))
    return Prompts.load(path)


def jsonl(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def zstd(raw: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.ZstdCompressor()
    return bytes(packed.compress(raw[:100]) + packed.compress(raw[100:]))  # two frames, as `zstd -c >>` writes


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress, zstd])
@pytest.mark.parametrize(
    "write",
    [
        lambda rows: jsonl(*rows),
        lambda rows: json.dumps(rows).encode(),
        lambda rows: json.dumps(rows, indent=2, ensure_ascii=False).encode(),
        lambda rows: b"\xef\xbb\xbf" + b"\n".join(json.dumps(row, indent=4).encode() for row in rows),
    ],
    ids=["lines", "array", "indented array", "indented objects"],
)
def test_json_in_every_layout_and_compression_whatever_its_name(
    tmp_path: Path, write: Callable[[list[Any]], bytes], pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "answers.txt"
    path.write_bytes(pack(write(ROWS)))
    assert texts(path) == [row["response"] for row in ROWS]


def test_an_array_whose_marks_fall_on_the_edges_of_what_is_read_at_once(tmp_path: Path) -> None:
    rows = [{**OWN, "id": str(k), "response": '\\"{[' * (k % 7) + "x" * k} for k in range(0, 3_000, 7)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows))
    assert texts(path) == [row["response"] for row in rows]


def test_an_array_that_was_cut_off_loses_its_last_row_only(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS)[:-20])
    *whole, last = lines(path)
    assert all(isinstance(row, Line) for row in whole)
    assert str(last) == f"{path}:3: the file ends within an object: it was cut off"


def table(path: Path, ending: str) -> Path:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    rows = [{**row, "constraints": json.dumps(row["constraints"]), "unused": 0.5} for row in ROWS]
    made = arrow.Table.from_pylist(rows)
    path = path / f"answers.{ending}"
    if ending == "parquet":
        parquet.write_table(made, path, row_group_size=2)
    elif ending == "feather":
        feather.write_feather(made, str(path))
    else:
        with arrow.ipc.new_stream(path, made.schema) as stream:
            stream.write_table(made, max_chunksize=2)
    return path


@pytest.mark.parametrize("ending", ["parquet", "feather", "arrow"])
def test_columns_of_parquet_and_arrow(tmp_path: Path, ending: str) -> None:
    path = table(tmp_path, ending)
    assert texts(path) == [row["response"] for row in ROWS]
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert texts(packed) == [row["response"] for row in ROWS]


def test_nested_columns_of_parquet_with_whole_numbers_as_floats(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    row = {
        "key": 7.0,
        "prompt": [{"role": "user", "content": "At most ten words."}],
        "instruction_id_list": ["length_constraints:number_words", "punctuation:no_comma"],
        "kwargs": [{"num_words": 10.0, "relation": "at least"}, {"num_words": None, "relation": None}],
        "generation": "x",
    }
    parquet.write_table(arrow.Table.from_pylist([row]), tmp_path / "a.parquet")
    (response,) = responses(tmp_path / "a.parquet")
    assert response.question.prompt_id == "7"
    assert response.question.prompt == "At most ten words."
    assert response.question.asked[0].parameters == {"num_words": 10, "relation": "at least"}
    assert response.question.asked[1].parameters == {}


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(",", "utf-8"), ("\t", "utf-8-sig"), (";", "utf-8"), (",", "utf-16")]
)
def test_csv_as_spreadsheets_and_pandas_write_it(tmp_path: Path, delimiter: str, encoding: str) -> None:
    import csv

    rows = [
        {
            "": k,
            "key": f"{k}.0",
            "prompt": 'Use, "no" commas.\nAt all.',
            "instruction_id_list": "['punctuation:no_comma', 'keywords:existence']",
            "kwargs": "[{}, {'keywords': ['sea']}]",
            "model": "",
            "output": f'line one\r\nline; two\t{k}, "quoted"',
        }
        for k in range(3)
    ]
    path = tmp_path / "answers.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    read_out = responses(path)
    assert [response.answer.text for response in read_out] == [row["output"] for row in rows]
    assert read_out[0].model == "answers"
    assert [asked.asked_as for asked in read_out[0].question.asked] == ["punctuation:no_comma", "keywords:existence"]
    assert read_out[0].question.asked[1].parameters == {"keywords": ["sea"]}


def test_a_row_of_a_table_with_a_cell_too_many_is_bad_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,prompt,response\n1,p,x\n2,p,x,y\n3,p,x\n")
    first, bad, last = lines(path)
    assert "4 cells for 3 columns" in str(bad)
    assert isinstance(first, Line)
    assert isinstance(last, Line)


def test_folders_of_hugging_face_data_sets_are_named_after_themselves(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    made = arrow.Table.from_pylist(ROWS[:2])
    saved = tmp_path / "org__model-7b" / "train"
    saved.mkdir(parents=True)
    for k in range(2):
        with arrow.ipc.new_stream(saved / f"data-0000{k}-of-00002.arrow", made.schema) as stream:
            stream.write_table(arrow.Table.from_pylist([{**ROWS[k], "id": f"r{k}"}]).cast(made.schema))
    (saved / "state.json").write_text('{"_data_files": [{"filename": "data-00000-of-00002.arrow"}]}')
    (saved / "dataset_info.json").write_text("{}")
    (saved / "cache-1234567890abcdef.arrow").write_bytes(b"left over")
    (saved.parent / "dataset_dict.json").write_text('{"splits": ["train"]}')
    found = responses(tmp_path / "org__model-7b")
    assert [(response.model, response.question.prompt_id) for response in found] == [
        ("org/model-7b", "r0"),
        ("org/model-7b", "r1"),
    ]
    hub = tmp_path / "snapshot" / "data"
    hub.mkdir(parents=True)
    (hub.parent / "README.md").write_text("# Answers")
    parquet.write_table(made, hub / "train-00000-of-00001.parquet")
    assert [response.model for response in responses(hub.parent)] == ["snapshot"] * 2


def test_a_folder_without_data_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(UserError, match="no data in it"):
        files_in([tmp_path])


OPENAI = {
    "id": "batch_req_wnaDys",
    "custom_id": "1000",
    "response": {
        "status_code": 200,
        "request_id": "req_c187b3",
        "body": {
            "id": "chatcmpl-9758Iw",
            "object": "chat.completion",
            "created": 1711475054,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "The sea.", "refusal": None, "annotations": []},
                    "logprobs": None,
                    "finish_reason": "length",
                }
            ],
            "usage": {"prompt_tokens": 24, "completion_tokens": 15, "total_tokens": 39},
            "system_fingerprint": "fp_44709d",
        },
    },
    "error": None,
}


def test_openais_batch_output_is_joined_by_the_custom_id(tmp_path: Path, prompts: Prompts) -> None:
    refused = {"role": "assistant", "content": None, "refusal": "I can't help with that."}
    several = {**OPENAI["response"]["body"], "choices": [{"message": refused}, {"message": {"content": "b"}}]}  # type: ignore[index]
    path = tmp_path / "batch_output.jsonl"
    path.write_bytes(
        jsonl(
            OPENAI,
            {
                **OPENAI,
                "custom_id": "1001",
                "response": None,
                "error": {"code": "batch_expired", "message": "This request could not be executed in time."},
            },
            {
                **OPENAI,
                "custom_id": "1002",
                "response": {"status_code": 400, "body": {"error": {"message": "too long", "type": "invalid_request"}}},
            },
            {**OPENAI, "custom_id": "1002", "response": {"status_code": 200, "body": several}},
        )
    )
    first, expired, refused_request, *both = responses(path, prompts)
    assert (first.question.prompt_id, first.model, first.answer.text) == ("1000", "gpt-4o-mini-2024-07-18", "The sea.")
    assert first.cut
    assert expired.failure == "batch_expired: This request could not be executed in time."
    assert refused_request.failure == "invalid_request: too long"
    assert [(response.epoch, response.answer.text) for response in both] == [(1, "I can't help with that."), (2, "b")]


def test_bodies_of_openais_responses_api(tmp_path: Path, prompts: Prompts) -> None:
    body = {
        "id": "resp_67ccd2bed1ec8190",
        "object": "response",
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "error": None,
        "model": "gpt-5",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "commas, no"}]},
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "The sea", "annotations": []}],
            },
        ],
    }
    path = tmp_path / "r.jsonl"
    failed = {**body, "status": "failed", "error": {"code": "server_error", "message": "again"}, "output": []}
    path.write_bytes(
        jsonl(
            {"custom_id": "1000", "response": {"status_code": 200, "body": body}, "error": None},
            {"key": 1001, "response": body},
            {"key": 1002, "response": failed},
        )
    )
    first, second, third = responses(path, prompts)
    assert (first.answer.text, first.model, first.cut) == ("The sea", "gpt-5", True)
    assert second.answer.text == "The sea"
    assert third.failure == "server_error: again"


def test_anthropics_batch_results(tmp_path: Path, prompts: Prompts) -> None:
    message = {
        "id": "msg_014VwiXbi91y3JMjcpyGBHX5",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": "Hello again!"}],
        "stop_reason": "max_tokens",
        "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 36},
    }
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: required"}}
    path = tmp_path / "results.jsonl"
    path.write_bytes(
        jsonl(
            {"custom_id": "1000", "result": {"type": "succeeded", "message": message}},
            {"custom_id": "1001", "result": {"type": "errored", "error": error}},
            {"custom_id": "1002", "result": {"type": "expired"}},
        )
    )
    first, errored, expired = responses(path, prompts)
    assert (first.answer.text, first.model, first.cut) == ("Hello again!", "claude-sonnet-4-5", True)
    assert errored.failure == "invalid_request_error: max_tokens: required"
    assert expired.failure == "the request expired"


def test_lm_evals_samples_with_filters_and_repeats(tmp_path: Path) -> None:
    def sample(doc: int, chosen: str, filtered: list[Any]) -> dict[str, Any]:
        return {
            "doc_id": doc,
            "doc": PROMPTS[doc],
            "target": 0,
            "arguments": {"gen_args_0": {"arg_0": PROMPTS[doc]["prompt"], "arg_1": {"until": []}}},
            "resps": [["raw one", "raw two"]],
            "filtered_resps": filtered,
            "filter": chosen,
            "metrics": ["prompt_level_strict_acc"],
            "doc_hash": "f5e1",
            "prompt_hash": "e90d",
            "target_hash": "74ed",
            "prompt_level_strict_acc": True,
            "inst_level_strict_acc": [True],
        }

    folder = tmp_path / "meta-llama__Llama-3.1-8B"
    folder.mkdir()
    (folder / "results_2026-01-02T03-04-05.678901.json").write_text("{}")
    path = folder / "samples_ifeval_2026-01-02T03-04-05.678901.jsonl"
    path.write_bytes(
        jsonl(
            sample(0, "none", ["raw one"]),
            sample(0, "strip-thinking", ["kept"]),
            sample(1, "none", ["raw one"]),
            sample(1, "strip-thinking", ["kept"]),
        )
    )
    found = [(r.model, r.question.prompt_id, r.epoch, r.answer.text) for r in responses(folder)]
    model = "meta-llama/Llama-3.1-8B"
    assert found[:3] == [
        (model, "1000", 1, "raw one"),
        (model, "1000", 2, "raw two"),
        (f"{model} [strip-thinking]", "1000", 1, "kept"),
    ]
    assert len(found) == 6


def test_googles_results_take_their_arguments_from_the_prompts(tmp_path: Path, prompts: Prompts) -> None:
    row = {
        "follow_all_instructions": True,
        "follow_instruction_list": [True],
        "instruction_id_list": PROMPTS[1]["instruction_id_list"],
        "prompt": PROMPTS[1]["prompt"],
        "response": "The sea",
    }
    path = tmp_path / "eval_results_strict.jsonl"
    path.write_bytes(jsonl(row))
    assert responses(path, prompts)[0].question.prompt_id == "1001"
    with pytest.raises(UserError, match="--prompts FILE"):
        responses(path)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"messages": [{"role": "user", "content": "Say sea."}, {"role": "assistant", "content": "sea"}]}, ["sea"]),
        (
            {
                "conversations": [
                    {"from": "system", "value": "Be brief."},
                    {"from": "human", "value": "Say sea."},
                    {"from": "gpt", "value": "sea"},
                ]
            },
            ["sea"],
        ),
        ({"responses": ["a", "b", None]}, ["a", "b", ""]),
        ({"outputs": [{"text": "a", "finish_reason": "stop"}, {"text": "b", "finish_reason": "length"}]}, ["a", "b"]),
        ({"output": ["a", "b"]}, ["a", "b"]),
        ({"generation": "a"}, ["a"]),
        ({"generated_text": "a"}, ["a"]),
        ({"response": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, ["ab"]),
        ({"response": [{"generated_text": "a"}]}, ["a"]),
        ({"response": {"role": "assistant", "content": "a", "reasoning_content": "b"}}, ["a"]),
        ({"response": None}, [""]),
        ({"response": "", "error": "timeout"}, [""]),
    ],
)
def test_the_places_where_programs_put_an_answer(tmp_path: Path, row: dict[str, Any], expected: list[str]) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(jsonl({**OWN, **row}))
    found = responses(path)
    assert [response.answer.text for response in found] == expected
    assert [response.epoch for response in found] == list(range(1, len(found) + 1))
    assert all((response.failure is not None) == (not response.answer.text) for response in found)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"%PDF-1.7\n", "a PDF document; expected JSON lines"),
        (b"\x80\x04\x95", "a Python pickle; expected"),
        (b"SQLite format 3\0", "an SQLite database; expected"),
        (b"PAR1 and no more", "a damaged Parquet file"),
        (b"ARROW1\0\0 and no more", "a damaged Arrow file"),
        (b"PK\x03\x04 and no more", "a damaged zip archive or Inspect log"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path: Path, head: bytes, expected: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_bytes(head)
    (bad,) = lines(path)
    assert expected in str(bad)


def test_a_workbook_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    (bad,) = lines(path)
    assert "an Excel workbook: save the sheet as CSV" in str(bad)


def test_standard_input_is_read_like_a_file() -> None:
    program = (
        "from adhere.measure.files import lines\nprint([type(row).__name__ + ' ' + row.file for row in lines('-')])"
    )
    for raw in (jsonl(*ROWS), gzip.compress(json.dumps(ROWS).encode())):
        done = subprocess.run([sys.executable, "-c", program], input=raw, capture_output=True, check=True)
        assert done.stdout.decode().strip() == str(["Line stdin"] * 3)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    def peak(path: Path) -> int:
        tracemalloc.start()
        for _ in lines(path):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    rows = [{"id": str(k), "prompt": "p", "response": "sea " * 500} for k in range(2_000)]
    array, csv_file, columns = tmp_path / "a.json", tmp_path / "a.csv", tmp_path / "a.parquet"
    array.write_text(json.dumps(rows))
    csv_file.write_text("id,prompt,response\n" + "".join(f'{r["id"]},p,"{r["response"]}"\n' for r in rows))
    parquet.write_table(arrow.Table.from_pylist(rows), columns, row_group_size=100)
    for path in (array, csv_file, columns):
        assert peak(path) < 2_500_000, path  # the file holds 4 MB


def test_samples_of_an_inspect_log_in_both_its_formats(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai")
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    samples = [
        Sample(id=row["key"], input=row["prompt"], metadata={**row})  # type: ignore[arg-type]
        for row in PROMPTS[:2]
    ]
    outputs = [ModelOutput.from_content("mockllm/model", "The sea"), ModelOutput.from_content("mockllm/model", "A, b")]
    for output in outputs:
        output.usage = ModelUsage(input_tokens=1, output_tokens=1)  # or a tokenizer is fetched to count them
    for form in ("eval", "json"):
        model = get_model("mockllm/model", custom_outputs=list(outputs))
        (log,) = eval(
            Task(samples), model=model, log_dir=str(tmp_path / form), log_format=form, display="none", max_samples=1
        )
        found = responses(log.location)
        assert sorted((r.question.prompt_id, r.model, r.answer.text) for r in found) == [
            ("1000", "mockllm/model", "The sea"),
            ("1001", "mockllm/model", "A, b"),
        ]


def test_models_are_named_after_files_and_folders() -> None:
    assert model_of("runs/meta__llama-3.1.jsonl.zst") == "meta/llama-3.1"
    assert model_of("runs/org__model/data/train-00000-of-00003.parquet") == "org/model"
    assert model_of("-") == "-"


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for raw in (b"", b"\n \n", gzip.compress(b"")):
        path.write_bytes(raw)
        assert list(lines(path)) == []
