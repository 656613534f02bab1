"""`adhere mcp`: the tools for coding agents."""

from __future__ import annotations


def mcp() -> None:
    """Serve check, parse and score as MCP tools for coding agents, on standard input and output."""
    from adhere.integrations.mcp_server import serve_stdio

    serve_stdio()
