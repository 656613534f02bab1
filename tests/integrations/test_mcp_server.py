"""The MCP tools, called by the SDK's own client."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the MCP SDK is not installed")

from mcp import Client, StdioServerParameters, stdio_client

from adhere.integrations.mcp_server import server


async def _call(name: str, arguments: dict[str, Any]) -> tuple[bool, Any]:
    async with Client(server()) as client:
        result = await client.call_tool(name, arguments)
        text = "".join(getattr(part, "text", "") for part in result.content)
        return bool(result.is_error), (result.structured_content or text)


def call(name: str, **arguments: Any) -> tuple[bool, Any]:
    return asyncio.run(_call(name, arguments))


def test_a_draft_is_checked_with_reasons_and_places() -> None:
    failed, result = call("check", constraints='Do not use the word "sea".', text="By the sea.")
    assert not failed
    assert result["all_met"] is False
    assert result["constraints"][0]["spans"] == [[7, 10]]
    assert call("check", constraints=[{"kind": "length.words", "at_most": 3}], text="By the sea.")[1]["all_met"] is True


def test_a_wrong_call_is_an_error_that_names_the_mistake_and_not_a_pass() -> None:
    failed, result = call("check", constraints={"kind": "length.words", "atmost": 3}, text="x")
    assert failed
    assert "nearest: at_most" in str(result)
    assert call("check", constraints="Be nice.", text="x")[0]
    assert call("score", path="/nowhere.jsonl")[0]


def test_an_instruction_is_read() -> None:
    assert call("parse", instruction="Use at most 5 words.")[1]["constraints"][0]["constraint"] == {
        "kind": "length.words",
        "at_most": 5,
    }
    assert call("parse", instruction="Be nice.")[1]["constraints"] == []


def test_a_file_of_responses_is_scored(tmp_path: Path) -> None:
    line = {"prompt": "p", "response": "one two", "constraints": [{"kind": "length.words", "at_most": 1}]}
    (tmp_path / "r.jsonl").write_text(json.dumps(line) + "\n")
    failed, result = call("score", path=str(tmp_path / "r.jsonl"))
    assert not failed
    assert result["responses"] == 1
    assert {one["estimate"] for one in result["findings"] if one["what"] == "adherence.prompt.strict"} == {0.0}


def test_the_command_serves_on_standard_input_and_output() -> None:
    async def tools() -> list[str]:
        parameters = StdioServerParameters(command=sys.executable, args=["-m", "adhere", "mcp"], env=dict(os.environ))
        async with Client(stdio_client(parameters)) as client:
            return sorted(tool.name for tool in (await client.list_tools()).tools)

    assert asyncio.run(tools()) == ["check", "parse", "score"]
