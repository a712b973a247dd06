"""Plays visits against the server, and answers those that it does not play.

The rule: a visit has one answer, whatever happens: the server's, or a page that says what is wrong.
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
from httpprocessproxy.companions.share.worker.debug_pages import Search, may_be_one
from httpprocessproxy.companions.share.worker.local import Local, LocalAnswer, LocalError
from httpprocessproxy.companions.share.worker.policy import Policy, Refusal, closed, is_console
from httpprocessproxy.companions.share.worker.settings import Reporter, VisitRecord, WorkerSettings
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.forwarded import FORWARDED
from httpprocessproxy.core.http.hosts import parse_authority
from httpprocessproxy.core.page.pages import CONTENT_SECURITY_POLICY, Problem, render

_FORWARDED: Final = tuple(name.decode() for name in FORWARDED)
_SCHEMES: Final = ("http", "https")


class VisitHandler:
    """One for all visits of a share."""

    def __init__(
        self, settings: WorkerSettings, target: Target, news: Reporter, tasks: asyncio.TaskGroup
    ) -> None:
        self._local = Local(target)
        self._news = news
        self._tasks = tasks
        self._scheme = settings.relay.scheme
        self._host = settings.host
        self._warned: set[str] = set()
        self._policy = Policy(
            settings.credentials, settings.allowed, hides_own_pages=settings.hides_own_pages
        )

    def close(self) -> None:
        """Give up what is kept for visits to come."""
        self._local.close()

    @contextlib.asynccontextmanager
    async def play(
        self, visit: VisitHead, body: Source, *, is_tunnel: bool = False
    ) -> AsyncIterator[LocalAnswer]:
        """Give the answer to a visit, while the context is open."""
        visited = VisitRecord(visit.ip, visit.method, visit.url, 0, 0.0)
        started_at = time.monotonic()
        try:
            async with self._answer(visit, body, is_tunnel=is_tunnel) as answer:
                visited = replace(visited, status=answer.head.status)
                yield answer
        finally:
            self._news.visited(replace(visited, duration_s=time.monotonic() - started_at))

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
            asked = self._local.exchange(self._tasks, outgoing, body, is_tunnel=is_tunnel)
            try:
                answer = await exits.enter_async_context(asked)
            except LocalError as error:
                answer = page(visit, Problem(502, "The server does not answer", f"{error}."))
            yield self._watched(visit, answer)

    def _outgoing(self, visit: VisitHead) -> Fields:
        """The fields for the server. Who the visitor is, is what the relay says, and no field.

        RFC 7239; the last X-Forwarded-Proto is the relay's, or of what stands in front of it.
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
        """The authority that the visitor named; the share's own, where that is none."""
        named = first(visit.fields, "host") or ""
        try:
            parse_authority(named.encode())
        except RequestError:
            return self._host
        return named

    def _watched(self, visit: VisitHead, answer: LocalAnswer) -> LocalAnswer:
        """The answer, unless it is a debugger's; it is looked through for what warns of one."""
        if is_console(visit, first(answer.head.fields, "server") or ""):
            self._warn("Werkzeug")
            return refused(visit, closed())
        if may_be_one(answer.head):
            return replace(answer, body=_Watched(answer.body, self))
        return answer

    def found(self, name: str) -> None:
        """A visitor has been shown a debug page."""
        self._warn(name)

    def _warn(self, name: str) -> None:
        if name in self._warned:
            return
        self._warned.add(name)
        self._news.warn(
            f"share: warning: visitors see {name}'s debug pages, with source and settings: switch "
            "debugging off, or let in nobody but friends with --share-auth USER:PASS"
        )


class _Watched:
    """A source that tells of a debug page in it."""

    def __init__(self, source: Source, player: VisitHandler) -> None:
        self._source = source
        self._player = player
        self._search = Search()

    async def receive(self) -> bytes:
        piece = await self._source.receive()
        name = self._search.feed(piece)
        if name is not None:
            self._player.found(name)
        return piece


def refused(visit: VisitHead, refusal: Refusal) -> LocalAnswer:
    """The answer to a visit that is not played."""
    return page(visit, refusal.problem, list(refusal.fields.items()))


def page(visit: VisitHead, problem: Problem, fields: Fields | None = None) -> LocalAnswer:
    """An answer of our own."""
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
