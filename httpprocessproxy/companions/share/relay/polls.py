"""The workers' long polling: a POST brings the answer to one visit, and waits for the next.

The rule: a visit is delivered once all of it is written, and not before. A call that has died is
given none; if one dies while it is written to, the visit goes back to where it was.
"""

import asyncio
import select
from collections.abc import Callable
from dataclasses import replace

from aiohttp import web

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.protocol import AnswerHead, ProtocolError, VisitHead
from httpprocessproxy.companions.share.relay.pipe import CutError, Held, PipeFullError, pour, whole
from httpprocessproxy.companions.share.relay.problems import SERVER
from httpprocessproxy.companions.share.relay.reading import RequestBody
from httpprocessproxy.companions.share.relay.rendezvous import Answering, Rendezvous, VisitDelivery
from httpprocessproxy.companions.share.relay.settings import RelaySettings
from httpprocessproxy.companions.share.relay.visit import VisitError, VisitOutcome
from httpprocessproxy.companions.share.relay.waiters import Waiters
from httpprocessproxy.core.budget import Budget, BudgetShare
from httpprocessproxy.system.faults import contained

# What the peer has closed is seen by this before the event loop tells (Linux; others have HUP).
_CLOSED = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class RefusedCallError(Exception):
    """A worker's call that is refused: the status, and the reason as text."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Polls:
    """The calls of workers whose host and token are right."""

    def __init__(
        self,
        settings: RelaySettings,
        rendezvous: Rendezvous,
        waiters: Waiters,
        budget: Budget,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """`tasks` pass answers on to visitors, while their workers go on."""
        self._settings = settings
        self._rendezvous = rendezvous
        self._waiters = waiters
        self._budget = budget
        self._tasks = tasks
        self._passing: set[asyncio.Task[None]] = set()
        self.ignored = 0  # answers to visits that were not there any more

    async def handle(self, request: web.BaseRequest, host: str) -> web.StreamResponse:
        """Take the answer that a call brings, and reply with the next visit."""
        try:
            await self._take_answer(request, host)
            await self._rendezvous.saw(host)
            return await self._next_visit(request, host)
        except RefusedCallError as error:
            return _text(error.status, str(error))
        finally:
            await self._rendezvous.saw(host)

    async def close(self, within_s: float) -> None:
        """Let visitors take what is on its way to them, for this long."""
        if self._passing:
            await asyncio.wait(self._passing, timeout=within_s)
        for passing in self._passing:
            passing.cancel()

    async def _take_answer(self, request: web.BaseRequest, host: str) -> None:
        """Raises RefusedCallError for an answer that its visitor cannot get."""
        rid = protocol.read_rid(request.headers)
        answering = rid and await self._rendezvous.answering(rid, host)
        if not answering:
            # A worker may send again what it has sent: then this is a call without an answer.
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
        passing = self._tasks.create_task(_pass_on(body, answering, share), name=f"answer {rid}")
        self._passing.add(passing)
        passing.add_done_callback(self._passing.discard)

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
        """Read a call's body. Raises RefusedCallError if it is too large, or broken."""
        limit_bytes = self._settings.max_body_bytes
        if (request.content_length or 0) > limit_bytes:
            raise RefusedCallError(413, f"the body has more than {limit_bytes} bytes")
        source = RequestBody(request, self._settings.deadline_s)
        try:
            return await whole(source, limit_bytes, share.keep if is_kept else _forget)
        except PipeFullError as error:
            raise RefusedCallError(413, f"the body has {error}") from None
        except CutError as error:
            raise RefusedCallError(400, f"of the body, {error}") from None
        except VisitError as error:
            raise RefusedCallError(503, error.reason) from None

    async def _next_visit(self, request: web.BaseRequest, host: str) -> web.StreamResponse:
        """Wait for a visit, and write it; when there is none for long, write that."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.hold_s
        is_gone = _gone_test(request)
        while True:
            left_s = until - loop.time()
            delivery = await self._waiters.next_visit(host, left_s, is_gone)
            if delivery is None:
                # 200 and not 204: to old workers, only this ends a call as it should.
                return _text(200, "")
            response = await self._deliver(request, delivery)
            if response is not None:
                return response

    async def _deliver(
        self, request: web.BaseRequest, delivery: VisitDelivery
    ) -> web.StreamResponse | None:
        """Write a visit into the reply; None if there is none any more, and nothing was written."""
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
                delivery.give_back()
        return None


async def _pass_on(body: bytes, answering: Answering, share: BudgetShare) -> None:
    """Bring an answer to its visitor, who may take it slowly; the worker goes on meanwhile."""
    with share, contained("an answer on its way to its visitor"):
        try:
            await pour(Held(body), answering.body)
        except CutError:
            pass  # the visitor has left
        return
    answering.body.cut("the relay failed")


def _forget(size_bytes: int) -> None:
    """Keep nothing."""


def _visit_response(head: VisitHead, body: bytes) -> web.Response:
    if body and protocol.first(head.fields, "content-length") is None:
        head = replace(head, fields=[*head.fields, ("Content-Length", str(len(body)))])
    # The protocol's first worker decodes an answer, and says that it is encoded all the same.
    plain = protocol.without(head.fields, "accept-encoding")
    head = replace(head, fields=[*plain, ("Accept-Encoding", "identity")])
    headers = {**protocol.visit_headers(head), "Cache-Control": "no-store", "Server": SERVER}
    return web.Response(body=body, headers=headers, content_type="application/octet-stream")


async def _write(request: web.BaseRequest, response: web.Response) -> bool:
    """Write a whole response; False if the peer has gone before it had all of it.

    Cancelled, it tells so if not all of it was written, and returns True otherwise.
    """
    transport = request.transport
    if transport is None:
        return False
    # Then writing is "paused" as long as a single byte is left of it.
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


def _gone_test(request: web.BaseRequest) -> Callable[[], bool]:
    """A test of whether the peer has closed the connection."""
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
