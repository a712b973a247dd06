"""What our own pages show of the program, and what they can set in motion."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from httpprocessproxy.core.page.places import DashboardPlaces
from httpprocessproxy.events import EventBus, ServiceStatus
from httpprocessproxy.inspector.replay import Replayer


@dataclass(frozen=True, slots=True)
class AdminContext:
    """`status` tells the server's state, `restart` starts it anew, for whom it is told.

    `fence` returns once what was written before the call has had its effect on the status.
    `places` are the dashboard's; `token` is known to the dashboard, and to no other page
    (`guard.py`).
    """

    status: Callable[[], ServiceStatus]
    restart: Callable[[str], None]
    bus: EventBus
    replays: Replayer
    fence: Callable[[], Awaitable[None]]
    places: DashboardPlaces
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
