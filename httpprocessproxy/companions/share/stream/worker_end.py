"""The worker's end of the streaming transport: it forwards each received visit to the server.

The rule: a visit is forwarded once, as soon as its frame arrives. If the link is lost meanwhile,
the visit is cancelled and never repeated: the relay has answered the visitor with an error.
"""

from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from httpprocessproxy.companions.share.protocol import STREAM, STREAM_SUBPROTOCOL, TRANSPORT
from httpprocessproxy.companions.share.stream.frames import (
    MAX_MESSAGE_BYTES,
    FrameError,
    ReadyFrame,
    VisitFrame,
)
from httpprocessproxy.companions.share.stream.link import PING_S, Link, LinkLostError
from httpprocessproxy.companions.share.stream.visit_channel import VisitChannel
from httpprocessproxy.companions.share.worker.relay_status import RelayStatus, reason_of
from httpprocessproxy.companions.share.worker.settings import WorkerSettings
from httpprocessproxy.companions.share.worker.visit_handler import VisitHandler

_OPEN_TIMEOUT_S: Final = 10.0
_CLOSE_TIMEOUT_S: Final = 1.0

# Few messages wait to be read: a frame in them has up to 64 KiB of a body.
_QUEUED_FRAMES: Final = 4

_TRANSPORT: Final = "streaming"


class NoStreamError(Exception):
    """The relay does not support this transport, or refuses it to this worker."""


async def stream(
    settings: WorkerSettings, handler: VisitHandler, relay_status: RelayStatus
) -> None:
    """Handle the visits of one link until it ends.

    Raises NoStreamError if the relay refuses the link, and LinkLostError when the link is lost.
    """
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
            raise NoStreamError("it selects another WebSocket subprotocol")
        relay_status.connected(_TRANSPORT)
        await _LinkSession(socket, settings, handler).run()


class _LinkSession:
    """One open link: it receives visits and sends answers."""

    def __init__(
        self, socket: ClientConnection, settings: WorkerSettings, handler: VisitHandler
    ) -> None:
        self._link = Link(_WorkerWire(socket), self._opened)
        self._handler = handler
        self._free_slots = settings.max_visits
        self._last_channel = 0

    async def run(self) -> None:
        """Serve the link until it is lost. Raises LinkLostError."""
        self._link.put(ReadyFrame(self._free_slots))
        try:
            await self._link.run()
        except FrameError as error:
            raise LinkLostError(f"it violated the transport: {error}") from None

    def _opened(self, frame: ReadyFrame | VisitFrame) -> None:
        if (
            isinstance(frame, ReadyFrame)
            or frame.channel <= self._last_channel
            or not self._free_slots
        ):
            raise FrameError(
                "a READY from the relay, a used channel, or a visit without a free slot"
            )
        self._free_slots -= 1
        self._last_channel = frame.channel
        channel = VisitChannel(frame.channel, self._link, self._ended)
        self._link.add(frame.channel, channel)
        channel.open(lambda: self._handler.handle(frame.head, channel, is_tunnel=frame.is_tunnel))

    def _ended(self) -> None:
        """A visit is over: its slot is free."""
        self._free_slots += 1
        self._link.put(ReadyFrame(1))


class _WorkerWire:
    """A `link.Wire` over a WebSocket of the package `websockets`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, message: bytes) -> None:
        try:
            await self._socket.send(message)
        except ConnectionClosed as error:
            raise LinkLostError(_close_reason(error)) from None

    async def receive(self) -> bytes:
        try:
            message = await self._socket.recv()
        except ConnectionClosed as error:
            raise LinkLostError(_close_reason(error)) from None
        if isinstance(message, str):
            raise FrameError("a text message")
        return message


def _close_reason(error: ConnectionClosed) -> str:
    if error.rcvd is not None and error.rcvd.reason:
        return f"it closed the link: {error.rcvd.reason}"
    return "it closed the link" if error.rcvd is not None else "the connection broke"
