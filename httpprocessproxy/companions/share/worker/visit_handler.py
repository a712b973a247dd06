"""Forwards visits to the server, and answers refused visits with an error page.

The rule: each visit gets one answer: the server's, or an error page that names the problem.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.protocol import AnswerHead, Fields, VisitHead, first
from httpprocessproxy.companions.share.relay.pipe import BytesSource, Source
from httpprocessproxy.companions.share.worker.connections import Target
from httpprocessproxy.companions.share.worker.debug_pages import DebugPageSearch, may_be_debug_page
from httpprocessproxy.companions.share.worker.local import LocalAnswer, LocalClient, LocalError
from httpprocessproxy.companions.share.worker.policy import Policy, Refusal, is_console, not_shared
from httpprocessproxy.companions.share.worker.settings import Reporter, VisitRecord, WorkerSettings
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.forwarded import FORWARDED
from httpprocessproxy.core.http.hosts import parse_authority
from httpprocessproxy.core.page.pages import CONTENT_SECURITY_POLICY, Problem, render

_FORWARDED: Final = tuple(name.decode() for name in FORWARDED)
_SCHEMES: Final = ("http", "https")


class VisitHandler:
    """The handler of all visits of a share."""

    def __init__(
        self, settings: WorkerSettings, target: Target, reporter: Reporter, tasks: asyncio.TaskGroup
    ) -> None:
        self._local = LocalClient(target)
        self._reporter = reporter
        self._tasks = tasks
        self._scheme = settings.relay.scheme
        self._host = settings.host
        self._warned_of: set[str] = set()
        self._policy = Policy(
            settings.credentials, settings.allowed, hides_own_pages=settings.hides_own_pages
        )

    def close(self) -> None:
        """Close the idle connections to the server."""
        self._local.close()

    @contextlib.asynccontextmanager
    async def handle(
        self, visit: VisitHead, body: Source, *, is_tunnel: bool = False
    ) -> AsyncIterator[LocalAnswer]:
        """Yield the answer to a visit while the context is open, then report the visit."""
        record = VisitRecord(visit.ip, visit.method, visit.url, 0, 0.0)
        started_at = time.monotonic()
        try:
            async with self._answer(visit, body, is_tunnel=is_tunnel) as answer:
                record = replace(record, status=answer.head.status)
                yield answer
        finally:
            self._reporter.visit_ended(replace(record, duration_s=time.monotonic() - started_at))

    @contextlib.asynccontextmanager
    async def _answer(
        self, visit: VisitHead, body: Source, *, is_tunnel: bool
    ) -> AsyncIterator[LocalAnswer]:
        refusal = self._policy.refusal(visit)
        if refusal is not None:
            yield refused(visit, refusal)
            return
        async with contextlib.AsyncExitStack() as exits:
            outgoing = replace(visit, fields=self._outgoing(visit))
            exchange = self._local.exchange(self._tasks, outgoing, body, is_tunnel=is_tunnel)
            try:
                answer = await exits.enter_async_context(exchange)
            except LocalError as error:
                answer = page(visit, Problem(502, "The server does not answer", f"{error}."))
            yield self._checked(visit, answer)

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

    def _checked(self, visit: VisitHead, answer: LocalAnswer) -> LocalAnswer:
        """The answer, searched for debug pages; a refusal if it comes from Werkzeug's console."""
        if is_console(visit, first(answer.head.fields, "server") or ""):
            self._warn("Werkzeug")
            return refused(visit, not_shared())
        if may_be_debug_page(answer.head):
            return replace(answer, body=_SearchedBody(answer.body, self))
        return answer

    def debug_page_found(self, name: str) -> None:
        """Report that a visitor got a debug page."""
        self._warn(name)

    def _warn(self, name: str) -> None:
        if name in self._warned_of:
            return
        self._warned_of.add(name)
        self._reporter.warn(
            f"share: warning: visitors see {name}'s debug pages, with source and settings: switch "
            "debugging off, or require a password with --share-auth USER:PASS"
        )


class _SearchedBody:
    """A source that searches its pieces for a debug page, and reports it."""

    def __init__(self, source: Source, handler: VisitHandler) -> None:
        self._source = source
        self._handler = handler
        self._search = DebugPageSearch()

    async def receive(self) -> bytes:
        piece = await self._source.receive()
        name = self._search.feed(piece)
        if name is not None:
            self._handler.debug_page_found(name)
        return piece


def refused(visit: VisitHead, refusal: Refusal) -> LocalAnswer:
    """The answer to a refused visit."""
    return page(visit, refusal.problem, list(refusal.fields.items()))


def page(visit: VisitHead, problem: Problem, fields: Fields | None = None) -> LocalAnswer:
    """An error page of the worker, in the media type that the visitor accepts."""
    made = render(problem, (first(visit.fields, "accept") or "").encode(), False)
    head = AnswerHead(
        problem.status,
        [
            ("Content-Type", made.content_type.decode()),
            ("Content-Length", str(len(made.body))),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", CONTENT_SECURITY_POLICY.decode()),
            ("X-Content-Type-Options", "nosniff"),
            *(fields or []),
        ],
    )
    return LocalAnswer(head, BytesSource(b"" if visit.method == "HEAD" else made.body))
