"""The workers' long polling: a POST carries the answer to one visit, and waits for the next.

The rule: a visit counts as delivered when all of it is written. A closed connection gets no visit;
a visit whose connection closes while it is written returns to the queue.
"""

import asyncio
import select
from collections.abc import Callable
from dataclasses import replace

from aiohttp import web

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.protocol import AnswerHead, ProtocolError, VisitHead
from httpprocessproxy.companions.share.relay.pipe import (
    BytesSource,
    CutError,
    PipeFullError,
    pour,
    whole,
)
from httpprocessproxy.companions.share.relay.problems import SERVER
from httpprocessproxy.companions.share.relay.reading import RequestBody
from httpprocessproxy.companions.share.relay.rendezvous import Answering, Rendezvous, VisitDelivery
from httpprocessproxy.companions.share.relay.settings import RelaySettings
from httpprocessproxy.companions.share.relay.visit import VisitError, VisitOutcome
from httpprocessproxy.companions.share.relay.waiters import Waiters
from httpprocessproxy.core.budget import Budget, BudgetShare
from httpprocessproxy.system.faults import contained

# poll() reports a close before the event loop does (RDHUP on Linux alone, HUP elsewhere).
_CLOSED = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class RefusedCallError(Exception):
    """A worker's call is refused with this status and this text."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Polls:
    """Long-polling calls of workers that have a valid token."""

    def __init__(
        self,
        settings: RelaySettings,
        rendezvous: Rendezvous,
        waiters: Waiters,
        budget: Budget,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """`tasks` runs the tasks that send answers to visitors while workers wait for visits."""
        self._settings = settings
        self._rendezvous = rendezvous
        self._waiters = waiters
        self._budget = budget
        self._tasks = tasks
        self._sending: set[asyncio.Task[None]] = set()
        self.ignored = 0  # answers to visits that were over

    async def handle(self, request: web.BaseRequest, host: str) -> web.StreamResponse:
        """Accept the answer in a call, and respond with the next visit."""
        try:
            await self._accept_answer(request, host)
            self._rendezvous.record_presence(host)
            return await self._next_visit(request, host)
        except RefusedCallError as error:
            return _text(error.status, str(error))
        finally:
            self._rendezvous.record_presence(host)

    async def close(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` for visitors to receive their answers, then cancel the rest."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=timeout_s)
        for sending in self._sending:
            sending.cancel()

    async def _accept_answer(self, request: web.BaseRequest, host: str) -> None:
        """Raises RefusedCallError for a malformed answer."""
        rid = protocol.read_rid(request.headers)
        answering = self._rendezvous.answering(rid, host) if rid else None
        if answering is None:
            # A worker may send an answer twice; the second call counts as one without an answer.
            self.ignored += rid is not None
            await self._read(request, self._budget.share(), is_kept=False)
            return
        share = self._budget.share()
        try:
            head, body = await self._read_answer(request, share)
        except RefusedCallError as error:
            share.release()
            answering.refuse(VisitError(VisitOutcome.BAD_ANSWER, str(error)))
            raise
        except (asyncio.CancelledError, ConnectionError):
            share.release()
            answering.refuse(
                VisitError(VisitOutcome.BAD_ANSWER, "the worker died while it answered")
            )
            raise
        answering.begin(head)
        sending = self._tasks.create_task(
            _forward_answer(body, answering, share), name=f"answer {rid}"
        )
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _read_answer(
        self, request: web.BaseRequest, share: BudgetShare
    ) -> tuple[AnswerHead, bytes]:
        try:
            head = protocol.read_answer(request.headers)
        except ProtocolError as error:
            raise RefusedCallError(400, str(error)) from None
        body = await self._read(request, share, is_kept=True)
        return replace(head, body_bytes=len(body)), body

    async def _read(self, request: web.BaseRequest, share: BudgetShare, *, is_kept: bool) -> bytes:
        """Read the body of a call. Raises RefusedCallError if it is too large, or broken."""
        limit_bytes = self._settings.max_body_bytes
        if (request.content_length or 0) > limit_bytes:
            raise RefusedCallError(413, f"the body has more than {limit_bytes} bytes")
        source = RequestBody(request, self._settings.deadline_s)
        try:
            return await whole(source, limit_bytes, share.keep if is_kept else _ignore_size)
        except PipeFullError as error:
            raise RefusedCallError(413, f"the body has {error}") from None
        except CutError as error:
            raise RefusedCallError(400, f"the body is incomplete: {error}") from None
        except VisitError as error:
            raise RefusedCallError(503, error.reason) from None

    async def _next_visit(self, request: web.BaseRequest, host: str) -> web.StreamResponse:
        """Wait for a visit and write it, or write an empty response after `hold_s`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.hold_s
        is_gone = _closed_check(request)
        while True:
            left_s = until - loop.time()
            delivery = await self._waiters.next_visit(host, left_s, is_gone)
            if delivery is None:
                # 200, not 204: old workers expect it at the end of a call.
                return _text(200, "")
            response = await self._deliver(request, delivery)
            if response is not None:
                return response

    async def _deliver(
        self, request: web.BaseRequest, delivery: VisitDelivery
    ) -> web.StreamResponse | None:
        """Write a visit into the response; None if the visit ended before anything was written."""
        is_delivered = is_refused = False
        try:
            with self._budget.share() as share:
                body = await whole(delivery.body, self._settings.max_body_bytes, share.keep)
                response = _visit_response(delivery.head, body)
                is_delivered = await _write(request, response)
                return response
        except PipeFullError as error:
            is_refused = True
            delivery.refuse(VisitError(VisitOutcome.TOO_LARGE, str(error)))
        except VisitError as error:
            is_refused = True
            delivery.refuse(error)
        except CutError as error:
            is_refused = True
            delivery.refuse(VisitError(VisitOutcome.LEFT, str(error)))
        finally:
            if is_delivered:
                delivery.delivered()
            elif not is_refused:
                delivery.requeue()
        return None


async def _forward_answer(body: bytes, answering: Answering, share: BudgetShare) -> None:
    """Send an answer to its visitor, at the speed at which the visitor reads it."""
    with share, contained("the sending of an answer to its visitor"):
        try:
            await pour(BytesSource(body), answering.body)
        except CutError:
            pass  # the visitor has left
        return
    answering.body.cut("the relay failed")


def _ignore_size(size_bytes: int) -> None:
    """Ignore the size of a piece: the body is discarded."""


def _visit_response(head: VisitHead, body: bytes) -> web.Response:
    if body and protocol.first(head.fields, "content-length") is None:
        head = replace(head, fields=[*head.fields, ("Content-Length", str(len(body)))])
    # The protocol's first worker decodes answers, but forwards their Content-Encoding.
    plain = protocol.without(head.fields, "accept-encoding")
    head = replace(head, fields=[*plain, ("Accept-Encoding", "identity")])
    headers = {**protocol.visit_headers(head), "Cache-Control": "no-store", "Server": SERVER}
    return web.Response(body=body, headers=headers, content_type="application/octet-stream")


async def _write(request: web.BaseRequest, response: web.Response) -> bool:
    """Write a whole response; False if the peer closed the connection before its end.

    A cancellation is raised only if the response is not whole yet.
    """
    transport = request.transport
    if transport is None:
        return False
    # At a limit of 0, writing counts as paused while a single byte is left in the buffer.
    transport.set_write_buffer_limits(high=0)
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError:
        return False
    except asyncio.CancelledError:
        if request.protocol.writing_paused:
            raise
    return not request.protocol.writing_paused


def _closed_check(request: web.BaseRequest) -> Callable[[], bool]:
    """Return a function that checks whether the peer has closed the connection."""
    transport = request.transport

    def is_gone() -> bool:
        if transport is None or transport.is_closing():
            return True
        poll = select.poll()
        poll.register(transport.get_extra_info("socket").fileno(), _CLOSED)
        return bool(poll.poll(0))

    return is_gone


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, headers={"Server": SERVER})
