"""A WebSocket that has been opened: bytes to events of ASGI, and back (RFC 6455). No I/O.

`websockets` keeps the states and makes the frames.
"""

from collections.abc import Mapping
from typing import Final, cast

from websockets.datastructures import Headers
from websockets.exceptions import InvalidState
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from httpprocessproxy.companions.asgi.interface import Event
from httpprocessproxy.frontends.streams import Fields

# As uvicorn has it for HTTP/1.1; the windows of zlib, too.
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_WINDOW_BITS: Final = 12

_DATA: Final = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class WebSocketChannel:
    """The server's end. After each call, `output` has what is to be sent."""

    def __init__(self, fields: Fields) -> None:
        """Take the request's fields. Raises InvalidHandshake for offers that cannot be read."""
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
        self._has_told_of_end = False

    @property
    def has_closed(self) -> bool:
        """Whether nothing more is to be sent, but for what `output` still has."""
        return self._protocol.state is not State.OPEN

    def output(self) -> bytes:
        return b"".join(self._protocol.data_to_send())

    def receive(self, data: bytes) -> list[Event]:
        """Take what the client has sent, and return what the application is to be told."""
        self._protocol.receive_data(data)
        return self._events()

    def receive_end(self) -> list[Event]:
        """The client's direction has ended, or the client is gone."""
        self._protocol.receive_eof()
        return [*self._events(), *self._end()]

    def send(self, event: Mapping[str, object]) -> None:
        """Make a message of a `websocket.send`."""
        text, data = event.get("text"), event.get("bytes")
        if text is not None:
            self._protocol.send_text(cast(str, text).encode())
        else:
            self._protocol.send_binary(bytes(cast(bytes, data or b"")))

    def close(self, code: int, reason: str) -> list[Event]:
        """Begin the end, and return what the application is to be told."""
        try:
            self._protocol.send_close(code, reason)
        except InvalidState:
            pass  # it has ended meanwhile
        return self._end()

    def _events(self) -> list[Event]:
        events: list[Event] = []
        for frame in self._protocol.events_received():
            # Pings and close frames have been answered already.
            if isinstance(frame, Frame) and frame.opcode in _DATA and not self._has_told_of_end:
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
        """The last event, once: who has closed first, and why."""
        if self._has_told_of_end:
            return []
        self._has_told_of_end = True
        close = self._protocol.close_rcvd or self._protocol.close_sent
        code = CloseCode.ABNORMAL_CLOSURE if close is None else close.code
        reason = "" if close is None else close.reason
        return [{"type": "websocket.disconnect", "code": int(code), "reason": reason}]
