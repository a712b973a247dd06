"""Events about the hops of chains: what happened to each, with the chain's Id."""

from datetime import UTC, datetime

from httpprocessproxy.companions.chains.chain import Hop
from httpprocessproxy.companions.chains.deliveries import DeliveryOutcome
from httpprocessproxy.companions.chains.reports import Report
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.events import EventBus, HopReported


class HopReporter:
    """Publishes `HopReported` events."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    def step(
        self,
        outcome: str,
        chain: str,
        step: Request | Hop,
        status: int | None = None,
        text: str = "",
    ) -> None:
        """Publish what happened to a request, or to its next hop."""
        method, url = _step(step)
        event = HopReported(
            time=_now(),
            chain=chain,
            outcome=outcome,
            method=method,
            url=url,
            status=status,
            text=text,
        )
        self._bus.publish(event)

    def delivered(self, hop: Hop, outcome: DeliveryOutcome) -> None:
        """Publish the outcome of a delivery, successful or failed."""
        event = HopReported(
            time=_now(),
            chain=hop.rest.id,
            outcome="failed" if outcome.message else "delivered",
            method=hop.method,
            url=hop.url,
            status=outcome.status or None,
            duration_ms=round(outcome.duration_s * 1000, 1),
            tries=outcome.tries,
            text=outcome.message,
        )
        self._bus.publish(event)

    def error_report(self, outcome: str, report: Report, problem: str = "") -> None:
        """Publish whether the report of a failed request was sent."""
        event = HopReported(
            time=_now(),
            chain=report.chain.id,
            outcome=outcome,
            url=report.chain.errors_to,
            status=report.code or None,
            text=f"{report.line} ({problem})" if problem else report.line,
        )
        self._bus.publish(event)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _step(step: Request | Hop) -> tuple[str, str]:
    """The method and the target of a request, or the URL of a hop."""
    if isinstance(step, Hop):
        return step.method, step.url
    return step.method.decode(), step.target.decode("latin-1")
