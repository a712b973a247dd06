"""The parts of the program that the admin pages show and control."""

import secrets
from dataclasses import dataclass, field
from typing import Protocol

from httpprocessproxy.core.page.places import DashboardPlaces
from httpprocessproxy.events import EventBus, ServiceStatus


class AdminService(Protocol):
    """The service that the pages show and control."""

    def status(self) -> ServiceStatus: ...

    def restart(self, requested_by: str) -> None: ...

    async def fence(self) -> None:
        """Return once files written before the call have had their effect on the status."""


@dataclass(frozen=True, slots=True)
class AdminContext:
    """`places` has the URLs of the dashboard; only the dashboard knows `token` (`guard.py`)."""

    service: AdminService
    bus: EventBus
    places: DashboardPlaces
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
