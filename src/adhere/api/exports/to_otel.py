"""OpenTelemetry: a gauge `adhere.estimate` (with `.low` and `.high`), its attributes the finding's name and subject.

OTLP over HTTP; the endpoint is the one of the standard variables (`OTEL_EXPORTER_OTLP_ENDPOINT`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from adhere.core.errors import UserError
from adhere.core.findings import Finding


def send(findings: Sequence[Finding], paths: Sequence[Path], *, name: str, out: str | None) -> str:
    """Send the gauges once, as the service `name`."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    del paths, out
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=3_600_000)
    sent = record(findings, reader, name)
    if not sent:
        raise UserError("OpenTelemetry: the collector did not take the metrics (see OTEL_EXPORTER_OTLP_ENDPOINT)")
    return f"{len(findings):,} findings sent to the collector"


def record(findings: Sequence[Finding], reader: MetricReader, name: str) -> bool:
    """Set the gauges and flush the reader; whether that worked."""
    provider = MeterProvider([reader], resource=Resource.create({"service.name": name}))
    meter = provider.get_meter("adhere")
    gauges = [meter.create_gauge(f"adhere.{part}") for part in ("estimate", "low", "high")]
    for finding in findings:
        if finding.estimate is None:
            continue
        attributes = {"finding": finding.what, "n": finding.n, **finding.subject}
        values = (finding.estimate, *(finding.interval or ()))
        for gauge, value in zip(gauges, values, strict=False):
            gauge.set(value, attributes)
    return bool(provider.force_flush(10_000))
