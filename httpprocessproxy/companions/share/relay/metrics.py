"""The relay's metrics, for Prometheus (the extra `relay`).

Labels are host and outcome. Hosts are those of the tokens' file, so clients cannot add any.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from httpprocessproxy.companions.share.relay.access_log import AccessRecord

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Levels(Protocol):
    """The gauges, read at each scrape."""

    def visits(self) -> int: ...
    def waiting_calls(self) -> Mapping[str, int]: ...
    def ignored_answers(self) -> int: ...
    def memory_bytes(self) -> int: ...


class Metrics:
    """All metrics of one relay."""

    def __init__(self, levels: Levels) -> None:
        self._registry = CollectorRegistry()
        self._visits = Counter(
            "hpp_relay_visits",
            "Visits that have ended",
            ("host", "outcome"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "hpp_relay_visit_seconds",
            "Duration of answered visits",
            ("host",),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=self._registry,
        )
        self._sent = Counter(
            "hpp_relay_sent_bytes",
            "Bytes of answers' bodies sent to visitors",
            ("host",),
            registry=self._registry,
        )
        self._add_level("visits_in_progress", "Visits in progress", levels.visits)
        self._registry.register(_WaitingCalls(levels))
        self._add_level("ignored_answers", "Answers that came too late", levels.ignored_answers)
        self._add_level("memory_bytes", "Bytes of bodies in memory", levels.memory_bytes)

    def count(self, record: AccessRecord) -> None:
        """Count a visit that has ended."""
        self._visits.labels(record.host, record.outcome.value).inc()
        self._sent.labels(record.host).inc(record.sent_bytes)
        if record.outcome.value == "answered":
            self._seconds.labels(record.host).observe(record.duration_s)

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _add_level(self, name: str, what: str, read: Callable[[], int]) -> None:
        gauge = Gauge(f"hpp_relay_{name}", what, registry=self._registry)
        gauge.set_function(read)


class _WaitingCalls(Collector):
    """The number of waiting calls by host; 0 if no worker is connected, or all are busy."""

    def __init__(self, levels: Levels) -> None:
        self._levels = levels

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "hpp_relay_waiting_calls", "Workers' calls that wait", labels=("host",)
        )
        for host, count in self._levels.waiting_calls().items():
            family.add_metric((host,), count)
        yield family
