"""Visitors: a request becomes a visit, waits for its answer, and gets it or an error page.

This module enforces the deadlines of visits and the limits on their number, for all transports.
"""

import asyncio
import time

from aiohttp import web

from httpprocessproxy.companions.share.protocol import AnswerHead
from httpprocessproxy.companions.share.relay.access_log import AccessRecord, OnEnded
from httpprocessproxy.companions.share.relay.pipe import CutError, PipeFullError, whole
from httpprocessproxy.companions.share.relay.problems import VisitRefusedError, page_for
from httpprocessproxy.companions.share.relay.reading import RequestBody, read_head
from httpprocessproxy.companions.share.relay.rendezvous import REMEMBERED_S, Rendezvous
from httpprocessproxy.companions.share.relay.replying import reply
from httpprocessproxy.companions.share.relay.settings import RelaySettings
from httpprocessproxy.companions.share.relay.tunnel import Tunnel, wants_tunnel
from httpprocessproxy.companions.share.relay.visit import (
    BufferedBody,
    RelayVisit,
    StreamedBody,
    VisitBody,
    VisitError,
    VisitOutcome,
    VisitRequest,
    VisitState,
)
from httpprocessproxy.core.budget import Budget, BudgetShare
from httpprocessproxy.core.page.pages import Problem

_NO_TUNNELS = "WebSockets cannot pass: the server behind this address is connected by long polling."


class Visitors:
    """The visitors whose requests are in progress."""

    def __init__(
        self, settings: RelaySettings, rendezvous: Rendezvous, budget: Budget, on_ended: OnEnded
    ) -> None:
        """`on_ended` is called with the record of each visit that has ended."""
        self._settings = settings
        self._rendezvous = rendezvous
        self._budget = budget
        self._on_ended = on_ended
        self._visits: set[RelayVisit] = set()
        self._count = 0
        self._is_closing = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def count(self) -> int:
        """The number of requests in progress."""
        return self._count

    async def handle(self, request: web.BaseRequest, host: str) -> web.StreamResponse:
        """Answer a request for a host of the token file."""
        path = request.raw_path.partition("?")[0]
        record = AccessRecord(host, request.method, path, request.remote or "")
        started_at = time.monotonic()
        self._enter()
        try:
            with self._budget.share() as share:
                return await self._visit(request, record, share)
        except VisitError as error:
            response = page_for(request, error)
            record.outcome, record.status = error.outcome, response.status
            return response
        finally:
            self._exit()
            record.duration_s = time.monotonic() - started_at
            self._on_ended(record)

    def close(self) -> None:
        """Answer 503 to visits that wait for a worker, and to all new visits."""
        self._is_closing = True
        for visit in self._visits:
            visit.wake()

    async def wait_idle(self, timeout_s: float) -> None:
        """Wait until no request is in progress, at most `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            pass

    def _enter(self) -> None:
        self._count += 1
        self._idle.clear()

    def _exit(self) -> None:
        self._count -= 1
        if not self._count:
            self._idle.set()

    async def _visit(
        self, request: web.BaseRequest, record: AccessRecord, share: BudgetShare
    ) -> web.StreamResponse:
        tunnel = Tunnel(request) if wants_tunnel(request) else None
        visit = await self._admit(request, record, share, tunnel)
        self._visits.add(visit)
        try:
            self._rendezvous.enter(visit)
            answer = await self._answer(visit)
            if answer.status == 101 and tunnel is not None:
                return await tunnel.run(answer, visit.answer, record)
            if answer.status < 200:
                raise VisitError(VisitOutcome.BAD_ANSWER, "an interim response for an answer")
            return await reply(request, answer, visit.answer, record, self._settings.deadline_s)
        finally:
            self._visits.remove(visit)
            self._rendezvous.leave(visit)

    async def _admit(
        self,
        request: web.BaseRequest,
        record: AccessRecord,
        share: BudgetShare,
        tunnel: Tunnel | None,
    ) -> RelayVisit:
        """Make a visit of a request. Raises VisitError if the relay refuses the request."""
        if self._is_closing:
            raise _closing()
        if self._count > self._settings.max_visits:
            raise VisitError(VisitOutcome.QUEUE_FULL, "too many visits")
        head = read_head(request, self._settings)
        record.ip = head.ip
        presence = self._rendezvous.presence(record.host)
        if not presence.within(REMEMBERED_S):
            raise VisitError(VisitOutcome.NO_WORKER, "no worker within the last minute")
        if tunnel is not None:
            if not presence.streams:
                raise VisitRefusedError(Problem(501, "No upgrade", _NO_TUNNELS))
            return RelayVisit(
                VisitRequest(record.host, head, StreamedBody(tunnel.incoming), is_tunnel=True)
            )
        body = await self._body(request, presence.streams, share)
        return RelayVisit(VisitRequest(record.host, head, body))

    async def _body(self, request: web.BaseRequest, streams: bool, share: BudgetShare) -> VisitBody:
        """The body: streamed if a worker streams, otherwise read whole before the visit is queued.

        A slow visitor would otherwise block a call of a polling worker.
        """
        if not request.body_exists:
            return BufferedBody(b"")
        source = RequestBody(request, self._settings.deadline_s)
        if streams:
            return StreamedBody(source)
        limit_bytes = self._settings.max_body_bytes
        if (request.content_length or 0) > limit_bytes:
            raise VisitError(VisitOutcome.TOO_LARGE, "a body that is too large")
        try:
            return BufferedBody(await whole(source, limit_bytes, share.keep))
        except PipeFullError as error:
            raise VisitError(VisitOutcome.TOO_LARGE, str(error)) from None
        except CutError as error:
            raise VisitRefusedError(
                Problem(400, "Incomplete", f"The body of your request is incomplete: {error}.")
            ) from None

    async def _answer(self, visit: RelayVisit) -> AnswerHead:
        """Wait for the head of the answer. Raises VisitError if none will come."""
        while visit.answer_head is None:
            if visit.error is not None:
                raise visit.error
            await visit.wait_for_change(self._remaining_s(visit))
        return visit.answer_head

    def _remaining_s(self, visit: RelayVisit) -> float:
        """The seconds until the next check of the deadlines. Raises VisitError past one of them."""
        settings, now = self._settings, time.monotonic()
        if visit.state is not VisitState.QUEUED:
            left_s = visit.touched_at + settings.deadline_s - now
            if left_s <= 0:
                raise VisitError(VisitOutcome.NO_ANSWER, "no answer in time")
            return left_s
        waited_s = now - visit.entered_at
        reason = self._give_up_reason(visit, waited_s)
        if reason is not None and self._rendezvous.withdraw(visit):
            raise reason
        return max(0.01, min(settings.deadline_s - waited_s, settings.grace_s))

    def _give_up_reason(self, visit: RelayVisit, waited_s: float) -> VisitError | None:
        """The reason to stop waiting for a worker; None to wait on."""
        if self._is_closing:
            return _closing()
        if waited_s >= self._settings.deadline_s:
            return VisitError(VisitOutcome.NO_WORKER, "no worker in time")
        if waited_s >= self._settings.grace_s:
            presence = self._rendezvous.presence(visit.request.host)
            if not presence.within(self._settings.grace_s):
                return VisitError(VisitOutcome.NO_WORKER, "the worker has not reconnected")
        return None


def _closing() -> VisitError:
    return VisitError(VisitOutcome.CLOSING, "the relay is stopping")
