"""Events as the bus passes them."""

from dataclasses import replace
from typing import TypedDict, Unpack

from httpprocessproxy.events import (
    Notice,
    RequestBegan,
    RequestEnded,
    RequestRow,
    RestartReport,
    ServiceStatus,
    StartReport,
    StateChanged,
)

TIME = "2026-11-21T10:00:00.000+00:00"
RESTART = RestartReport(["app/views.py"], 0.1, 9.6, 4.2, 200.4, 214.3)


class StateMembers(TypedDict, total=False):
    """The members of a transition that matter to a test."""

    at_ms: float
    why: str
    paths: list[str]
    returncode: int | None
    reason: str
    start: StartReport | None
    restart: RestartReport | None
    reloads: bool


class RowMembers(TypedDict, total=False):
    """The members of a row of the log of requests that matter to a test."""

    method: str
    target: str
    status: int | None
    outcome: str
    ended: bool
    held_ms: float
    sent: int
    bytes: int
    replay_of: int | None


def state(
    entered: str,
    before: str = "",
    generation: int = 1,
    service: str = "web",
    **members: Unpack[StateMembers],
) -> StateChanged:
    """A transition to `entered`."""
    return StateChanged(
        service=service,
        state=entered,
        before=before,
        generation=generation,
        time=TIME,
        **members,
    )


ROW = RequestRow(
    id=1,
    service="web",
    time=TIME,
    method="GET",
    target="/path",
    status=200,
    outcome="",
    ended=True,
    duration_ms=12.3,
    held_ms=0.0,
    sent=1,
    bytes=3401,
    websocket=False,
    client="127.0.0.1",
    replay_of=None,
    can_be_replayed=True,
)


def row(number: int = 1, **members: Unpack[RowMembers]) -> RequestRow:
    return replace(ROW, id=number, **members)


def request(**members: Unpack[RowMembers]) -> RequestBegan | RequestEnded:
    """A request that is over, unless `ended` is False."""
    made = row(**members)
    return RequestEnded(row=made) if made.ended else RequestBegan(row=made)


def notice(text: str) -> Notice:
    return Notice(text=text)


def status(state: str, generation: int) -> ServiceStatus:
    """A server in a state, without a history."""
    return ServiceStatus(state, generation, None, "", None, "", "", None, None, None)
