"""An open WebSocket: it converts between bytes and ASGI events (RFC 6455). No I/O.

The library `websockets` keeps the protocol's state and makes the frames.
"""

from collections.abc import Mapping
from typing import Final, cast

from websockets.datastructures import Headers
from websockets.exceptions import InvalidState
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from httpprocessproxy.asgi.interface import Event
from httpprocessproxy.frontends.streams import Fields

# uvicorn's limits for WebSockets over HTTP/1.1: the size of a message and zlib's window.
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_WINDOW_BITS: Final = 12

_DATA: Final = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class WebSocketChannel:
    """The server's end of a WebSocket. After each call, send the bytes that `output` returns."""

    def __init__(self, fields: Fields) -> None:
        """Negotiate the extensions offered in the request's `fields` (names in lower case).

        Raises InvalidHandshake for a malformed offer.
        """
        deflate = ServerPerMessageDeflateFactory(
            server_max_window_bits=_WINDOW_BITS,
            client_max_window_bits=_WINDOW_BITS,
            compress_settings={"memLevel": 5},
        )
        self._protocol = ServerProtocol(
            extensions=[deflate], max_size=MAX_MESSAGE_BYTES, state=State.OPEN
        )
        name = b"sec-websocket-extensions"
        offers = Headers([(name.decode(), v.decode("latin-1")) for n, v in fields if n == name])
        self.extension, self._protocol.extensions = self._protocol.process_extensions(offers)
        self._parts: list[bytes] = []
        self._is_text = False
        self._has_reported_end = False

    @property
    def has_closed(self) -> bool:
        """Whether the channel is closed for sending; `output` may still have bytes."""
        return self._protocol.state is not State.OPEN

    def output(self) -> bytes:
        """The bytes to send to the client, each of them once."""
        return b"".join(self._protocol.data_to_send())

    def receive(self, data: bytes) -> list[Event]:
        """Parse bytes of the client, and return the events for the application."""
        self._protocol.receive_data(data)
        return self._events()

    def receive_end(self) -> list[Event]:
        """End the client's direction; return the events for the application."""
        self._protocol.receive_eof()
        return [*self._events(), *self._end()]

    def send(self, event: Mapping[str, object]) -> None:
        """Send the message of a `websocket.send` event."""
        text, data = event.get("text"), event.get("bytes")
        if text is not None:
            self._protocol.send_text(cast(str, text).encode())
        else:
            self._protocol.send_binary(bytes(cast(bytes, data or b"")))

    def close(self, code: int, reason: str) -> list[Event]:
        """Send a close frame, and return the events for the application."""
        try:
            self._protocol.send_close(code, reason)
        except InvalidState:
            pass  # the client has closed meanwhile
        return self._end()

    def _events(self) -> list[Event]:
        events: list[Event] = []
        for frame in self._protocol.events_received():
            # `websockets` itself answers pings and close frames.
            if isinstance(frame, Frame) and frame.opcode in _DATA and not self._has_reported_end:
                events += self._message(frame)
        return events + (self._end() if self.has_closed else [])

    def _message(self, frame: Frame) -> list[Event]:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return []
        message = b"".join(self._parts)
        self._parts.clear()
        if not self._is_text:
            return [{"type": "websocket.receive", "bytes": message}]
        try:
            return [{"type": "websocket.receive", "text": message.decode()}]
        except UnicodeDecodeError as error:
            self._protocol.fail(CloseCode.INVALID_DATA, str(error))
            return []

    def _end(self) -> list[Event]:
        """The `websocket.disconnect` event, once, with code and reason of the first close frame."""
        if self._has_reported_end:
            return []
        self._has_reported_end = True
        close = self._protocol.close_rcvd or self._protocol.close_sent
        code = CloseCode.ABNORMAL_CLOSURE if close is None else close.code
        reason = "" if close is None else close.reason
        return [{"type": "websocket.disconnect", "code": int(code), "reason": reason}]
