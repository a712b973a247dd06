"""The parts of the program that the admin pages show and control."""

import os
import secrets
from dataclasses import dataclass, field
from typing import Final, Protocol

from httpprocessproxy.core.page.places import DashboardPlaces
from httpprocessproxy.events import EventBus, ServiceStatus

# The paths of events.py, which is imported at its first request.
EVENTS: Final = "/_hpp/events"
CLIENT: Final = "/_hpp/client.js"


class AdminService(Protocol):
    """The service that the pages show and control."""

    def status(self) -> ServiceStatus: ...

    def restart(self, requested_by: str) -> None: ...

    async def fence(self) -> None:
        """Return once files written before the call have had their effect on the status."""


@dataclass(frozen=True, slots=True)
class AdminContext:
    """`places` has the URLs of the dashboard; only the dashboard knows `token` (`guard.py`).

    `folder` is the path of the working directory, which may be removed and made again.
    """

    service: AdminService
    bus: EventBus
    places: DashboardPlaces
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    folder: str = field(default_factory=os.getcwd)
