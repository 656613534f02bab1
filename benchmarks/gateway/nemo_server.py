"""NeMo Guardrails' IORails behind one route: `python nemo_server.py PORT UPSTREAM`. Regular-expression rails on input
and output, the cheapest that it has, on the same kind of server."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from nemoguardrails import RailsConfig
from nemoguardrails.guardrails.guardrails import Guardrails

CONFIG = """
models:
  - type: main
    engine: openai
    model: m
    parameters:
      base_url: {url}
      api_key: k
rails:
  config:
    regex_detection:
      input:
        patterns: ["swordfish"]
      output:
        patterns: ["swordfish"]
  input:
    flows: ["regex check input"]
  output:
    flows: ["regex check output"]
"""

rails = Guardrails(RailsConfig.from_content(yaml_content=CONFIG.format(url=sys.argv[2])), require_iorails=True)
app = FastAPI()


@app.post("/v1/chat/completions")
async def complete(request: Request) -> dict[str, Any]:
    body = await request.json()
    answer = await rails.generate_async(messages=body["messages"])
    content = answer["content"] if isinstance(answer, dict) else answer
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
    }


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", access_log=False)
