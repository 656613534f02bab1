"""MCP: check, parse and score as tools for coding agents.

    adhere mcp                    # on standard input and output
    claude mcp add adhere -- adhere mcp

An agent that writes texts under instructions checks its draft before it hands it over. Results are JSON objects; what
is wrong with a call is an error that the agent reads, and ends nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from adhere.api.check import check as check_text
from adhere.api.check import constraints_of
from adhere.api.results import row
from adhere.core.errors import UserError
from adhere.core.version import VERSION

INSTRUCTIONS = (
    "Verifiable constraints on texts. Use `check` on a draft before you deliver it, with the user's instruction; use "
    "`parse` to see which constraints an instruction states; use `score` on a file of saved responses."
)


def server() -> MCPServer[Any]:
    """The server with its three tools."""
    app: MCPServer[Any] = MCPServer("adhere", instructions=INSTRUCTIONS, version=VERSION)

    @app.tool()
    def check(constraints: str | dict[str, Any] | list[Any], text: str) -> dict[str, Any]:
        """Check a text against an instruction in English, a constraint's JSON object, or a list of these.

        Returns for every constraint whether it is met, why, and the places in the text (character offsets) that
        decided.
        """
        try:
            return check_text(constraints, text).to_json()
        except UserError as error:
            raise ToolError(str(error)) from error

    @app.tool()
    def parse(instruction: str) -> dict[str, Any]:
        """Read the verifiable constraints that an instruction in English states."""
        try:
            read = constraints_of(instruction)
        except UserError as error:
            return {"constraints": [], "note": str(error)}
        return {"constraints": [{"sentence": one.describe(), "constraint": one.to_json()} for one in read]}

    @app.tool()
    def score(path: str, limit: int | None = None) -> dict[str, Any]:
        """Score a file of saved responses (JSON lines with `prompt`, `response`, `constraints`) on this machine."""
        from adhere.api.score import score as score_files

        try:
            scores = score_files(Path(path), limit=limit, jobs=1)
        except UserError as error:
            raise ToolError(str(error)) from error
        shown = [
            row(one) for one in scores.findings if one.what.startswith(("adherence.prompt", "adherence.instruction"))
        ]
        return {"responses": scores.run.responses, "findings": shown}

    return app


def serve_stdio() -> None:
    """Serve on standard input and output until they are closed."""
    server().run("stdio")
