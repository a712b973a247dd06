"""The gate's interface to a request: the waiter, and the outcomes of its wait."""

import socket
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
