"""Where other programs meet the warden: tool decorator, MCP proxy, client of the control socket."""
