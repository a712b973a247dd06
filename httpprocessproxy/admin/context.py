"""The parts of the program that the admin pages show and control."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from httpprocessproxy.core.page.places import DashboardPlaces
from httpprocessproxy.events import EventBus, ServiceStatus
from httpprocessproxy.inspector.replay import Replayer


@dataclass(frozen=True, slots=True)
class AdminContext:
    """`status()` returns the server's state; `restart(requested_by)` restarts it.

    `fence()` returns once files written before the call have had their effect on the status.
    `places` has the URLs of the dashboard; only the dashboard knows `token` (`guard.py`).
    """

    status: Callable[[], ServiceStatus]
    restart: Callable[[str], None]
    bus: EventBus
    replays: Replayer
    fence: Callable[[], Awaitable[None]]
    places: DashboardPlaces
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
