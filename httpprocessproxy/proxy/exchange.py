"""One request and its response: its destination, and the effect of a restart.

`core/exchange.py` decides, and this module obeys. An exchange has an upstream connection, waits at
the gate, or is over. Each callback may end it.
"""

import logging

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.exchange import (
    TRANSITIONS,
    ExchangeCommand,
    ExchangeEvent,
    Loss,
    Phase,
    Progress,
    event_of,
)
from httpprocessproxy.core.http.forwarded import untrusted_peers
from httpprocessproxy.core.http.holding import MAX_HELD_S, length_of
from httpprocessproxy.core.http.request import Response
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.inspector.request_log import CUT, LEFT, REFUSED
from httpprocessproxy.proxy import problems
from httpprocessproxy.proxy.buffered_request import BufferedRequest
from httpprocessproxy.proxy.interfaces import Upstream
from httpprocessproxy.proxy.tunnel import open_tunnel
from httpprocessproxy.service.waiter import Target

# The rows of most exchanges, looked up once. Before Python 3.12, a member takes 0.1 us to
# look up in its class.
_WAITING, _ANSWERING = Phase.WAITING, Phase.ANSWERING
_UPLOADING, _OVER = Phase.UPLOADING, Phase.OVER
_AFTER_SENT, _ = TRANSITIONS[Phase.WAITING][ExchangeEvent.SENT]
_AFTER_BEGAN, _ = TRANSITIONS[_AFTER_SENT][ExchangeEvent.BEGAN]
_AFTER_ENDED, _ = TRANSITIONS[_AFTER_BEGAN][ExchangeEvent.ENDED]

_log = logging.getLogger(__name__)


class Exchange(BufferedRequest):
    """A `gate.Waiter`, and the `ResponseHandler` of its `UpstreamConnection`."""

    __slots__ = ()

    @property
    def is_answered(self) -> bool:
        return _ANSWERING <= self.phase < _OVER

    @property
    def is_unanswered(self) -> bool:
        """Whether the complete request was sent to the backend, which has not answered."""
        is_sent = self.for_backend and self.body.done and not self.record.waits_since
        return is_sent and self.phase < _ANSWERING

    # The request

    def start(self) -> None:
        """Send the request to the gate, or to the admin, which has no gate."""
        if self.request.is_for_dashboard:
            self._connect_to_admin(is_dashboard=True)
        elif self.request.target.startswith(b"/_hpp/"):
            self._connect_to_admin(is_dashboard=False)
        else:
            self.for_backend = True
            self._context.log.begin(self.record)
            self._context.arrivals.add(self)

    def _connect_to_admin(self, *, is_dashboard: bool) -> None:
        """Connect to the admin, if the client may use the target; else refuse the request."""
        self.gate = self._context.router.no_service
        request = self.request
        path = self._context.admin_socket(request.target, request.is_trusted, is_dashboard)
        if path is None:
            untrusted = untrusted_peers(request.head, self.client.peer)
            self.refused(problems.untrusted(untrusted[-1]))
        else:
            self._destination.connections.connector.to_admin(self, path)

    def enter(self) -> None:
        """Enter the gate, which admits or refuses the request now or later."""
        if not self.gate.enter(self):
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
            self._destination.connections.connector.to_backend(self, target)
        else:
            self._send(upstream)

    def leads_to(self, target: Target) -> bool:
        return self.gate.leads_to(target)

    def connected(self, upstream: Upstream) -> None:
        """Send the request on the connection that was made for it."""
        if self.over:
            upstream.abort()
        elif upstream.transport.is_closing():
            # The backend closed before this callback, and the transport reports it only once.
            self.lost(Loss.HUNG_UP)
        else:
            self._send(upstream)

    def _send(self, upstream: Upstream) -> None:
        """Send the request as far as it has been received."""
        assert self.phase is _WAITING
        self.phase = _AFTER_SENT
        self._upstream = upstream
        if not self.request.is_safe and self.for_backend and not self._is_pending:
            self._is_pending = True
            self.gate.pending_began()
        if self.client.is_blocked:
            # Before sending, which may block reading again.
            self.block_request(False)
        upstream.send(self, self.take_buffer())

    def read(self) -> None:
        if self.phase is _UPLOADING:
            self._step(ExchangeEvent.READ)
            self._complete()

    def block_response(self, blocked: bool) -> None:
        """Apply back-pressure to the backend: pause or resume reading of the response."""
        if self._upstream is not None and self.phase < _UPLOADING:
            transport = self._upstream.transport
            if blocked:
                transport.pause_reading()
            else:
                transport.resume_reading()

    # The response

    def pass_interim(self, head: bytes) -> None:
        self.gate.answers += 1  # not a response yet, but the end of a silence
        if not self.request.is_http10:  # RFC 9110 section 15.2: HTTP/1.0 has no 1xx
            self.client.pass_interim(head)

    def begin_response(self, response: Response, piece: bytes) -> None:
        assert self.phase is _AFTER_SENT
        self.phase = _AFTER_BEGAN
        if self.for_backend:
            self.gate.answered(self)
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
        self.gate.pending_began()
        if length_of(response) is None:
            self._context.loop.call_later(MAX_HELD_S, self._end_pending)

    def pass_body(self, piece: bytes) -> None:
        self.record.response_bytes += len(piece)
        self.client.write(piece)

    def end_response(self, *, reusable: bool) -> None:
        """The complete response was passed on; the request's body may still be incomplete."""
        if not reusable and self._upstream is not None:
            self._upstream.close()
            self._upstream = None
        if self.body.done or self._upstream is None:
            assert self.phase is _AFTER_BEGAN
            self.phase = _AFTER_ENDED
            self._complete()
        else:
            self._step(ExchangeEvent.ENDED_EARLY)
            self.client.end_response()

    def _complete(self) -> None:
        upstream, self._upstream = self._upstream, None
        self._end("")
        if upstream is not None:
            upstream.detach()
        self.client.exchange_ended(upstream, is_read=self.body.done)

    def switch_protocols(self, response: Response, rest: bytes) -> None:
        upstream = self._upstream
        assert upstream is not None
        if upstream.transport.is_closing():
            self.lost(Loss.HUNG_UP)  # it was read from a connection that is gone
            return
        if not self.client.accepts(response):
            upstream.abort()
            self.bad_response("a handshake that does not match the request's")
            return
        self._step(ExchangeEvent.SWITCHED)
        self._upstream = None
        if self.for_backend:
            self.gate.answered(self)
        self.record.status, self.record.response_head = 101, response.head
        self._end(None)
        fields = upstream.fields if self.request.is_trusted else b""
        open_tunnel(self._context, self.client, upstream, self.record, response, fields, rest)

    # Failures

    def reclaimed(self) -> None:
        """No server has read the request, and none will: treat it as not sent."""
        if self._is_buffered:
            self._sent = False
            self._end_pending()
        self.lost(Loss.RESTARTED)

    def lost(self, loss: Loss) -> None:
        """The connection to the backend could not be made, or was lost."""
        gate, event = self.gate, ExchangeEvent.FAILED
        problem = problems.lost(loss, self.request, sent=self._sent)
        if self.for_backend:
            reused = self._upstream is not None and self._upstream.reused
            # Suspicions apply only after the gate opens: the first request may be lost repeatedly.
            is_open = gate.target is not None and self._suspected is not None
            suspected = is_open and self._suspected == gate.generation
            if loss is Loss.REFUSED and (unreachable := self._destination.unreachable()):
                suspected, problem = True, unreachable  # no end of a process will be reported
            repeatable = self._is_buffered and self.request.is_safe
            event = event_of(loss, Progress(self._sent, repeatable, reused, suspected))
        line = self.request.method, self.request.target
        _log.debug("%s %s lost its backend: %s; %s", *line, loss.value, event.name)
        if self.phase is not _UPLOADING:
            gate.exit(self)
        self._upstream = None
        self._fail(event, problem)

    def bad_response(self, reason: str) -> None:
        """The backend's response is not valid HTTP.

        It is reported, unless the backend is being stopped, which may cut any response.
        """
        self._upstream = None
        if self.gate.target is not None:
            path = self.request.target.partition(b"?")[0].decode("ascii", "replace")
            method = self.request.method.decode()
            self._destination.connections.complaints.add(
                f"{method} {path}: the answer of the server has {reason}"
            )
        self._fail(ExchangeEvent.FAILED, problems.bad_response(reason))

    def timed_out(self) -> None:
        self.give_up(self._destination.unreachable() or problems.no_answer())

    def refuse_body(self, reason: str) -> None:
        """Refuse a broken body, so that the backend does not read it as complete."""
        self.give_up(problems.refused(RequestError(400, reason)))

    def sweep(self, now: float, answer_s: float) -> str:
        """Answer with 504 after `answer_s` seconds without a response.

        Returns the name of the service that has the complete request, and has not answered; or "".
        """
        if self.phase >= _ANSWERING:
            return ""
        if now - self.record.began_at > answer_s:
            self.give_up(problems.no_answer())
        return self._destination.name if self.is_unanswered else ""

    def give_up(self, problem: Problem) -> None:
        """Drop the backend's connection, and answer with `problem` or cut the response."""
        self._drop_upstream()
        self._fail(ExchangeEvent.FAILED, problem)

    def refused(self, problem: Problem) -> None:
        """The gate, or the admin's rules, refuse the request."""
        self._fail(ExchangeEvent.FAILED, problem)

    def _fail(self, event: ExchangeEvent, problem: Problem) -> None:
        """Obey the command of an event without a connection; `problem` is the error response."""
        match self._step(event):
            case ExchangeCommand.RESPOND:
                self.respond(problem)
            case ExchangeCommand.CUT:
                self.cut()
            case ExchangeCommand.COMPLETE:
                self._complete()
            case ExchangeCommand.SUSPECT:
                self._suspected = self.gate.generation
                self.record.waits()
                self.gate.hold_unconfirmed(self)
            case ExchangeCommand.ENTER:
                self._suspected = None
                if not self.gate.enter_unfenced(self):
                    self.record.waits()

    def respond(self, problem: Problem) -> None:
        """Respond in place of the backend."""
        _log.debug("%s %s: %s", self.request.method, self.request.target, problem.title)
        self.record.status = problem.status
        self._end(REFUSED)
        self.client.answer(problem, self.request, is_read=self.body.done)

    def cut(self) -> None:
        """Abort a response that has begun, so that the client detects the truncation."""
        self._upstream = None
        self._end(CUT)
        self.client.cut()

    def abort(self) -> None:
        """End the exchange after a bug: abort the client's request."""
        self.client.abort()

    def cancel(self) -> None:
        """The client has left: drop the backend's connection, and end the exchange."""
        if self._step(ExchangeEvent.LEFT) is ExchangeCommand.CANCEL:
            self._drop_upstream()
            self._end(LEFT)

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abort()

    def _step(self, event: ExchangeEvent) -> ExchangeCommand:
        self.phase, command = TRANSITIONS[self.phase][event]
        return command

    def _end(self, outcome: str | None) -> None:
        """End the exchange. An outcome of None keeps the record open, for a tunnel."""
        if self.for_backend and outcome is not None:
            if not self.body.done:
                self.record.body = None
            self._context.log.end(self.record, outcome)
        self.phase, self.over = _OVER, True
        self.gate.exit(self)
        if self._is_pending:
            self._end_pending()

    def _end_pending(self) -> None:
        if self._is_pending:
            self._is_pending = False
            self.gate.pending_ended()
