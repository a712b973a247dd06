"""The relay's end of the streaming transport: a worker's link is given visits as it has room.

The rule: a visit is delivered once its frame is written, and not before: one whose link was lost
earlier goes back to where it was, one whose link is lost later gets 502, and is never repeated.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from httpprocessproxy.companions.share.protocol import HOST, STREAM_SUBPROTOCOL, TOKEN
from httpprocessproxy.companions.share.relay.pipe import CutError, pour
from httpprocessproxy.companions.share.relay.rendezvous import (
    STREAM_FRESH_S,
    Rendezvous,
    VisitDelivery,
)
from httpprocessproxy.companions.share.relay.tokens import Tokens
from httpprocessproxy.companions.share.relay.visit import VisitError, VisitOutcome
from httpprocessproxy.companions.share.relay.waiters import Waiters
from httpprocessproxy.companions.share.stream.channel import StreamChannel
from httpprocessproxy.companions.share.stream.frames import (
    MAX_MESSAGE_BYTES,
    FrameError,
    ReadyFrame,
    VisitFrame,
)
from httpprocessproxy.companions.share.stream.link import PING_S, Link, LinkLostError
from httpprocessproxy.system.faults import contained

# A worker may be ready for more; nobody needs them at once.
_MAX_READY: Final = 1000

_CLOSE_TIMEOUT_S: Final = 1.0

_log = logging.getLogger(__name__)


class Links:
    """The links of workers whose host and token are right."""

    def __init__(
        self, rendezvous: Rendezvous, waiters: Waiters, tokens: Tokens, hold_s: float
    ) -> None:
        """Each `hold_s` a link that waits is asked whether its token still holds."""
        self._rendezvous = rendezvous
        self._waiters = waiters
        self._tokens = tokens
        self._hold_s = hold_s

    async def handle(self, request: web.BaseRequest, host: str) -> web.StreamResponse:
        """Open a link, and give it visits until it is lost, or the relay ends."""
        token = request.headers[TOKEN]
        socket = web.WebSocketResponse(
            timeout=_CLOSE_TIMEOUT_S,
            protocols=(STREAM_SUBPROTOCOL,),
            # Browsers compress what can be; what cannot would cost time for nothing.
            compress=False,
            heartbeat=PING_S,
            max_msg_size=MAX_MESSAGE_BYTES,
            writer_limit=0,
        )
        socket.headers[HOST] = host
        try:
            await socket.prepare(request)
        except ConnectionError as error:
            _log.info("%s: a worker left during its handshake: %s", host, error)
            return socket
        if request.transport is not None:
            # What the kernel has not taken is not written.
            request.transport.set_write_buffer_limits(high=0)
        serving = _Serving(self, socket, lambda: self._tokens.fits(host, token), host)
        try:
            await serving.run()
        except LinkLostError as error:
            _log.info("%s: the link of a worker is lost: %s", host, error)
        except FrameError as error:
            _log.warning("%s: a worker broke the transport: %s", host, error)
            await socket.close(code=WSCloseCode.PROTOCOL_ERROR, message=str(error)[:100].encode())
        finally:
            # It may come back, and its host is remembered from now on.
            self._rendezvous.record_presence(host)
        return socket

    async def next_visit(self, host: str, is_lost: Callable[[], bool]) -> VisitDelivery | None:
        return await self._waiters.next_visit(host, self._hold_s, is_lost, tunnels=True)

    @property
    def is_closed(self) -> bool:
        return self._waiters.is_closed

    def record_presence(self, host: str) -> None:
        self._rendezvous.record_presence(host, streams=True)


class _Serving:
    """One link while it is there."""

    def __init__(
        self,
        links: Links,
        socket: web.WebSocketResponse,
        is_allowed: Callable[[], bool],
        host: str,
    ) -> None:
        self._links = links
        self._socket = socket
        self._is_allowed = is_allowed
        self._host = host
        self._link = Link(_RelayWire(socket), self._opened)
        self._room = asyncio.Semaphore(0)
        self._last = 0

    async def run(self) -> None:
        """Raises LinkLostError or FrameError at the end, or returns if it is to end."""
        async with asyncio.TaskGroup() as tasks:
            giving = tasks.create_task(self._give_all(tasks), name=f"visits of {self._host}")
            present = tasks.create_task(self._say_that_it_is_there(), name="presence")
            try:
                await self._link.run()
            except (LinkLostError, FrameError) as reason:
                # Raised behind the group, which it would cancel, and with it what tells visitors.
                error = reason
            finally:
                giving.cancel()
                present.cancel()
        raise error

    def _opened(self, frame: ReadyFrame | VisitFrame) -> None:
        if isinstance(frame, VisitFrame) or not 0 < frame.count <= _MAX_READY:
            raise FrameError("a worker that is ready for none, too many, or opens channels")
        for _ in range(frame.count):
            self._room.release()

    async def _say_that_it_is_there(self) -> None:
        while True:
            self._links.record_presence(self._host)
            await asyncio.sleep(STREAM_FRESH_S / 3)

    async def _give_all(self, tasks: asyncio.TaskGroup) -> None:
        """Take visits while the worker has room for them."""
        while True:
            await self._room.acquire()
            delivery = await self._next()
            if delivery is None:
                await self._socket.close(code=WSCloseCode.GOING_AWAY)
                return
            self._last += 1
            channel = self._link.open(self._last)
            tasks.create_task(self._give(delivery, channel), name=f"visit {self._last}")

    async def _next(self) -> VisitDelivery | None:
        """The next visit; None if the link is to end."""
        while not self._links.is_closed and self._is_allowed():
            delivery = await self._links.next_visit(self._host, lambda: self._link.is_lost)
            if delivery is not None:
                return delivery
        return None

    async def _give(self, delivery: VisitDelivery, channel: StreamChannel) -> None:
        frame = VisitFrame(channel.number, delivery.head, delivery.is_tunnel)
        if not await self._link.deliver(frame):
            delivery.requeue()
            return
        delivery.delivered()
        with contained(f"visit {channel.number} of {self._host}"):
            async with asyncio.TaskGroup() as tasks:
                ways = (
                    tasks.create_task(_to_worker(delivery, channel), name="to the worker"),
                    tasks.create_task(_until_left(delivery, channel), name="until it leaves"),
                )
                await _from_worker(delivery, channel)
                await channel.over()
                for way in ways:
                    way.cancel()
            return
        delivery.refuse(VisitError(VisitOutcome.BAD_ANSWER, "the relay failed"))
        channel.cut("the relay failed")


async def _to_worker(delivery: VisitDelivery, channel: StreamChannel) -> None:
    with contextlib.suppress(CutError):
        await pour(delivery.body, channel)


async def _until_left(delivery: VisitDelivery, channel: StreamChannel) -> None:
    await delivery.over()
    channel.cut("the visitor has left, or was told that it took too long")


async def _from_worker(delivery: VisitDelivery, channel: StreamChannel) -> None:
    try:
        head = await asyncio.shield(channel.answer)
    except asyncio.CancelledError:
        if not channel.answer.cancelled():
            raise
        reason = await channel.over() or "the worker has sent no answer"
        delivery.refuse(VisitError(VisitOutcome.BAD_ANSWER, reason))
        return
    answering = delivery.answering()
    if answering is None:
        channel.cut("the visitor does not wait any more")
        return
    if head.status == 101 and not delivery.is_tunnel:
        answering.refuse(VisitError(VisitOutcome.BAD_ANSWER, "a tunnel that was not asked for"))
        channel.cut("a tunnel that was not asked for")
        return
    answering.begin(head)
    try:
        await pour(channel, answering.body)
    except CutError as error:
        channel.cut(str(error))


class _RelayWire:
    """A `link.Wire` of aiohttp."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def send(self, message: bytes) -> None:
        try:
            await self._socket.send_bytes(message)
        except (ConnectionError, RuntimeError) as error:
            raise LinkLostError(str(error)) from None

    async def receive(self) -> bytes:
        try:
            message = await self._socket.receive()
        except (ConnectionError, RuntimeError) as error:
            raise LinkLostError(str(error)) from None
        if message.type is WSMsgType.BINARY:
            return bytes(message.data)
        if message.type is WSMsgType.TEXT:
            raise FrameError("a message of text")
        raise LinkLostError("the worker has gone")
