"""Long polling: each call carries the answer to one visit, and waits for the next visit.

The rule: a received visit is forwarded once. Its answer is repeated until a reply shows that the
relay has received it; the relay accepts the first copy and ignores all others.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import aiohttp

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.protocol import AnswerHead, ProtocolError, VisitHead
from httpprocessproxy.companions.share.relay.pipe import (
    CutError,
    PipeFullError,
    Source,
    whole,
)
from httpprocessproxy.companions.share.worker.error_pages import page
from httpprocessproxy.companions.share.worker.relay_status import Backoff, RelayStatus, reason_of
from httpprocessproxy.companions.share.worker.settings import ShareRefusedError, WorkerSettings
from httpprocessproxy.companions.share.worker.visit_handler import VisitHandler
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.frontends.streams import RequestSink
from httpprocessproxy.system.faults import contained

# Relays hold a call for up to 180 s; a relay that is silent for longer is lost.
_READ_TIMEOUT_S: Final = 200.0
_CONNECT_TIMEOUT_S: Final = 15.0

# The reply's fields carry the head of a visit: the largest that a relay may send.
_MAX_FIELD_BYTES: Final = protocol.MAX_ANSWER_FIELDS_BYTES

_TRANSPORT: Final = "by long polling: no streaming and no WebSockets"

_REFUSED_STATUSES: Final = (400, 413, 431)

_TOO_LARGE: Final = Problem(
    502,
    "Too large",
    "The answer is larger than long polling allows, and the relay has no streaming.",
)
_FAILED: Final = Problem(502, "No answer", "Internal error of http-process-proxy.")
_TIMED_OUT: Final = Problem(504, "No answer", "The server did not answer in time.")


@dataclass(frozen=True, slots=True)
class _PendingAnswer:
    """An answer for the next call; it is dropped after `until` (`time.monotonic`)."""

    headers: dict[str, str]
    body: bytes
    until: float


class _CallError(Exception):
    """A call failed, and may be repeated; the text is the reason."""


async def poll(settings: WorkerSettings, handler: VisitHandler, relay_status: RelayStatus) -> None:
    """Fetch and handle visits until cancelled. Raises ShareRefusedError."""
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=_CONNECT_TIMEOUT_S, sock_read=_READ_TIMEOUT_S
    )
    session = aiohttp.ClientSession(
        timeout=timeout,
        connector=aiohttp.TCPConnector(limit=0),
        auto_decompress=False,
        trust_env=True,
        max_line_size=_MAX_FIELD_BYTES,
        max_field_size=_MAX_FIELD_BYTES,
    )
    async with session:
        polls = [_Poll(settings, handler, relay_status, session) for _ in range(settings.polls)]
        try:
            async with asyncio.TaskGroup() as tasks:
                for number, one in enumerate(polls, 1):
                    tasks.create_task(one.run(), name=f"poll {number}")
        except* ShareRefusedError as group:
            raise group.exceptions[0] from None


class _Poll:
    """One of the concurrent series of calls."""

    def __init__(
        self,
        settings: WorkerSettings,
        handler: VisitHandler,
        relay_status: RelayStatus,
        session: aiohttp.ClientSession,
    ) -> None:
        self._settings = settings
        self._handler = handler
        self._relay_status = relay_status
        self._session = session
        self._answer: _PendingAnswer | None = None

    async def run(self) -> None:
        """Make one call after another until cancelled. Raises ShareRefusedError."""
        backoff = Backoff()
        while True:
            visit, is_done = None, False
            try:
                with contained("a call to the relay", _CallError, ShareRefusedError):
                    visit = await self._call()
                    is_done = True
            except _CallError as error:
                self._relay_status.lost(str(error))
            if not is_done:
                await asyncio.sleep(backoff.failed())
                continue
            backoff.succeeded()
            self._relay_status.connected(_TRANSPORT)
            if visit is not None:
                self._answer = await self._answer_to(*visit)

    async def _call(self) -> tuple[VisitHead, bytes] | None:
        """Send the answer, if any, and wait for a visit. Raises _CallError, ShareRefusedError."""
        answer = self._answer
        if answer is not None and answer.until < time.monotonic():
            answer = self._answer = None
        headers = {**self._settings.call_headers, "Content-Type": "application/octet-stream"}
        try:
            call = self._session.post(
                self._settings.call_url,
                data=answer.body if answer is not None else b"",
                headers={**headers, **(answer.headers if answer is not None else {})},
                allow_redirects=False,
            )
            async with call as reply:
                self._answer = None
                return await self._read(reply)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            cause = getattr(error, "os_error", error)
            raise _CallError(reason_of(cause)) from None

    async def _read(self, reply: aiohttp.ClientResponse) -> tuple[VisitHead, bytes] | None:
        if reply.status == 403:
            raise refused(self._settings)
        if reply.status in _REFUSED_STATUSES:
            # The relay has refused the answer, and sent the visitor an error page.
            return None
        if reply.status != 200:
            raise _CallError(f"it answers {reply.status}")
        try:
            visit = protocol.read_visit(reply.headers)
            body = await whole(_Body(reply), self._settings.max_body_bytes, _ignore_size)
        except (ProtocolError, PipeFullError) as error:
            raise _CallError(f"it sent an invalid visit: {error}") from None
        if visit is None:
            return None
        fields = protocol.without(visit.fields, "content-length")
        if body or protocol.first(visit.fields, "content-length") is not None:
            fields.append(("Content-Length", str(len(body))))
        return VisitHead(visit.rid, visit.method, visit.url, visit.ip, fields), body

    async def _answer_to(self, visit: VisitHead, body: bytes) -> _PendingAnswer:
        """Handle a visit; after an unexpected error the answer is an error page."""
        with contained("a visit of the share"):
            return await self._forward(visit, body)
        return self._pending_answer(visit, *page(visit, _FAILED))

    async def _forward(self, visit: VisitHead, body: bytes) -> _PendingAnswer:
        answer = _WholeAnswer(self._settings.max_body_bytes)
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                head, content = await answer.of(self._handler.handle(visit, answer), body)
        except TimeoutError:
            head, content = page(visit, _TIMED_OUT)
        except PipeFullError:
            head, content = page(visit, _TOO_LARGE)
        except CutError as error:
            problem = Problem(502, "The answer is not whole", f"{error}.")
            head, content = page(visit, problem)
        pending = self._pending_answer(visit, head, content)
        if len(pending.headers[protocol.FIELDS]) > protocol.MAX_ANSWER_FIELDS_BYTES:
            return self._pending_answer(visit, *page(visit, _TOO_LARGE))
        return pending

    def _pending_answer(self, visit: VisitHead, head: AnswerHead, content: bytes) -> _PendingAnswer:
        headers = protocol.answer_headers(visit.rid, head)
        return _PendingAnswer(headers, content, time.monotonic() + self._settings.deadline_s)


class _WholeAnswer:
    """A `Visitor` that collects an answer of at most `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._whole: asyncio.Future[tuple[AnswerHead, bytes]]
        self._whole = asyncio.get_running_loop().create_future()
        self._head = AnswerHead(0, [])
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._is_complete = False

    async def of(self, request: RequestSink, body: bytes) -> tuple[AnswerHead, bytes]:
        """Send the visit's body, and wait for the answer. Raises PipeFullError and CutError."""
        try:
            if body:
                request.body(body)
            request.end()
            return await self._whole
        finally:
            if not self._is_complete:
                request.reset()

    def begin_answer(self, head: AnswerHead) -> None:
        self._head = head

    def write(self, piece: bytes) -> None:
        self._held_bytes += len(piece)
        if self._held_bytes > self._limit_bytes:
            self._pieces.clear()
            self._fail(PipeFullError(f"more than {self._limit_bytes} bytes"))
        else:
            self._pieces.append(piece)

    def end_answer(self) -> None:
        self._is_complete = True
        if not self._whole.done():
            self._whole.set_result((self._head, b"".join(self._pieces)))

    def cut(self, reason: str) -> None:
        self._fail(CutError(reason))

    def consumed(self, size_bytes: int) -> None:
        """Nothing: the whole body was sent."""

    def _fail(self, error: Exception) -> None:
        if not self._whole.done():
            self._whole.set_exception(error)


class _Body(Source):
    """The body of a reply as a source."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply

    async def receive(self) -> bytes:
        return await self._reply.content.readany()


def refused(settings: WorkerSettings) -> ShareRefusedError:
    """The error for a relay that refuses this worker."""
    return ShareRefusedError(
        f"the relay {settings.relay.host} refuses to share {settings.host}: the token is wrong, "
        "or the name is already taken (--share-name NAME, --share-token-file FILE)"
    )


def _ignore_size(size_bytes: int) -> None:
    """Ignore the size of a piece: a worker has at most one body per poll in memory."""
