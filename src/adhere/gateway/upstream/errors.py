"""What an upstream's refusal means, in the gateway's own words.

Rules
- What an upstream says in an error is unchecked text: it is not handed on. Its status and its meaning are:
  a context that is too long, a limit on the rate, an overload, a model that is not there.
- A refused key is the gateway's own, not the client's: the client is told 502, never 401.
- The time after which to ask again is handed on, up to `LONGEST_WAIT`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from adhere.gateway.upstream.dialect import UpstreamError

AGAIN = frozenset({429, 502, 503, 504, 529})
LARGEST = 64 << 10
"""Bytes of an error that are looked at."""
LONGEST_WAIT = 3_600.0
_CONTEXT = (
    "context_length_exceeded", "context length", "context window", "prompt is too long", "too many tokens",
    "maximum context", "exceeds the available context", "input is too long", "string_above_max_length",
)  # fmt: skip
_QUOTA = ("insufficient_quota", "billing", "credit balance")


def meaning(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The error for a response that is none with status 200."""
    said, after = _words(body), _after(headers)
    if status in (400, 413, 422) and any(sign in said for sign in _CONTEXT):
        return UpstreamError(400, "context_length_exceeded", "the request is longer than the model's context")
    if status == 429 and any(sign in said for sign in _QUOTA):
        return UpstreamError(429, "insufficient_quota", "the upstream's account has no quota left", after=after)
    if status == 429:
        return UpstreamError(429, "rate_limit_exceeded", "the upstream limits the rate", retry=True, after=after)
    if status in (503, 529) or "overloaded" in said:
        return UpstreamError(
            503, "overloaded", f"the upstream is overloaded or down ({status})", retry=True, after=after
        )
    if status in AGAIN:
        return UpstreamError(503, "upstream_unavailable", f"the upstream is busy or down ({status})", retry=True)
    if status in (401, 403):
        return UpstreamError(502, "upstream_refused", f"the upstream refused the gateway's own key ({status})")
    if status == 404:
        return UpstreamError(404, "model_not_found", "the upstream has no such model")
    # a client's mistake as the upstream sees it is the client's
    told = status if status in (400, 413, 422) else 502
    return UpstreamError(told, "upstream_refused", f"the upstream refused the request ({status})")


def _words(body: bytes) -> str:
    """The code, type and message of an error, in lower case; to look for signs in, never to hand on."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace").lower()
    if isinstance(value, list) and value:  # as Gemini has it
        value = value[0]
    error = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return str(error).lower()
    return " ".join(str(error.get(name, "")) for name in ("code", "type", "status", "message")).lower()


def _after(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(seconds, LONGEST_WAIT) if seconds >= 0 else None
