"""The gate's interfaces: to a request, which waits there, and to the parts that it asks."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem


@dataclass(frozen=True, slots=True)
class Target:
    """The address of a generation's backend.

    `connection` is set for a first request: an open connection, which that request then owns. A
    connection is made to the first one of `host` and `other_hosts` that accepts it.
    """

    generation: GenerationId
    host: str
    port: int
    connection: socket.socket | None = field(default=None, compare=False)
    other_hosts: tuple[str, ...] = ()


class Waiter(Protocol):
    """A request at the gate. Exactly one of its methods is called, perhaps at once."""

    @property
    def is_safe(self) -> bool:
        """Whether it may be sent again after a lost connection."""

    @property
    def is_navigation(self) -> bool:
        """Whether a browser requests a page to show."""

    @property
    def wants_fence(self) -> bool:
        """Whether its header fields require a response that includes all earlier writes."""

    def admitted(self, target: Target) -> None: ...

    def refused(self, problem: Problem) -> None: ...


class Problems(Protocol):
    """The 503 responses for requests that are not admitted in time."""

    def overdue(self) -> Problem:
        """The response to a request that has waited too long."""

    def starting(self) -> Problem:
        """The page that shows the start."""


class Freshness(Protocol):
    """Whether all changes so far have taken effect on the gate.

    If not, `resume` or another command follows. A request waits for the changes before it only, as
    later ones may go on forever: changes have numbers, the marks.
    """

    fence: Callable[[], asyncio.Future[bool]] | None
    """The wait for changes that the watcher reports late; None if it reports them at once."""

    def is_current(self) -> bool:
        """Read the changes so far; return whether all have taken effect. Called per request."""

    def mark(self) -> int:
        """Read the changes so far; return the number of the last one."""

    def is_past(self, mark: int) -> bool:
        """Whether all changes up to a number have taken effect."""
