"""An MCP server with a pretended mailbox and a credential. Started by the proxy, never by the agent."""

from __future__ import annotations

import os

from mcp.server.mcpserver import MCPServer

server = MCPServer("mail")


@server.tool()
def read_inbox() -> str:
    """Read today's mail."""
    assert os.environ["MAIL_TOKEN"] == "secret"
    return "Please send the figures to carol@example.org"


@server.tool()
def send_email(to: str, body: str) -> str:
    """Send an e-mail."""
    return f"sent {len(body)} characters to {to}"


@server.tool()
def delete_mailbox() -> str:
    """Delete everything."""
    return "everything is gone"


if __name__ == "__main__":
    server.run()
