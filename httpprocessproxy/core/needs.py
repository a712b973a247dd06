"""The effect of needed and followed services on a service: its requests, and its start. No I/O.

A service may be paused: stopped by the user, or idle. Its machine keeps its four states, and is in
LOADING while the next generation waits for the end of the pause.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.core.state import REQUESTS, Requests, State


class Pause(enum.Enum):
    """The reason why a service must not run; the value is the word for its state."""

    STOPPED = "stopped"  # until the user starts it
    IDLE = "idle"  # until the next request


# The state of a service as others see it.
Condition = State | Pause

_REQUESTS_WHILE_PAUSED: Final[Mapping[Pause, Requests]] = {
    Pause.STOPPED: Requests.REFUSE,
    Pause.IDLE: Requests.HOLD,
}

_MOVING: Final = (State.LOADING, State.KILLING)


@dataclass(frozen=True, slots=True)
class Treatment:
    """The treatment of a service's requests, and the name of the service that causes it."""

    requests: Requests
    cause: str


def requests_while(condition: Condition) -> Requests:
    """The treatment of requests by one condition."""
    if isinstance(condition, State):
        return REQUESTS[condition]
    return _REQUESTS_WHILE_PAUSED[condition]


def treatment(conditions: Mapping[str, Condition]) -> Treatment:
    """The treatment of a service's requests.

    `conditions` are those of the service, as the first item, and of all that it needs, also
    through others. Any of them can refuse requests, else any can hold them.
    """
    for requests in (Requests.REFUSE, Requests.HOLD):
        for name, condition in conditions.items():
            if requests_while(condition) is requests:
                return Treatment(requests, name)
    return Treatment(Requests.FORWARD, next(iter(conditions)))


def waits_for(needed: Mapping[str, Condition], followed: Mapping[str, Condition]) -> list[str]:
    """The names of the services for which a start waits.

    All that a service needs must run. A service that it only follows must not be on its way.
    """
    missing = [name for name, condition in needed.items() if condition is not State.RUNNING]
    moving = [name for name, condition in followed.items() if condition in _MOVING]
    return list(dict.fromkeys([*missing, *moving]))
