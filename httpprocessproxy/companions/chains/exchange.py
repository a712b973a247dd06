"""A request with chain fields: the backend's response is captured and queued for the next hop.

The rule: the client gets 202 only once the whole response is here and its delivery has a place in
the queue; an error response of the backend is passed on unchanged, and reported to
X-Forward-Errors-To. A restart treats the request like any other (`proxy/exchange.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from email.utils import formatdate
from typing import Final, Protocol

from httpprocessproxy.companions.chains.capture import MAX_BODY_BYTES, Capture
from httpprocessproxy.companions.chains.chain import (
    CANONICAL_IRI,
    NAMES,
    TOKEN,
    BadChain,
    Chain,
    Hop,
)
from httpprocessproxy.companions.chains.deliveries import ChainDelivery
from httpprocessproxy.companions.chains.heads import fields_of, value_of, without
from httpprocessproxy.companions.chains.reports import MAX_TEXT_BYTES, Report
from httpprocessproxy.core.budget import BudgetShare
from httpprocessproxy.core.http.bodies import NO_BODY
from httpprocessproxy.core.http.http1 import Fields
from httpprocessproxy.core.http.request import Request, Response
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.inspector.request_log import CUT, LEFT, REFUSED
from httpprocessproxy.proxy.context import ProxyContext
from httpprocessproxy.proxy.exchange import Exchange
from httpprocessproxy.proxy.interfaces import Downstream

# The next hop gets the content without a Content-Encoding, so the backend must not use one; the
# token is a secret between the client and the proxy.
_NOT_FOR_BACKENDS: Final = frozenset((b"accept-encoding", TOKEN))
_CHAIN_FIELDS: Final = frozenset(name.lower().encode() for name in NAMES)
_IRI: Final = CANONICAL_IRI.lower().encode()
_PATH: Final = re.compile(r"/[!->@-~]*")  # visible, and without a query


class ChainHandler(Protocol):
    """The companion, as an exchange uses it: it admits chains, and delivers hops."""

    def enter(self, request: Request, fields: Fields) -> Chain:
        """Admit a chain, with a place in the queue if it goes on. Raises BadChain."""
        ...

    def check(self, chain: Chain) -> None:
        """Raise BadChain unless the destinations of the chain are allowed."""
        ...

    def take_place(self) -> None:
        """Reserve a place in the queue of deliveries. Raises BadChain if it is full."""
        ...

    def release_place(self) -> None: ...

    def cookies(self, hop: Hop, fields: Fields) -> dict[str, str]:
        """The Cookie field for a hop, or none."""
        ...

    def share(self) -> BudgetShare:
        """The memory for a response; it raises BadChain when the budget is spent."""
        ...

    def put(self, delivery: ChainDelivery) -> bool:
        """Queue a delivery on its reserved place; False if the program ends."""
        ...

    @property
    def reply_fields(self) -> Sequence[str]:
        """The fields to add to responses 200 and 202."""
        ...

    def ended(self, chain: Chain, request: Request, status: int) -> None:
        """Report that a chain has no further hop."""
        ...

    def failed(self, report: Report) -> None:
        """Report an error of a request that belongs to a chain."""
        ...


class ChainedExchange(Exchange):
    """The exchange of a request that carries X-Forward-* fields."""

    __slots__ = (
        *("_answer", "_chain", "_chains", "_content_type", "_error", "_fields", "_has_place"),
        *("_hop", "_iri"),
    )

    def __init__(
        self,
        client: Downstream,
        context: ProxyContext,
        request: Request,
        chains: ChainHandler,
    ) -> None:
        self._fields = fields_of(request.rest)
        rest = without(request.rest, _NOT_FOR_BACKENDS)
        super().__init__(client, context, replace(request, rest=rest, is_document=False))
        self._chains = chains
        self._chain: Chain | None = None  # None before admission, and after the outcome
        self._iri = request.target.partition(b"?")[0].decode("latin-1")
        self._hop: Hop | None = None
        self._content_type = ""
        self._answer: Capture | None = None  # of a response for the next hop
        self._error: Capture | None = None  # of an error response, which is passed on as well
        self._has_place = False

    # The request

    def start(self) -> None:
        """Enter the gate if the chain is admitted; else respond with the refusal."""
        self.for_backend = True
        self._context.log.begin(self.record)
        try:
            chain = self._chains.enter(self.request, self._fields)
        except BadChain as bad:
            self._send_error(bad)
            return
        self._chain, self._has_place = chain, chain.goes_on
        self._context.arrivals.add(self)

    # The response

    def begin_response(self, response: Response, piece: bytes) -> None:
        fields = fields_of(response.head)
        response = replace(response, head=without(response.head, _CHAIN_FIELDS))
        if response.status >= 400:
            self._error = Capture(response, self.request, self._chains.share(), MAX_TEXT_BYTES)
            self._capture_error(self._error, piece)
            super().begin_response(response, piece)
            return
        assert self._chain is not None, "a response comes to a request that was sent"
        self._iri = _canonical_iri(value_of(fields, _IRI)) or self._iri
        try:
            self._chain = self._chain.extended(fields)
            self._hop = self._next_hop(self._chain)
        except BadChain as bad:
            # The backend's fields broke the chain, not the client's.
            self._break_off(503 if bad.status == 503 else 502, f"X-Forward-* of the server: {bad}")
            return
        if self._hop is None:
            extra = self._chains.reply_fields if response.status == 200 else ()
            lines = "\r\n".join([f"{CANONICAL_IRI}: {self._iri}", *extra, ""])
            head = without(response.head, (_IRI,)) + lines.encode("latin-1")
            super().begin_response(replace(response, head=head), piece)
            return
        self._destination.gate.answered(self)
        if value_of(fields, b"content-encoding") not in ("", "identity"):
            self._break_off(
                502, "the server's answer has a content coding, which was not asked for"
            )
            return
        self.record.response_head = response.head
        self._answer = Capture(response, self.request, self._chains.share(), MAX_BODY_BYTES)
        self._content_type = value_of(fields, b"content-type")
        self.pass_body(piece)

    def pass_body(self, piece: bytes) -> None:
        if self._answer is None:
            if self._error is not None:
                self._capture_error(self._error, piece)
            super().pass_body(piece)
            return
        self.record.response_bytes += len(piece)
        try:
            self._answer.take(piece)
        except BadChain as bad:
            self._break_off(bad.status, str(bad))
            return
        if self._answer.has_overflown:
            self._break_off(413, f"an answer of more than {MAX_BODY_BYTES} bytes does not go on")

    def _capture_error(self, error: Capture, piece: bytes) -> None:
        """Buffer a piece of an error response; without memory, the report has no text.

        The client gets the whole error response in any case.
        """
        try:
            error.take(piece)
        except BadChain:
            error.drop()

    def end_response(self, *, reusable: bool) -> None:
        if self.over:
            return  # `_break_off` has responded
        if self._answer is not None:
            if not self._deliver(self._answer):
                return
        elif self._error is not None:
            self._report_error("the server answered with an error", self._error)
        elif self._chain is not None:
            self._chains.ended(self._chain, self.request, self.record.status)
            self._chain = None
        super().end_response(reusable=reusable)

    def _deliver(self, answer: Capture) -> bool:
        """Queue the response for the next hop, and respond with 202. False if the program ends."""
        chain, hop = self._chain, self._hop
        assert chain is not None, "the outcome of the chain is open"
        assert hop is not None, "a response is captured only for a next hop"
        sent = {"Content-Type": self._content_type} if self._content_type else {}
        sent |= hop.rest.fields() | self._chains.cookies(hop, self._fields)
        delivery = ChainDelivery(hop, self._iri, self._host, sent, answer)
        if not self._chains.put(delivery):
            self._break_off(503, "this proxy ends")
            return False
        self._chain, self._answer, self._has_place = None, None, False
        fields = (f"{CANONICAL_IRI}: {self._iri}", *self._chains.reply_fields)
        accepted = _head(202, "Accepted", *fields, "Content-Length: 0")
        super().begin_response(_response(202, accepted, self.request), b"")
        return True

    def _next_hop(self, chain: Chain) -> Hop | None:
        """The next hop, with a place reserved for it, or None. Raises BadChain."""
        if not chain.goes_on:
            return None
        self._chains.check(chain)
        if not self._has_place:
            self._chains.take_place()
            self._has_place = True
        return chain.next_hop(self._iri, self._referer)

    @property
    def _host(self) -> str:
        return self.request.host.decode("latin-1")

    @property
    def _referer(self) -> str:
        """The URL under which the client reached this request's resource."""
        proto = value_of(self._fields, b"x-forwarded-proto").partition(",")[0].strip()
        scheme = proto if proto in ("http", "https") else "http"
        return f"{scheme}://{self._host}{self.request.target.decode('latin-1')}"

    # Errors

    def respond(self, problem: Problem) -> None:
        self._report_error(f"{problem.title}: {problem.detail}")
        super().respond(problem)

    def _end(self, outcome: str | None) -> None:
        if outcome == LEFT:
            self._report_error("the client left before the answer was there")
        elif outcome == CUT:
            self._report_error("the server's answer was cut", self._error)
        if self._has_place:
            self._has_place = False
            self._chains.release_place()
        for capture in (self._answer, self._error):
            if capture is not None:
                capture.drop()
        super()._end(outcome)

    def _break_off(self, status: int, text: str) -> None:
        """Respond in place of the backend, whose response cannot be sent to the next hop."""
        self._drop_upstream()
        self._report_error(text)
        self._send_error(BadChain(status, text))

    def _report_error(self, message: str, error: Capture | None = None) -> None:
        """Report an error of this request, unless the outcome of its chain is settled.

        `error` is the backend's response, which makes the error External.
        """
        chain, self._chain = self._chain, None
        if chain is None:
            return
        code = self.record.status if error is not None else 0
        text = error.content.decode(errors="replace") if error is not None else ""
        self._chains.failed(Report(chain, self._iri, self._host, message, code, text))

    def _send_error(self, bad: BadChain) -> None:
        """Respond with the status and the text of `bad`, and end the exchange."""
        line = str(bad).encode("ascii", "replace").decode()
        body = f"{line}\n".encode()
        fields = [
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            *["Retry-After: 1"] * (bad.status == 503),
        ]
        response = _response(bad.status, _head(bad.status, line, *fields), self.request)
        self.record.status, self.record.response_head = response.status, response.head
        keep_alive = self.body.done and self.request.keep_alive
        self._end(REFUSED)
        self.client.begin_response(response, body, self.request, keep_alive=keep_alive)
        self.client.exchange_ended(None, is_read=self.body.done)


def _canonical_iri(value: str) -> str:
    """The value of a handler's X-Canonical-IRI; "" if it is not a visible path without a query."""
    return value if _PATH.fullmatch(value) else ""


def _head(status: int, reason: str, *fields: str) -> bytes:
    """The head of the proxy's own response, without the final CRLF: Connection may follow."""
    lines = [f"HTTP/1.1 {status} {reason}", f"Date: {formatdate(usegmt=True)}", *fields, ""]
    return "\r\n".join(lines).encode("latin-1")


def _response(status: int, head: bytes, request: Request) -> Response:
    return Response(status, head, NO_BODY, request.keep_alive, True, b"")
