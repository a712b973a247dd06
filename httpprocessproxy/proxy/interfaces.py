"""The interfaces of the data plane: an exchange between its client and its backend connection.

Five classes are a `Downstream`: a connection of HTTP/1.1, a stream of HTTP/2, of HTTP/3 and of a
share, and a replay. Calls are synchronous, on the event loop's thread; back-pressure works in both
directions. Any call may end the exchange.
"""

import asyncio
from typing import Protocol

from httpprocessproxy.core.exchange import Loss
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.request import Request, Response
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem


class Upstream(Protocol):
    """A connection to the backend or to the admin, as its exchange uses it."""

    generation: GenerationId | None
    fields: bytes  # lines for a response to a trusted client: they name the generation
    transport: asyncio.Transport
    idle_since: float

    @property
    def reused(self) -> bool:
        """Whether the connection has served a request before."""

    def send(self, handler: "ResponseHandler", data: bytes) -> None:
        """Send a request, whose response goes to `handler`."""

    def write(self, data: bytes) -> None:
        """Send more of the request's body."""

    def detach(self) -> None:
        """Become idle: the response is complete."""

    def hand_over(self) -> asyncio.Transport:
        """Leave the transport to a tunnel."""

    def abort(self) -> None:
        """Close with RST at once: the response is not needed any more."""

    def close(self) -> None:
        """Close an idle connection, or one whose exchange is complete."""


class ResponseHandler(Protocol):
    """An exchange, as its upstream connection uses it."""

    request: Request
    for_backend: bool

    @property
    def is_answered(self) -> bool:
        """Whether the final response has begun."""

    @property
    def is_unanswered(self) -> bool:
        """Whether the complete request was sent to the backend, which has not answered."""

    def block_request(self, blocked: bool) -> None:
        """Pause or resume the reading of the request: back-pressure of the backend."""

    def pass_interim(self, head: bytes) -> None:
        """Pass on a complete 1xx response."""

    def begin_response(self, response: Response, piece: bytes) -> None:
        """Begin the final response, with the first `piece` of its body."""

    def pass_body(self, piece: bytes) -> None:
        """Pass on a piece of the response's body."""

    def end_response(self, *, reusable: bool) -> None:
        """End the response; `reusable` is unset if the connection cannot carry another one."""

    def switch_protocols(self, response: Response, rest: bytes) -> None:
        """Pass on a 101, and the bytes that followed it."""

    def lost(self, loss: Loss) -> None:
        """The connection could not be made, or is lost."""

    def reclaimed(self) -> None:
        """The connection is closed, and no server has read the request or will."""

    def bad_response(self, reason: str) -> None:
        """The response is not valid HTTP."""

    def give_up(self, problem: Problem) -> None:
        """Drop the connection, and answer with `problem`."""


class IdleUpstreams(Protocol):
    """Idle connections to the backend that a client's next request may use."""

    def take(self, generation: GenerationId, request: Request) -> Upstream | None:
        """Return an idle connection, if this request may use one."""

    def put(self, upstream: Upstream) -> None:
        """Keep a connection to the backend; close one to the admin."""


class Downstream(Protocol):
    """The client's side of an exchange: it takes the response."""

    @property
    def peer(self) -> Peer: ...

    @property
    def replay_of(self) -> int:
        """The number of the record that the request replays, or 0."""

    @property
    def idle_upstream(self) -> IdleUpstreams: ...

    @property
    def is_blocked(self) -> bool:
        """Whether the request's body cannot be passed on: back-pressure."""

    def block_reading(self, blocked: bool) -> None:
        """Pause or resume the reading of the request's body."""

    def has_left(self) -> bool:
        """Whether the client has closed while no event reports it."""

    def pass_interim(self, head: bytes) -> None:
        """Pass on a complete 1xx response."""

    def begin_response(
        self,
        response: Response,
        piece: bytes,
        request: Request,
        fields: bytes = b"",
        *,
        keep_alive: bool,
    ) -> None:
        """Write a response's head with `fields`, and the first `piece` of its body, at once."""

    def write(self, data: bytes) -> None:
        """Write more of the response's body."""

    def end_response(self) -> None:
        """End a response that is complete before its request."""

    def exchange_ended(self, upstream: Upstream | None, *, is_read: bool) -> None:
        """End the exchange after a complete response; `is_read`: the request is complete, too."""

    def answer(self, problem: Problem, request: Request | None, *, is_read: bool) -> None:
        """Send an error response, and end the exchange. `request` is None if it is malformed."""

    def accepts(self, response: Response) -> bool:
        """Whether a 101 is valid for this client."""

    def begin_tunnel(self) -> tuple[asyncio.Transport, bytes]:
        """Hand over the transport for a tunnel, and the bytes received after the request."""

    def pass_switch(self, response: Response, fields: bytes, rest: bytes) -> None:
        """Pass on the 101 with `fields`, and the bytes that followed it, to the tunnel's client."""

    def cut(self) -> None:
        """Abort a response that has begun, so that the client detects the truncation."""

    def abort(self) -> None:
        """Abort the client's request, and no other: after a bug, or at the end of the program."""

    def sweep(self, now: float, idle_s: float, answer_s: float) -> str:
        """Close an idle backend connection, and time a request out.

        Returns the name of the service that has a complete request without a response, or "".
        """
