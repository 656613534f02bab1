"""An MCP server in front of another: tools pass through the warden, which alone holds the way (and the keys) to them.

    adhere warden mcp --env-file secrets.env -- python mail_server.py

The agent is given this proxy instead of the server. The server is started by the proxy, with credentials that the
agent's environment never has.

Rules
- `tools/list` is passed on, without tools that no decision could ever allow (a rule denies them whatever the
  arguments).
- `tools/call` is an act: it is passed on only on a decision that allows, with the arguments that the decision names. A
  denial is a tool result marked as an error, with the reason and the request that waits, so that an agent can say so.
- A call is never more than MODEL in origin: what an agent says about itself raises nothing. Once a tool has answered,
  errors included, every later call through this proxy is TOOL in origin: the answer may have led to it.
- A server that fails or answers nothing leaves an act of unknown outcome.
- Nothing else of the protocol is offered: no resources, prompts, sampling. What is not understood is not passed on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from adhere.warden.acts.acts import Act, Effect, refusal
from adhere.warden.acts.sources import Source
from adhere.warden.canonical import Refused
from adhere.warden.engine.warden import Warden

if TYPE_CHECKING:
    from mcp import Client
    from mcp.server.lowlevel import Server


def never_allowed(warden: Warden, tool: str) -> bool:
    """Whether the table denies `tool` whatever its arguments are."""
    for rule in warden.table.rules:
        about = rule.model_copy(update={"where": {}})
        if about.matches(Act(tool)):
            if rule.then is not Effect.DENY:
                return False
            if not rule.where:
                return True
    return True


def proxy(warden: Warden, upstream: Client, name: str = "adhere-warden") -> Server[Any]:
    """A server that offers `upstream`'s tools through `warden`. Serve it by any transport of the `mcp` SDK.

    Raises:
        Refused: the `mcp` SDK (2.x) is not installed.
    """
    try:
        import mcp_types as types
        from mcp.server.lowlevel import Server
    except ImportError:
        raise Refused("mcp", "the MCP proxy needs the official SDK: pip install adhere[mcp]") from None

    origin: set[Source] = {Source.MODEL}

    async def list_tools(_: Any, params: Any) -> Any:
        found = await upstream.list_tools(cursor=params.cursor if params else None)
        tools = [tool for tool in found.tools if not never_allowed(warden, tool.name)]
        return types.ListToolsResult(tools=tools, next_cursor=found.next_cursor)

    async def call_tool(_: Any, params: Any) -> Any:
        act = Act(params.name, params.arguments or {}, sources=tuple(origin))
        decision = await asyncio.to_thread(warden.decide, act)
        if not decision.allowed or decision.act is None:
            text = types.TextContent(type="text", text=refusal(decision))
            return types.CallToolResult(content=[text], is_error=True)
        origin.add(Source.TOOL)
        try:
            result = await upstream.call_tool(params.name, dict(decision.act.arguments))
        except BaseException as error:
            fault = {"raised": f"{type(error).__name__}: {error}"[:500]}
            await asyncio.shield(asyncio.to_thread(warden.finished, decision, "unknown", fault))
            raise
        outcome = "unknown" if result.is_error else "done"
        await asyncio.to_thread(warden.finished, decision, outcome)
        return result

    return Server(name, on_list_tools=list_tools, on_call_tool=call_tool)


async def serve_stdio(warden: Warden, command: list[str], env: dict[str, str]) -> None:
    """Start `command` as the server behind, and serve its tools on this process's standard input and output.

    Raises:
        Refused: the `mcp` SDK is not installed.
    """
    try:
        from mcp import Client, StdioServerParameters, stdio_server
    except ImportError:
        raise Refused("mcp", "the MCP proxy needs the official SDK: pip install adhere[mcp]") from None
    behind = StdioServerParameters(command=command[0], args=command[1:], env=env)
    async with Client(behind) as upstream, stdio_server() as (reader, writer):
        server = proxy(warden, upstream)
        await server.run(reader, writer, server.create_initialization_options())
