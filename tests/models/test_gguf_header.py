"""The header of a GGUF file, and what a damaged one does."""

from __future__ import annotations

from pathlib import Path

import pytest

from adhere.core.errors import UserError
from adhere.models.engines.gguf_header import read_header

gguf = pytest.importorskip("gguf")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(1_024)
    writer.add_embedding_length(64)
    writer.add_block_count(3)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_token_list([f"token{k}" for k in range(2_000)])
    writer.add_token_scores([0.5] * 2_000)
    writer.add_array("tiny.pair", [1, 2])
    writer.add_chat_template("{{ messages }}")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def test_what_stands_behind_long_arrays_is_read(file: Path) -> None:
    header = read_header(file)
    assert header.context == 1_024
    assert header.chats
    assert header.values["tiny.pair"] == [1, 2]
    assert "tokenizer.ggml.tokens" not in header.values


def test_a_long_array_is_kept_where_it_is_asked_for(file: Path) -> None:
    tokens = read_header(file, ["tokenizer.ggml.tokens"]).values["tokenizer.ggml.tokens"]
    assert isinstance(tokens, list)
    assert tokens[1_999] == "token1999"


def test_the_cache_of_a_token_counts_both_keys_and_values_of_all_layers(file: Path) -> None:
    assert read_header(file).cache_bytes == 3 * 2 * 16 * 2 * 2


@pytest.mark.parametrize("length", [3, 20, 24, 100, 5_000])
def test_a_file_cut_short_is_one_line(file: Path, length: int) -> None:
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(UserError):
        read_header(file)


def test_counts_that_no_file_holds_are_refused_at_once(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[24:32] = (2**62).to_bytes(8, "little")  # the length of the first key
    file.write_bytes(bytes(data))
    with pytest.raises(UserError, match="damaged"):
        read_header(file)


def test_another_kind_of_file_is_no_gguf(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match="no GGUF file"):
        read_header(path)
