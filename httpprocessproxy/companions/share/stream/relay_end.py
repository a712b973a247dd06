"""The relay's end of the streaming transport: it sends visits to a worker that has free slots.

The rule: a visit counts as delivered when its frame is written. If the link is lost before that,
the visit returns to the queue. If the link is lost later, the visitor gets 502, and the visit is
never repeated.
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

# The largest count of one READY frame: more concurrent visits than a worker needs.
_MAX_READY: Final = 1000

_CLOSE_TIMEOUT_S: Final = 1.0

_log = logging.getLogger(__name__)


class Links:
    """The links of workers with a valid token."""

    def __init__(
        self, rendezvous: Rendezvous, waiters: Waiters, tokens: Tokens, hold_s: float
    ) -> None:
        """The token of a waiting link is checked again every `hold_s`."""
        self._rendezvous = rendezvous
        self._waiters = waiters
        self._tokens = tokens
        self._hold_s = hold_s

    async def handle(self, request: web.BaseRequest, host: str) -> web.StreamResponse:
        """Open a link, and send visits over it until it is lost or the relay stops."""
        token = request.headers[TOKEN]
        socket = web.WebSocketResponse(
            timeout=_CLOSE_TIMEOUT_S,
            protocols=(STREAM_SUBPROTOCOL,),
            # Content coding compresses the compressible bodies; the others would only cost time.
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
            # `Wire.send` must not return before the kernel has the message.
            request.transport.set_write_buffer_limits(high=0)
        session = _LinkSession(self, socket, lambda: self._tokens.fits(host, token), host)
        try:
            await session.run()
        except LinkLostError as error:
            _log.info("%s: the link of a worker is lost: %s", host, error)
        except FrameError as error:
            _log.warning("%s: a worker violated the transport: %s", host, error)
            await socket.close(code=WSCloseCode.PROTOCOL_ERROR, message=str(error)[:100].encode())
        finally:
            # The worker may reconnect: visits of its host wait for it from now on.
            self._rendezvous.record_presence(host)
        return socket

    async def next_visit(self, host: str, is_lost: Callable[[], bool]) -> VisitDelivery | None:
        return await self._waiters.next_visit(host, self._hold_s, is_lost, tunnels=True)

    @property
    def is_closed(self) -> bool:
        return self._waiters.is_closed

    def record_presence(self, host: str) -> None:
        self._rendezvous.record_presence(host, streams=True)


class _LinkSession:
    """One open link: it accepts READY frames and sends visits."""

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
        self._free_slots = asyncio.Semaphore(0)
        self._last_channel = 0

    async def run(self) -> None:
        """Serve the link until it ends. Raises LinkLostError or FrameError."""
        async with asyncio.TaskGroup() as tasks:
            dispatching = tasks.create_task(
                self._dispatch_visits(tasks), name=f"visits of {self._host}"
            )
            presence = tasks.create_task(self._record_presence(), name="presence")
            try:
                await self._link.run()
            except (LinkLostError, FrameError) as reason:
                # Raised after the group: inside, it would cancel the tasks that answer visitors.
                error = reason
            finally:
                dispatching.cancel()
                presence.cancel()
        raise error

    def _opened(self, frame: ReadyFrame | VisitFrame) -> None:
        if isinstance(frame, VisitFrame) or not 0 < frame.count <= _MAX_READY:
            raise FrameError("a VISIT from a worker, or a READY with an invalid count")
        for _ in range(frame.count):
            self._free_slots.release()

    async def _record_presence(self) -> None:
        while True:
            self._links.record_presence(self._host)
            await asyncio.sleep(STREAM_FRESH_S / 3)

    async def _dispatch_visits(self, tasks: asyncio.TaskGroup) -> None:
        """Take visits from the queue while the worker has free slots."""
        while True:
            await self._free_slots.acquire()
            delivery = await self._next_visit()
            if delivery is None:
                await self._socket.close(code=WSCloseCode.GOING_AWAY)
                return
            self._last_channel += 1
            channel = self._link.open(self._last_channel)
            tasks.create_task(
                self._serve_visit(delivery, channel), name=f"visit {self._last_channel}"
            )

    async def _next_visit(self) -> VisitDelivery | None:
        """Wait for the next visit; None if the relay stops or the token is invalid."""
        while not self._links.is_closed and self._is_allowed():
            delivery = await self._links.next_visit(self._host, lambda: self._link.is_lost)
            if delivery is not None:
                return delivery
        return None

    async def _serve_visit(self, delivery: VisitDelivery, channel: StreamChannel) -> None:
        frame = VisitFrame(channel.number, delivery.head, delivery.is_tunnel)
        # The worker gets a request without a body whole, in one message.
        if not await self._link.deliver(frame, None if delivery.has_body else channel.end):
            delivery.requeue()
            return
        delivery.delivered()
        with contained(f"visit {channel.number} of {self._host}"):
            async with asyncio.TaskGroup() as tasks:
                forwarding = (
                    tasks.create_task(_to_worker(delivery, channel), name="to the worker"),
                    tasks.create_task(_until_left(delivery, channel), name="until it leaves"),
                )
                await _from_worker(delivery, channel)
                await channel.over()
                for task in forwarding:
                    task.cancel()
            return
        delivery.refuse(VisitError(VisitOutcome.BAD_ANSWER, "the relay failed"))
        channel.cut("the relay failed")


async def _to_worker(delivery: VisitDelivery, channel: StreamChannel) -> None:
    with contextlib.suppress(CutError):
        await pour(delivery.body, channel)


async def _until_left(delivery: VisitDelivery, channel: StreamChannel) -> None:
    await delivery.over()
    channel.cut("the visitor has left, or its deadline has passed")


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
        channel.cut("the visitor no longer waits")
        return
    if head.status == 101 and not delivery.is_tunnel:
        answering.refuse(VisitError(VisitOutcome.BAD_ANSWER, "a 101 without a requested Upgrade"))
        channel.cut("a 101 without a requested Upgrade")
        return
    answering.begin(head)
    try:
        await pour(channel, answering.body)
    except CutError as error:
        channel.cut(str(error))


class _RelayWire:
    """A `link.Wire` over aiohttp's server WebSocket."""

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
            raise FrameError("a text message")
        raise LinkLostError("the worker has left")
