"""The interfaces of a visit: between the transport from the relay and the site that answers it.

A `Site` gets each visit with its `Visitor`, and returns a `RequestSink` for the visit's body. Calls
are synchronous, on the event loop's thread; back-pressure works in both directions.
"""

from typing import Protocol

from httpprocessproxy.companions.share.protocol import AnswerHead, VisitHead
from httpprocessproxy.frontends.streams import RequestSink


class Visitor(Protocol):
    """The visitor's side of a visit: it takes the answer. Calls after its end have no effect."""

    def begin_answer(self, head: AnswerHead) -> None:
        """Send the head of the answer."""

    def write(self, piece: bytes) -> None:
        """Send a piece of the body. A slow visitor causes `RequestSink.pause`."""

    def end_answer(self) -> None:
        """End a complete answer."""

    def cut(self, reason: str) -> None:
        """End the visit without a complete answer."""

    def consumed(self, size_bytes: int) -> None:
        """Accept `size_bytes` more of the visit's body: as many were passed on."""


class Site(Protocol):
    """The server that is shared."""

    def open_visit(
        self, visit: VisitHead, visitor: Visitor, *, is_tunnel: bool = False
    ) -> RequestSink:
        """Begin to answer a visit; `is_tunnel`: it requests an Upgrade to WebSocket."""

    def close(self) -> None:
        """Close the idle connections to the server."""
