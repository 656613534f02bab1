"""Prometheus metrics of one gateway, in a registry of its own.

    adhere_answers_total{route,ending}              adhere_answer_seconds{route}        adhere_tokens_total{route,kind}
    adhere_checks_total{kind,verdict}               adhere_attempts_total{route}        adhere_leaked_characters_total
    adhere_decisions_total{verdict,reason}          adhere_refused_requests_total{reason}
    adhere_readings_total{monitor,effect}           adhere_drift_alerts_total{client}
    adhere_first_text_seconds{route,model,client}   adhere_stopped                      adhere_waiting

Rules
- Labels come from the policy, from registries and from fixed words, never from a request: callers make no new ones.
  A model that no route names without a wildcard is `other`.
- What counts is the event loop alone, so a count is a plain number; it becomes a metric when it is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from adhere.gateway.hooks import Exchange, ExchangeOutcome
from adhere.gateway.policy.thresholds import Effect, Reading
from adhere.warden.acts.acts import Decision

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Sequence[float] = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Counts(Collector):
    """One counter, its values by labels."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self._name, self._text, self._labels = f"adhere_{name}", text, labels
        self.by: defaultdict[tuple[str, ...], int] = defaultdict(int)

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, count in self.by.items():
            family.add_metric(labels, count)
        yield family


class Metrics:
    """All counters, and two gauges that are asked when they are read."""

    def __init__(
        self,
        stopped: Callable[[], bool] = lambda: False,
        waiting: Callable[[], int] = lambda: 0,
        models: Iterable[str] = (),
    ) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> defaultdict[tuple[str, ...], int]:
            counts = Counts(name, text, *labels)
            self.registry.register(counts)
            return counts.by

        self._answers = counter("answers", "Exchanges by how they ended", "route", "ending")
        self._tokens = counter("tokens", "Tokens as the upstream counted them, repairs included", "route", "kind")
        self._checks = counter("checks", "Constraints checked on what was delivered", "kind", "verdict")
        self._attempts = counter("attempts", "Askings of the upstream", "route")
        self._leaked = counter("leaked_characters", "Characters of a violation delivered before it was found")
        self._leaked[()] = 0
        self._decisions = counter("decisions", "Decisions on tool calls and held answers", "verdict", "reason")
        self._refused = counter("refused_requests", "Requests that were not admitted", "reason")
        self._readings = counter("readings", "Readings of monitors and what they led to", "monitor", "effect")
        self._drift = counter("drift_alerts", "Alerts that memory changed how instructions are kept", "client")
        self._seconds = Histogram(
            "adhere_answer_seconds",
            "From admission to the end",
            ("route",),
            registry=self.registry,
            buckets=SECONDS,
        )

        self._first = Histogram(
            "adhere_first_text_seconds",
            "From admission to the first text that was delivered",
            ("route", "model", "client"),
            registry=self.registry,
            buckets=SECONDS,
        )
        self._models = frozenset(models)

        Gauge("adhere_stopped", "1 while a stop is in force", registry=self.registry).set_function(stopped)
        Gauge("adhere_waiting", "Callers that wait for a person", registry=self.registry).set_function(waiting)

    def ended(self, exchange: Exchange, outcome: ExchangeOutcome) -> None:
        """An exchange is over."""
        route = exchange.admission.route
        self._answers[route, outcome.ending] += 1
        self._seconds.labels(route).observe(outcome.seconds)
        if outcome.first_seconds is not None:
            model = exchange.request.model if exchange.request.model in self._models else "other"
            self._first.labels(route, model, exchange.admission.client).observe(outcome.first_seconds)
        self._attempts[route,] += len(outcome.attempts)
        self._tokens[route, "input"] += outcome.usage.input
        self._tokens[route, "output"] += outcome.usage.output
        self._leaked[()] += outcome.leaked
        for checked in outcome.checked:
            self._checks[checked.asked.constraint.kind, checked.verdict] += 1

    def decided(self, decision: Decision) -> None:
        """A tool call, or a held answer."""
        self._decisions[decision.verdict.name.lower(), decision.reason] += 1

    def refused(self, decision: Decision) -> None:
        """A request that goes no further."""
        self._refused[decision.reason,] += 1

    def reading(self, reading: Reading, effect: Effect) -> None:
        """A monitor has spoken, or failed to."""
        self._readings[reading.monitor, effect.name.lower() if reading.parsed else "unparsed"] += 1

    def drift(self, client: str) -> None:
        """An alert."""
        self._drift[client,] += 1

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
