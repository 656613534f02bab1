"""An MCP server behind the warden: the agent speaks to the proxy, the proxy alone holds the credential.

python examples/warden_mcp_proxy.py
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from mcp import Client, StdioServerParameters

from warden_house import adhere, found

SERVER = Path(__file__).with_name("warden_mail_server.py")


async def agent(folder: Path, charter: Path) -> None:
    """What an MCP client sees when the warden stands before the server."""
    command = [
        "-m",
        "adhere.cli",
        "warden",
        "mcp",
        "--charter",
        str(charter),
        "--env-file",
        str(folder / "secrets.env"),
    ]
    proxy = StdioServerParameters(command=sys.executable, args=[*command, "--", sys.executable, str(SERVER)])
    async with Client(proxy) as client:
        print("tools:", ", ".join(sorted(tool.name for tool in (await client.list_tools()).tools)))
        print("read_inbox:", text(await client.call_tool("read_inbox", {})))
        mail = {"to": "carol@example.org", "body": "the figures"}
        answer = text(await client.call_tool("send_email", mail))
        print("send_email:", answer)
        request = answer.split("[request ")[1].split()[0]
        await asyncio.to_thread(
            adhere, "approve", request, "--sign", str(folder / "board.key"), "--charter", str(charter)
        )
        print("send_email:", text(await client.call_tool("send_email", mail)))
        print("delete_mailbox:", text(await client.call_tool("delete_mailbox", {})))


def text(result: object) -> str:
    """A tool's answer as text."""
    return " ".join(part.text for part in result.content)  # type: ignore[attr-defined]


def main() -> None:
    """Found a charter, put the server behind it, and be the agent."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "secrets.env").write_text("MAIL_TOKEN=secret\n", encoding="utf-8")
        asyncio.run(agent(folder, found(folder)))


if __name__ == "__main__":
    main()
