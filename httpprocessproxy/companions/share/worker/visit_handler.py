"""Forwards visits to the server, and answers refused visits with an error page.

The rule: each visit gets one answer: the server's, or an error page that names the problem.
"""

import time
from dataclasses import replace
from typing import Final

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.protocol import AnswerHead, Fields, VisitHead, first
from httpprocessproxy.companions.share.worker.debug_pages import DebugPageSearch, may_be_debug_page
from httpprocessproxy.companions.share.worker.error_pages import send_page
from httpprocessproxy.companions.share.worker.interfaces import Site, Visitor
from httpprocessproxy.companions.share.worker.policy import Policy, Refusal, is_console, not_shared
from httpprocessproxy.companions.share.worker.settings import Reporter, VisitRecord, WorkerSettings
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.forwarded import FORWARDED
from httpprocessproxy.core.http.hosts import parse_authority
from httpprocessproxy.frontends.streams import Fields as RawFields
from httpprocessproxy.frontends.streams import RequestSink

_FORWARDED: Final = tuple(name.decode() for name in FORWARDED)
_SCHEMES: Final = ("http", "https")


class VisitHandler:
    """The handler of all visits of a share."""

    def __init__(self, settings: WorkerSettings, site: Site, reporter: Reporter) -> None:
        self._site = site
        self._reporter = reporter
        self._scheme = settings.relay.scheme
        self._host = settings.host
        self._warned_of: set[str] = set()
        self._policy = Policy(
            settings.credentials, settings.allowed, hides_own_pages=settings.hides_own_pages
        )

    def handle(self, visit: VisitHead, visitor: Visitor, *, is_tunnel: bool = False) -> RequestSink:
        """Begin to answer a visit, and report it when it ends."""
        handled = HandledVisit(self, visit, visitor)
        refusal = self._policy.refusal(visit)
        if refusal is not None:
            handled.refuse(refusal)
        else:
            outgoing = replace(visit, fields=self._outgoing(visit))
            handled.open(self._site.open_visit(outgoing, handled, is_tunnel=is_tunnel))
        return handled

    def ended(self, record: VisitRecord) -> None:
        """Report a visit."""
        self._reporter.visit_ended(record)

    def _outgoing(self, visit: VisitHead) -> Fields:
        """The fields for the server, with forwarding fields (RFC 7239) instead of the visitor's.

        The visitor's address is `visit.ip`. The last X-Forwarded-Proto is that of the relay or of
        the proxy in front of it.
        """
        proto = (first(visit.fields[::-1], "x-forwarded-proto") or "").split(",")[-1].strip()
        proto = proto if proto in _SCHEMES else self._scheme
        host = self._host_of(visit)
        fields = [("Host", host), *protocol.without(visit.fields, "host", *_FORWARDED)]
        if self._policy.uses_authorization:
            fields = protocol.without(fields, "authorization")
        node = f'"[{visit.ip}]"' if ":" in visit.ip else visit.ip or "unknown"
        return [
            *fields,
            ("Forwarded", f'for={node};host="{host}";proto={proto}'),
            ("X-Forwarded-For", visit.ip or "unknown"),
            ("X-Forwarded-Host", host),
            ("X-Forwarded-Proto", proto),
        ]

    def _host_of(self, visit: VisitHead) -> str:
        """The authority of the visit's Host field; the public host if that is invalid."""
        named = first(visit.fields, "host") or ""
        try:
            parse_authority(named.encode())
        except RequestError:
            return self._host
        return named

    def warn_of(self, name: str) -> None:
        """Report once that visitors can reach a debug page or the console of `name`."""
        if name in self._warned_of:
            return
        self._warned_of.add(name)
        self._reporter.warn(
            f"share: warning: visitors see {name}'s debug pages, with source and settings: switch "
            "debugging off, or require a password with --share-auth USER:PASS"
        )


class HandledVisit:
    """A visit between its transport and the site: the answer is checked, and its end reported.

    It is the `Visitor` of the site and the `RequestSink` of the transport.
    """

    __slots__ = (
        *("_began_at", "_handler", "_is_over", "_request", "_search", "_status"),
        *("_visit", "_visitor"),
    )

    def __init__(self, handler: VisitHandler, visit: VisitHead, visitor: Visitor) -> None:
        self._handler = handler
        self._visit = visit
        self._visitor = visitor
        self._request: RequestSink | None = None
        self._search: DebugPageSearch | None = None
        self._began_at = time.monotonic()
        self._status = 0
        self._is_over = False

    def open(self, request: RequestSink) -> None:
        """Pass the visit's body to `request`."""
        self._request = request

    def refuse(self, refusal: Refusal) -> None:
        """Answer with an error page, and drop the site's answer, if any."""
        request, self._request = self._request, None
        if request is not None:
            request.reset()
        self._status = refusal.problem.status
        send_page(self._visitor, self._visit, refusal.problem, list(refusal.fields.items()))
        self._end()

    # Visitor

    def begin_answer(self, head: AnswerHead) -> None:
        if self._is_over:
            return
        if is_console(self._visit, first(head.fields, "server") or ""):
            self._handler.warn_of("Werkzeug")
            self.refuse(not_shared())
            return
        self._status = head.status
        if may_be_debug_page(head):
            self._search = DebugPageSearch()
        self._visitor.begin_answer(head)

    def write(self, piece: bytes) -> None:
        if self._is_over:
            return
        if self._search is not None:
            name = self._search.feed(piece)
            if name is not None:
                self._handler.warn_of(name)
        self._visitor.write(piece)

    def end_answer(self) -> None:
        if not self._is_over:
            self._visitor.end_answer()
            self._end()

    def cut(self, reason: str) -> None:
        if not self._is_over:
            self._visitor.cut(reason)
            self._end()

    def consumed(self, size_bytes: int) -> None:
        self._visitor.consumed(size_bytes)

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            visit, duration_s = self._visit, time.monotonic() - self._began_at
            self._handler.ended(
                VisitRecord(visit.ip, visit.method, visit.url, self._status, duration_s)
            )

    # RequestSink: nothing is passed on to a site that has not got the visit

    def body(self, data: bytes) -> None:
        if self._request is not None:
            self._request.body(data)

    def end(self, trailers: RawFields = ()) -> None:
        if self._request is not None:
            self._request.end(trailers)

    def reset(self) -> None:
        if self._request is not None:
            self._request.reset()
        self._end()

    def pause(self) -> None:
        if self._request is not None:
            self._request.pause()

    def resume(self) -> None:
        if self._request is not None:
            self._request.resume()
