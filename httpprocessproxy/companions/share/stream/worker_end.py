"""The worker's end of the streaming transport: visits are taken off the link and played.

The rule: a visit is played once, as soon as its frame is here. If the link is lost meanwhile, what
was begun is ended; the relay has told the visitor, and nothing is played again.
"""

import asyncio
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from httpprocessproxy.companions.share.protocol import STREAM, STREAM_SUBPROTOCOL, TRANSPORT
from httpprocessproxy.companions.share.relay.pipe import CutError, pour
from httpprocessproxy.companions.share.stream.channel import StreamChannel
from httpprocessproxy.companions.share.stream.frames import (
    MAX_MESSAGE_BYTES,
    FrameError,
    ReadyFrame,
    VisitFrame,
)
from httpprocessproxy.companions.share.stream.link import PING_S, Link, LinkLostError
from httpprocessproxy.companions.share.worker.reasons import reason_of
from httpprocessproxy.companions.share.worker.relay_status import RelayStatus
from httpprocessproxy.companions.share.worker.settings import WorkerSettings
from httpprocessproxy.companions.share.worker.visit_handler import VisitHandler
from httpprocessproxy.system.faults import contained

_OPEN_TIMEOUT_S: Final = 10.0
_CLOSE_TIMEOUT_S: Final = 1.0

# A frame has at most 64 KiB of a body, and few of them wait to be read.
_QUEUED_FRAMES: Final = 4

_HOW: Final = "streaming"


class NoStreamError(Exception):
    """There is a relay, which does not know this transport or does not let us use it."""


async def stream(settings: WorkerSettings, player: VisitHandler, contact: RelayStatus) -> None:
    """Handle the visits of one link. Raises LinkLostError at its end, or NoStreamError at once."""
    url = settings.call_url.with_scheme("wss" if settings.relay.scheme == "https" else "ws")
    try:
        socket = await connect(
            str(url),
            additional_headers={**settings.call_headers, TRANSPORT: STREAM},
            subprotocols=[Subprotocol(STREAM_SUBPROTOCOL)],
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            max_queue=_QUEUED_FRAMES,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        if status >= 500 and status != 501:
            raise LinkLostError(f"it answers {status}") from None
        raise NoStreamError(f"it answers {status}") from None
    except InvalidHandshake as error:
        raise NoStreamError(str(error)) from None
    except (OSError, TimeoutError, EOFError) as error:
        raise LinkLostError(reason_of(error)) from None
    async with socket:
        if socket.subprotocol != STREAM_SUBPROTOCOL:
            raise NoStreamError("it opens WebSockets of another kind")
        contact.made(_HOW)
        await _Taking(socket, settings, player).run()


class _Taking:
    """One link while it is there."""

    def __init__(
        self, socket: ClientConnection, settings: WorkerSettings, player: VisitHandler
    ) -> None:
        self._link = Link(_WorkerWire(socket), self._opened)
        self._player = player
        self._free = settings.max_visits
        self._last = 0
        self._tasks: asyncio.TaskGroup

    async def run(self) -> None:
        """Raises LinkLostError."""
        self._link.put(ReadyFrame(self._free))
        async with asyncio.TaskGroup() as self._tasks:
            try:
                await self._link.run()
            except LinkLostError as reason:
                error = reason
            except FrameError as reason:
                error = LinkLostError(f"it broke the transport: {reason}")
        raise error

    def _opened(self, frame: ReadyFrame | VisitFrame) -> None:
        if isinstance(frame, ReadyFrame) or frame.channel <= self._last or not self._free:
            raise FrameError("a channel that may not be opened")
        self._free -= 1
        self._last = frame.channel
        channel = self._link.open(frame.channel)
        self._tasks.create_task(self._take(frame, channel), name=f"visit {frame.channel}")

    async def _take(self, visit: VisitFrame, channel: StreamChannel) -> None:
        """Play a visit, until it is over or the visitor has left."""
        try:
            with contained(f"visit {visit.channel} of the share"):
                async with asyncio.TaskGroup() as tasks:
                    playing = tasks.create_task(self._play(visit, channel), name="play")
                    await channel.over()
                    playing.cancel()
        finally:
            channel.cut("the worker failed")  # unless it is over
            self._free += 1
            self._link.put(ReadyFrame(1))

    async def _play(self, visit: VisitFrame, channel: StreamChannel) -> None:
        playing = self._player.play(visit.head, channel, is_tunnel=visit.is_tunnel)
        try:
            async with playing as answer:
                channel.give_answer(answer.head)
                await pour(answer.body, channel)
        except CutError as error:
            channel.cut(str(error))


class _WorkerWire:
    """A `link.Wire` of websockets."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, message: bytes) -> None:
        try:
            await self._socket.send(message)
        except ConnectionClosed as error:
            raise LinkLostError(_why(error)) from None

    async def receive(self) -> bytes:
        try:
            message = await self._socket.recv()
        except ConnectionClosed as error:
            raise LinkLostError(_why(error)) from None
        if isinstance(message, str):
            raise FrameError("a message of text")
        return message


def _why(error: ConnectionClosed) -> str:
    if error.rcvd is not None and error.rcvd.reason:
        return f"it closed the link: {error.rcvd.reason}"
    return "it closed the link" if error.rcvd is not None else "the connection broke"
