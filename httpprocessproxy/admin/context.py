"""The parts of the program that the admin pages show and control."""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from httpprocessproxy.config import ServiceConfig
from httpprocessproxy.core.page.places import DashboardPlaces
from httpprocessproxy.events import EventBus, ServiceStatus

# The paths of events.py, which is imported at its first request.
EVENTS: Final = "/_hpp/events"
CLIENT: Final = "/_hpp/client.js"


class AdminService(Protocol):
    """A service that the pages show and control."""

    @property
    def config(self) -> ServiceConfig: ...

    def status(self) -> ServiceStatus: ...

    def tail(self) -> str:
        """The end of the present generation's output."""

    def restart(self, requested_by: str) -> None: ...

    def stop(self, requested_by: str) -> None:
        """Stop it until `start` or `restart`."""

    def start(self, requested_by: str) -> None:
        """Start it, unless it runs or is on its way."""

    async def fence(self) -> None:
        """Return once files written before the call have had their effect on the status."""


@dataclass(frozen=True, slots=True)
class AdminContext:
    """The services by name, in order, and the program around them.

    places  the URLs of the dashboard
    end     ends the program
    token   known to the dashboard alone (`guard.py`)
    folder  the path of the working directory, which may be removed and made again
    """

    services: Mapping[str, AdminService]
    bus: EventBus
    places: DashboardPlaces
    end: Callable[[], None]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    folder: str = field(default_factory=os.getcwd)

    @property
    def first(self) -> AdminService:
        """The service that pages without a service are about: the first one with a route."""
        services = list(self.services.values())
        return next((each for each in services if each.config.routes), services[0])
