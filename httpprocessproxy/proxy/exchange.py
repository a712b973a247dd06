"""One request and its response: where it goes, and what a restart does to it.

`core/http/replay.py` holds the rules; this obeys them. An exchange is with its upstream, at the
gate, or over, and each of its callers may be the last it hears from.
"""

import logging
from typing import TYPE_CHECKING

from httpprocessproxy.core.http.holding import MAX_HELD_S, length_of
from httpprocessproxy.core.http.replay import MAX_KEPT_BODY_BYTES, Fate, Loss, Progress, fate
from httpprocessproxy.core.http.request import Request, Response
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.inspector.request_log import CUT, LEFT, REFUSED, RequestRecord
from httpprocessproxy.proxy import problems
from httpprocessproxy.proxy.tunnel import open_tunnel
from httpprocessproxy.service.waiter import Target

if TYPE_CHECKING:
    from httpprocessproxy.proxy.client_connection import ClientConnection
    from httpprocessproxy.proxy.server import ProxyServer
    from httpprocessproxy.proxy.upstream_connection import UpstreamConnection

# How much of a body is read while the request waits: the rest stays in the kernel.
MAX_WAITING_BYTES = 64 * 1024


_log = logging.getLogger(__name__)


class Exchange:
    """A `gate.Waiter`, and what `UpstreamConnection` tells of its request."""

    __slots__ = (
        "_body_bytes",
        "_is_kept",
        "_is_pending",
        "_kept",
        "_proxy_server",
        "_sent",
        "_suspected",
        "_upstream",
        "body",
        "client",
        "for_backend",
        "is_answered",
        "over",
        "record",
        "request",
        "response_ended",
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
        self._kept = [request.head]  # what the next connection begins with
        self._body_bytes = 0
        # What must not be sent twice is kept where it may be found that nobody has read it.
        self._is_kept = request.is_safe or proxy_server.takes_back
        self._sent = False
        self.is_answered = False
        self._suspected: int | None = None  # the generation that may have died
        self._is_pending = False

    @property
    def is_safe(self) -> bool:
        return self.request.is_safe

    @property
    def is_navigation(self) -> bool:
        return self.request.is_document and self.request.method == b"GET"

    @property
    def is_unanswered(self) -> bool:
        """Whether the backend has all of it, as far as it takes that, and has not answered."""
        is_sent = self.for_backend and self.body.done and not self.record.waits_since
        return is_sent and not self.is_answered and not self.over

    @property
    def wants_fence(self) -> bool:
        return self.request.wants_fence

    # The way to the backend

    def start(self) -> None:
        """Go to the gate, or to our own pages, which are always open."""
        if self.request.is_for_dashboard:
            self._proxy_server.connect_to_our_pages(self, is_dashboard=True)
        elif self.request.target.startswith(b"/_hpp/"):
            self._proxy_server.connect_to_our_pages(self)
        else:
            self.for_backend = True
            self._proxy_server.log.begin(self.record)
            self._enter()

    def _enter(self) -> None:
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
        upstream = self.client.take_upstream(target.generation, self.request)
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
        """Go on with a connection that has been made."""
        if self.over:
            upstream.abort()
            return
        if upstream.transport.is_closing():
            # The backend closed before anybody could be told: nobody will be told again.
            self.lost(Loss.HUNG_UP)
            return
        self._send(upstream)

    def _send(self, upstream: "UpstreamConnection") -> None:
        """Send all there is."""
        self._upstream = upstream
        self._sent = True
        self.record.sent += 1
        if not self.request.is_safe and self.for_backend and not self._is_pending:
            self._is_pending = True
            self._proxy_server.gate.pending_began()
        if self.client.is_blocked:
            # Before it is sent: that may block it again.
            self.block_request(False)
        upstream.send(self, b"".join(self._kept))
        if not self._is_kept:
            self._kept.clear()

    def send_body(self, data: bytes) -> None:
        """Take bytes of the request's body from the client. Raises BodyError."""
        out = self.body.feed(data)
        if not out:
            return
        self._body_bytes += len(out)
        self.record.keep(out)
        if self._upstream is not None:
            self._upstream.write(out)
        if self._is_kept and self._body_bytes > MAX_KEPT_BODY_BYTES and self._sent:
            self._is_kept = False
            self._kept.clear()
        if self._upstream is None or self._is_kept:
            self._kept.append(out)
        if self._upstream is None and self._body_bytes > MAX_WAITING_BYTES:
            self.block_request(True)
        if self.body.done and self.response_ended:
            self._complete()

    def block_request(self, blocked: bool) -> None:
        """Back-pressure towards the client."""
        self.client.block_reading(blocked)

    def block_response(self, blocked: bool) -> None:
        """Back-pressure towards the backend."""
        if self._upstream is not None and not self.response_ended:
            transport = self._upstream.transport
            if blocked:
                transport.pause_reading()
            else:
                transport.resume_reading()

    # The way back

    def pass_interim(self, head: bytes) -> None:
        self._proxy_server.gate.answers += 1  # no answer yet, but no silence either
        if not self.request.is_http10:  # RFC 9110 section 15.2: it would not understand
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
            self._let_finish(response)
        self.client.begin_response(response, piece, self.request, fields, keep_alive=keep_alive)

    def _let_finish(self, response: Response) -> None:
        """Have the drain wait for an answer that has begun: cut, it could not be had again.

        One that does not say how long it is may be a stream, which has no end to wait for.
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
        """All of the response has been passed on; of the request's body some may be missing."""
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

    # The ways it can go wrong

    def taken_back(self) -> None:
        """Nobody has read the request, and nobody will: as if it had not been sent."""
        if self._is_kept:
            self._sent = False
            self._end_pending()
        self.lost(Loss.RESTARTED)

    def lost(self, loss: Loss) -> None:
        """The connection to the backend could not be made, or is gone."""
        if self.response_ended:
            # It came before the end of the request, whose rest nobody wants now.
            self._upstream = None
            self._complete()
            return
        reused = self._upstream is not None and self._upstream.reused
        generation = self._proxy_server.gate.generation
        # Before the gate opens nothing is certain: a scout may be lost more than once.
        is_open = self._proxy_server.gate.target is not None
        suspected = is_open and self._suspected is not None and self._suspected == generation
        repeatable = self._is_kept and self.request.is_safe
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
        """The backend answered with what is not HTTP: say so, to the client as long as it can be.

        A backend that is being stopped may break off anywhere, and is not to blame.
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
        """Whatever the backend still does for this request is too late, or wrong."""
        self._drop_upstream()
        self.refused(problem)

    def cut(self) -> None:
        """End a response that has begun so that the client can tell."""
        self._upstream = None
        self._end(CUT)
        self.client.cut()

    def cancel(self) -> None:
        """The client has gone: so has everybody who wants the answer."""
        self._drop_upstream()
        self._end(LEFT)

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abort()

    def _end(self, outcome: str | None) -> None:
        """It is over; None if the record goes on, with a tunnel."""
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
