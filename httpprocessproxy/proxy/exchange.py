"""One request and its response: its destination, and the effect of a restart.

`core/http/replay.py` decides about lost requests, and this module executes the decisions. An
exchange has an upstream connection, waits at the gate, or is over. Each callback may end it.
"""

import logging
from typing import TYPE_CHECKING

from httpprocessproxy.core.http.holding import MAX_HELD_S, length_of
from httpprocessproxy.core.http.replay import MAX_KEPT_BODY_BYTES, Fate, Loss, Progress, fate
from httpprocessproxy.core.http.request import Request, Response
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.inspector.request_log import CUT, LEFT, REFUSED, RequestRecord
from httpprocessproxy.proxy import problems
from httpprocessproxy.proxy.tunnel import open_tunnel
from httpprocessproxy.service.waiter import Target

if TYPE_CHECKING:
    from httpprocessproxy.proxy.client_connection import ClientConnection
    from httpprocessproxy.proxy.server import ProxyServer
    from httpprocessproxy.proxy.upstream_connection import UpstreamConnection

# The part of a body that is read while the request waits; the rest stays in the kernel.
MAX_WAITING_BYTES = 64 * 1024


_log = logging.getLogger(__name__)


class Exchange:
    """A `gate.Waiter`, and the receiver of the events of an `UpstreamConnection`."""

    __slots__ = (
        *("_body_bytes", "_buffer", "_is_buffered", "_is_pending", "_proxy_server", "_sent"),
        *("_suspected", "_upstream", "body", "client", "for_backend", "is_answered", "over"),
        *("record", "request", "response_ended"),
    )

    def __init__(
        self, client: "ClientConnection", proxy_server: "ProxyServer", request: Request
    ) -> None:
        self.client = client
        self.request = request
        self.record = RequestRecord(request, client.peer.ip, client.replay_of)
        self.body = request.body()
        self.over = False
        self.for_backend = False
        self.response_ended = False
        self._proxy_server = proxy_server
        self._upstream: UpstreamConnection | None = None
        self._buffer = [request.head]  # the data to send first on the next connection
        self._body_bytes = 0
        # An unsafe request is buffered as well if it may be reclaimed before a server reads it.
        self._is_buffered = request.is_safe or proxy_server.takes_back
        self._sent = False
        self.is_answered = False
        self._suspected: GenerationId | None = None  # the generation suspected to have died
        self._is_pending = False

    @property
    def is_safe(self) -> bool:
        return self.request.is_safe

    @property
    def is_navigation(self) -> bool:
        return self.request.is_document and self.request.method == b"GET"

    @property
    def is_unanswered(self) -> bool:
        """Whether the complete request was sent to the backend, which has not answered."""
        is_sent = self.for_backend and self.body.done and not self.record.waits_since
        return is_sent and not self.is_answered and not self.over

    @property
    def wants_fence(self) -> bool:
        return self.request.wants_fence

    # The request

    def start(self) -> None:
        """Send the request to the gate, or to the admin, which has no gate."""
        if self.request.is_for_dashboard:
            self._proxy_server.connect_to_admin(self, is_dashboard=True)
        elif self.request.target.startswith(b"/_hpp/"):
            self._proxy_server.connect_to_admin(self)
        else:
            self.for_backend = True
            self._proxy_server.log.begin(self.record)
            self._proxy_server.arrivals.add(self)

    def enter(self) -> None:
        """Enter the gate, which admits or refuses the request now or later."""
        if not self._proxy_server.gate.enter(self):
            self.record.waits()

    def _ask(self) -> None:
        if not self._proxy_server.gate.enter_unfenced(self):
            self.record.waits()

    def admitted(self, target: Target) -> None:
        if self.record.waits_since:
            self.record.goes_on()
        if self.client.has_left():
            if target.connection is not None:
                target.connection.close()
            self.cancel()
            return
        upstream = self.client.idle_upstream.take(target.generation, self.request)
        if upstream is None:
            self._proxy_server.connect(self, target)
        else:
            self._send(upstream)

    def refused(self, problem: Problem) -> None:
        _log.debug("%s %s: %s", self.request.method, self.request.target, problem.title)
        self.record.status = problem.status
        self._end(REFUSED)
        self.client.answer(problem, self)

    def connected(self, upstream: "UpstreamConnection") -> None:
        """Send the request on the connection that was made for it."""
        if self.over:
            upstream.abort()
            return
        if upstream.transport.is_closing():
            # The backend closed before this callback, and the transport reports it only once.
            self.lost(Loss.HUNG_UP)
            return
        self._send(upstream)

    def _send(self, upstream: "UpstreamConnection") -> None:
        """Send the request as far as it has been received."""
        self._upstream = upstream
        self._sent = True
        self.record.sent += 1
        if not self.request.is_safe and self.for_backend and not self._is_pending:
            self._is_pending = True
            self._proxy_server.gate.pending_began()
        if self.client.is_blocked:
            # Before sending, which may block reading again.
            self.block_request(False)
        upstream.send(self, b"".join(self._buffer))
        if not self._is_buffered:
            self._buffer.clear()

    def send_body(self, data: bytes) -> None:
        """Pass on bytes of the request's body from the client. Raises BodyError."""
        out = self.body.feed(data)
        if not out:
            return
        self._body_bytes += len(out)
        self.record.keep(out)
        if self._upstream is not None:
            self._upstream.write(out)
        if self._is_buffered and self._body_bytes > MAX_KEPT_BODY_BYTES and self._sent:
            self._is_buffered = False
            self._buffer.clear()
        if self._upstream is None or self._is_buffered:
            self._buffer.append(out)
        if self._upstream is None and self._body_bytes > MAX_WAITING_BYTES:
            self.block_request(True)
        if self.body.done and self.response_ended:
            self._complete()

    def block_request(self, blocked: bool) -> None:
        """Apply back-pressure to the client: pause or resume reading of the request."""
        self.client.block_reading(blocked)

    def block_response(self, blocked: bool) -> None:
        """Apply back-pressure to the backend: pause or resume reading of the response."""
        if self._upstream is not None and not self.response_ended:
            transport = self._upstream.transport
            if blocked:
                transport.pause_reading()
            else:
                transport.resume_reading()

    # The response

    def pass_interim(self, head: bytes) -> None:
        self._proxy_server.gate.answers += 1  # not a response yet, but the end of a silence
        if not self.request.is_http10:  # RFC 9110 section 15.2: HTTP/1.0 has no 1xx
            self.client.write(head)

    def begin_response(self, response: Response, piece: bytes) -> None:
        self.is_answered = True
        self._proxy_server.gate.answered(self)
        record = self.record
        record.status, record.response_head = response.status, response.head
        record.response_bytes = len(piece)
        keep_alive = response.client_keep_alive and (self.body.done or response.backend_keep_alive)
        upstream = self._upstream
        fields = b"" if upstream is None or not self.request.is_trusted else upstream.fields
        if not response.body.done:
            self._delay_kill(response)
        self.client.begin_response(response, piece, self.request, fields, keep_alive=keep_alive)

    def _delay_kill(self, response: Response) -> None:
        """Delay the kill of the backend for a response that has begun: cut, it would be lost.

        A response without a length may be an endless stream, which delays it by MAX_HELD_S only.
        """
        if not self.for_backend or self._is_pending:
            return
        self._is_pending = True
        self._proxy_server.gate.pending_began()
        if length_of(response) is None:
            self._proxy_server.loop.call_later(MAX_HELD_S, self._end_pending)

    def pass_body(self, piece: bytes) -> None:
        self.record.response_bytes += len(piece)
        self.client.write(piece)

    def end_response(self, *, reusable: bool) -> None:
        """The complete response was passed on; the request's body may still be incomplete."""
        self.response_ended = True
        if not reusable and self._upstream is not None:
            self._upstream.close()
            self._upstream = None
        if self.body.done or self._upstream is None:
            self._complete()

    def _complete(self) -> None:
        upstream, self._upstream = self._upstream, None
        self._end("")
        if upstream is not None:
            upstream.detach()
        self.client.exchange_ended(self, upstream)

    def switch_protocols(self, response: Response, rest: bytes) -> None:
        upstream = self._upstream
        assert upstream is not None
        self._upstream = None
        self._proxy_server.gate.answered(self)
        self.record.status, self.record.response_head = 101, response.head
        self._end(None)
        open_tunnel(self._proxy_server, self, upstream, response, rest)

    # Failures

    def reclaimed(self) -> None:
        """No server has read the request, and none will: treat it as not sent."""
        if self._is_buffered:
            self._sent = False
            self._end_pending()
        self.lost(Loss.RESTARTED)

    def lost(self, loss: Loss) -> None:
        """The connection to the backend could not be made, or was lost."""
        if self.response_ended:
            # The response ended before the request, whose rest is not needed any more.
            self._upstream = None
            self._complete()
            return
        reused = self._upstream is not None and self._upstream.reused
        generation = self._proxy_server.gate.generation
        # Suspicions apply only after the gate opens: the first request may be lost repeatedly.
        is_open = self._proxy_server.gate.target is not None
        suspected = is_open and self._suspected is not None and self._suspected == generation
        repeatable = self._is_buffered and self.request.is_safe
        progress = Progress(self._sent, repeatable, reused, self.is_answered, suspected)
        decision = fate(loss, progress)
        line = self.request.method, self.request.target
        _log.debug("%s %s lost its backend: %s; %s", *line, loss.value, decision.value)
        self._proxy_server.gate.exit(self)
        self._upstream = None
        if not self.for_backend:
            decision = Fate.CUT if self.is_answered else Fate.BAD_GATEWAY
        if decision is Fate.CUT:
            self.cut()
        elif decision is Fate.BAD_GATEWAY:
            self.refused(problems.lost(loss, self.request, sent=self._sent))
        elif decision is Fate.SUSPECT:
            self._suspected = generation
            self.record.waits()
            self._proxy_server.gate.hold_unconfirmed(self)
        else:
            self._suspected = None
            self._ask()

    def bad_response(self, reason: str) -> None:
        """The backend's response is not valid HTTP: send 502, or cut a response that has begun.

        It is reported, unless the backend is being stopped, which may cut any response.
        """
        self._upstream = None
        if self._proxy_server.gate.target is not None:
            path = self.request.target.partition(b"?")[0].decode("ascii", "replace")
            method = self.request.method.decode()
            self._proxy_server.complain(f"{method} {path}: the answer of the server has {reason}")
        if self.is_answered:
            self.cut()
        else:
            self.refused(problems.bad_response(reason))

    def timed_out(self) -> None:
        self.give_up(problems.no_answer())

    def give_up(self, problem: Problem) -> None:
        """Drop the backend's connection and answer with `problem`."""
        self._drop_upstream()
        self.refused(problem)

    def cut(self) -> None:
        """Abort a response that has begun, so that the client detects the truncation."""
        self._upstream = None
        self._end(CUT)
        self.client.cut()

    def abort(self) -> None:
        """End the exchange after a bug: close the client's connection."""
        self.client.transport.abort()

    def cancel(self) -> None:
        """The client has closed: drop the backend's connection, and end the exchange."""
        self._drop_upstream()
        self._end(LEFT)

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abort()

    def _end(self, outcome: str | None) -> None:
        """End the exchange. An outcome of None keeps the record open, for a tunnel."""
        if self.for_backend and outcome is not None:
            if not self.body.done:
                self.record.body = None
            self._proxy_server.log.end(self.record, outcome)
        self.over = True
        self._proxy_server.gate.exit(self)
        if self._is_pending:
            self._end_pending()

    def _end_pending(self) -> None:
        if self._is_pending:
            self._is_pending = False
            self._proxy_server.gate.pending_ended()
