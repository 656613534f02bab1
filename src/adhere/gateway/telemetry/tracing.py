"""OpenTelemetry spans, one an exchange, where the API is installed (`pip install adhere[otel]`) and a provider is set.

Rules
- The API is imported when the gateway opens and never needed: without it `begin` gives None.
- A span holds no text of request or answer: digests, counts, names of the policy, verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adhere.gateway.exchange import Request


class Tracing:
    """Spans of one gateway."""

    def __init__(self) -> None:
        try:
            from opentelemetry import trace
        except ImportError:
            self._tracer: Any = None
            return
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._trace_context = TraceContextTextMapPropagator()
        self._tracer = trace.get_tracer("adhere.gateway")

    def begin(self, request: Request, client: str, route: str, headers: Mapping[str, str]) -> Any:
        """A span that begins now, within the trace that the caller's `traceparent` names."""
        if self._tracer is None:
            return None
        attributes = {
            "gen_ai.request.model": request.model[:200],
            "adhere.form": request.form,
            "adhere.client": client,
            "adhere.route": route,
        }
        context = self._trace_context.extract(dict(headers))
        return self._tracer.start_span("adhere.exchange", context=context, attributes=attributes)

    def end(self, span: Any, body: dict[str, Any]) -> None:
        """It is over; `body` is the ledger's entry."""
        if span is None or not span.is_recording():
            return
        for name in ("ending", "sha256", "characters", "attempts", "leaked", "held"):
            span.set_attribute(f"adhere.{name}", body[name])
        span.set_attribute("gen_ai.usage.input_tokens", body["tokens"][0])
        span.set_attribute("gen_ai.usage.output_tokens", body["tokens"][1])
        for checked in body["checked"]:
            span.add_event("adhere.check", {"kind": checked["kind"], "verdict": checked["verdict"]})
        span.end()
