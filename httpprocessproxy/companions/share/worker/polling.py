"""Long polling: each call brings the answer to one visit, and waits for the next.

The rule: what was read of a visit is played once. An answer is sent until some reply shows that the
relay had it; the relay takes the first and ignores all others.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import aiohttp

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.protocol import AnswerHead, ProtocolError, VisitHead
from httpprocessproxy.companions.share.relay.pipe import (
    BytesSource,
    CutError,
    PipeFullError,
    Source,
    whole,
)
from httpprocessproxy.companions.share.worker.local import LocalAnswer
from httpprocessproxy.companions.share.worker.reasons import reason_of
from httpprocessproxy.companions.share.worker.relay_status import Backoff, RelayStatus
from httpprocessproxy.companions.share.worker.settings import ShareRefusedError, WorkerSettings
from httpprocessproxy.companions.share.worker.visit_handler import VisitHandler, page
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.system.faults import contained

# Relays hold a call for up to 180 s; one that says nothing for longer is gone.
_SILENCE_S: Final = 200.0
_CONNECT_S: Final = 15.0

# A visit's head is in the reply's fields: as much as a relay may send.
_MAX_FIELD_BYTES: Final = protocol.MAX_ANSWER_FIELDS_BYTES

_HOW: Final = "by long polling: no streaming and no WebSockets"

_BAD_ANSWER: Final = (400, 413, 431)

_LARGE: Final = Problem(
    502, "Too large", "The answer is larger than may pass, as the relay does not stream."
)
_FAILED: Final = Problem(502, "No answer", "An error in http-process-proxy itself.")
_LATE: Final = Problem(504, "No answer", "The server did not answer in time.")


@dataclass(frozen=True, slots=True)
class _Ready:
    """An answer on its way to the relay."""

    headers: dict[str, str]
    body: bytes
    until: float


class _CallError(Exception):
    """A call that failed, and may be made again; the text says why."""


async def poll(settings: WorkerSettings, player: VisitHandler, contact: RelayStatus) -> None:
    """Fetch and play visits until cancelled. Raises ShareRefusedError."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
    session = aiohttp.ClientSession(
        timeout=timeout,
        connector=aiohttp.TCPConnector(limit=0),
        auto_decompress=False,
        trust_env=True,
        max_line_size=_MAX_FIELD_BYTES,
        max_field_size=_MAX_FIELD_BYTES,
    )
    async with session:
        polls = [_Poll(settings, player, contact, session) for _ in range(settings.polls)]
        try:
            async with asyncio.TaskGroup() as tasks:
                for number, one in enumerate(polls, 1):
                    tasks.create_task(one.run(), name=f"poll {number}")
        except* ShareRefusedError as group:
            raise group.exceptions[0] from None


class _Poll:
    """One of the parallel calls."""

    def __init__(
        self,
        settings: WorkerSettings,
        player: VisitHandler,
        contact: RelayStatus,
        session: aiohttp.ClientSession,
    ) -> None:
        self._settings = settings
        self._player = player
        self._contact = contact
        self._session = session
        self._answer: _Ready | None = None

    async def run(self) -> None:
        """Raises ShareRefusedError."""
        backoff = Backoff()
        while True:
            visit, is_made = None, False
            try:
                with contained("a call to the relay", _CallError, ShareRefusedError):
                    visit = await self._call()
                    is_made = True
            except _CallError as error:
                self._contact.lost(str(error))
            if not is_made:
                await asyncio.sleep(backoff.failed())
                continue
            backoff.succeeded()
            self._contact.made(_HOW)
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
        if reply.status in _BAD_ANSWER:
            # It says what was wrong with our answer; the visitor has been told.
            return None
        if reply.status != 200:
            raise _CallError(f"it answers {reply.status}")
        try:
            visit = protocol.read_visit(reply.headers)
            body = await whole(_Body(reply), self._settings.max_body_bytes, _keep)
        except (ProtocolError, PipeFullError) as error:
            raise _CallError(f"it sent a visit that cannot be played: {error}") from None
        if visit is None:
            return None
        fields = protocol.without(visit.fields, "content-length")
        if body or protocol.first(visit.fields, "content-length") is not None:
            fields.append(("Content-Length", str(len(body))))
        return VisitHead(visit.rid, visit.method, visit.url, visit.ip, fields), body

    async def _answer_to(self, visit: VisitHead, body: bytes) -> _Ready:
        """Play a visit; an error of ours is answered with a page, as the visitor waits for one."""
        with contained("a visit of the share"):
            return await self._play(visit, body)
        return self._ready(visit, *await _own(visit, _FAILED))

    async def _play(self, visit: VisitHead, body: bytes) -> _Ready:
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                async with self._player.play(visit, BytesSource(body)) as answer:
                    head, content = await self._whole(visit, answer)
        except TimeoutError:
            head, content = await _own(visit, _LATE)
        ready = self._ready(visit, head, content)
        if len(ready.headers[protocol.FIELDS]) > protocol.MAX_ANSWER_FIELDS_BYTES:
            return self._ready(visit, *await _own(visit, _LARGE))
        return ready

    def _ready(self, visit: VisitHead, head: AnswerHead, content: bytes) -> _Ready:
        headers = protocol.answer_headers(visit.rid, head)
        return _Ready(headers, content, time.monotonic() + self._settings.deadline_s)

    async def _whole(self, visit: VisitHead, answer: LocalAnswer) -> tuple[AnswerHead, bytes]:
        try:
            content = await whole(answer.body, self._settings.max_body_bytes, _keep)
        except PipeFullError:
            return await _own(visit, _LARGE)
        except CutError as error:
            return await _own(visit, Problem(502, "The answer is not whole", f"{error}."))
        return answer.head, content


async def _own(visit: VisitHead, problem: Problem) -> tuple[AnswerHead, bytes]:
    """An answer of our own, which is never too large."""
    answer = page(visit, problem)
    return answer.head, await answer.body.receive()


class _Body(Source):
    """A source: the body of a reply."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply

    async def receive(self) -> bytes:
        return await self._reply.content.readany()


def refused(settings: WorkerSettings) -> ShareRefusedError:
    """What to say when the relay does not take us."""
    return ShareRefusedError(
        f"the relay {settings.relay.host} does not let us serve {settings.host}: the token is "
        "wrong, or the name is somebody else's (--share-name NAME, --share-token-file FILE)"
    )


def _keep(size_bytes: int) -> None:
    """Count nothing: a worker has as many bodies as polls."""
