"""A service that the proxy does not start: its gate is always open, and it has one generation."""

from datetime import UTC, datetime

from httpprocessproxy.config import ServiceConfig
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.state import State
from httpprocessproxy.events import EventBus, Notice, ServiceStatus
from httpprocessproxy.service.gate import Gate, GateLimits
from httpprocessproxy.service.unwatched import NoChanges
from httpprocessproxy.service.waiter import Target


class ExternalService:
    """A server at an address, which the user starts and ends."""

    def __init__(self, config: ServiceConfig, bus: EventBus) -> None:
        self.name = config.name
        self.config = config
        self._bus = bus
        self._since = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._answers_at_notice = -1  # the gate's count at the last notice
        self.gate = Gate(GateLimits(0), self, NoChanges())
        generation, (first, *others) = GenerationId(self.name, 1), config.address.hosts
        self.gate.open(Target(generation, first, config.address.port, other_hosts=tuple(others)))

    def status(self) -> ServiceStatus:
        """Return a status that is always the same: the proxy does not check the server."""
        return ServiceStatus(
            state=State.RUNNING.value,
            generation=1,
            pid=None,
            watcher="",
            returncode=None,
            reason="",
            since=self._since,
            last_start=None,
            last_restart=None,
            preload=None,
        )

    def tail(self) -> str:
        """Return "": the proxy does not see the server's output."""
        return ""

    def restart(self, requested_by: str) -> None:
        """Print a line: the user restarts the server. So do `stop` and `start`."""
        text = f"{requested_by} cannot control {self.name}: the proxy does not start its server"
        self._bus.publish(Notice(service=self.name, text=text))

    stop = start = restart

    async def fence(self) -> None:
        """Return at once: no file has an effect on the status."""

    def unreachable(self) -> Problem:
        """Return the response to a request when the server accepts no connection.

        The first call since the last response prints a line.
        """
        text = (
            f"the service {self.name} does not answer at {self.config.address}: start its server, "
            "which the proxy does not start"
        )
        if self._answers_at_notice != self.gate.answers:
            self._answers_at_notice = self.gate.answers
            self._bus.publish(Notice(service=self.name, text=text))
        return Problem(
            *(502, f"{self.name} does not answer", f"{text[0].upper()}{text[1:]}."),
            public_detail="The server of this page does not run.",
            is_final=True,
        )

    # The `Problems` of the gate, which never holds a request.
    overdue = starting = unreachable
