"""An HTTP/2 client that a test controls frame by frame, with h2 as its protocol state.

It reads only in methods that wait, and then opens its windows unless it is `stingy`.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes, Settings

Fields = list[tuple[bytes, bytes]]

GET: Fields = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"localhost"),
    (b":path", b"/"),
]


def get(path: str = "/", *fields: tuple[bytes, bytes], method: bytes = b"GET") -> Fields:
    """Make a request's header section."""
    return [(b":method", method), *GET[1:3], (b":path", path.encode()), *fields]


def websocket(path: str = "/", *fields: tuple[bytes, bytes]) -> Fields:
    """Make the header section of an extended CONNECT (RFC 8441 section 5.1)."""
    protocol = (b":protocol", b"websocket")
    version = (b"sec-websocket-version", b"13")
    return [
        (b":method", b"CONNECT"),
        protocol,
        *GET[1:3],
        (b":path", path.encode()),
        version,
        *fields,
    ]


@dataclass
class Answer:
    """The part of a response that has been received so far."""

    fields: Fields = field(default_factory=list)
    interim: list[Fields] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    size_bytes: int = 0
    trailers: Fields = field(default_factory=list)
    has_ended: bool = False
    reset: ErrorCodes | int | None = None

    @property
    def status(self) -> int:
        return int(self.all(b":status")[0])

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name]


class Http2Client:
    """One connection. `goodbye` is the GOAWAY that came."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, window_bytes: int
    ) -> None:
        config = H2Configuration(
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.state = H2Connection(config)
        self.state.local_settings = Settings(
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: window_bytes,
                SettingCodes.ENABLE_PUSH: 0,
            }
        )
        self.answers: dict[int, Answer] = {}
        self.stingy = False
        self.keeps_bodies = True
        self.pongs = 0
        self.settings: dict[int, int] = {}
        self.goodbye: ConnectionTerminated | None = None
        self.is_over = False
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(
        cls,
        port: int,
        context: ssl.SSLContext | None = None,
        window_bytes: int = 65_535,
        preface: bytes | None = None,
    ) -> Self:
        """Connect, and send `preface` in place of HTTP/2's connection preface."""
        name = "localhost" if context is not None else None
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=name
        )
        client = cls(reader, writer, window_bytes)
        client.state.initiate_connection()
        await client.write(preface or client.state.data_to_send())
        return client

    def close(self) -> None:
        self._writer.transport.abort()

    def finish(self) -> None:
        """Half-close the connection: reading continues."""
        self._writer.write_eof()

    async def flush(self) -> None:
        """Write the serialised frames, and wait while the send buffer is full."""
        if data := self.state.data_to_send():
            await self.write(data)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        try:
            await self._writer.drain()
        except ConnectionError:
            pass  # the next read raises it as well

    async def ask(self, fields: Fields = GET, body: bytes | None = b"") -> int:
        """Send a request; with None for a body, its head only."""
        stream_id = self.state.get_next_available_stream_id()
        self.state.send_headers(stream_id, fields, end_stream=body == b"")
        self.answers[stream_id] = Answer()
        await self.flush()
        if body:
            await self.upload(stream_id, body, end=True)
        return stream_id

    async def upload(self, stream_id: int, body: bytes, *, end: bool = False) -> None:
        """Send content, and wait whenever the window is exhausted."""
        at = 0
        while at < len(body):
            window = self.state.local_flow_control_window(stream_id)
            if window <= 0:
                await self.more()
                continue
            size = min(window, self.state.max_outbound_frame_size, len(body) - at)
            at += size
            is_last = end and at == len(body)
            self.state.send_data(stream_id, body[at - size : at], end_stream=is_last)
            await self.flush()
        if end and not body:
            self.state.end_stream(stream_id)
            await self.flush()

    async def end(self, stream_id: int, trailers: Fields) -> None:
        """End a request with trailers."""
        self.state.send_headers(stream_id, trailers, end_stream=True)
        await self.flush()

    async def cancel(self, stream_id: int) -> None:
        self.state.reset_stream(stream_id, ErrorCodes.CANCEL)
        await self.flush()

    async def fetch(self, fields: Fields = GET, body: bytes = b"") -> Answer:
        """Send a request, and wait for its complete response."""
        return await self.answer(await self.ask(fields, body))

    async def fetch_settings(self) -> None:
        """Wait for the server's SETTINGS."""
        while not self.settings:
            assert await self.more()

    async def answer(self, stream_id: int) -> Answer:
        answer = self.answers[stream_id]
        while not answer.has_ended:
            assert await self.more(), f"the connection has ended: {self.goodbye}"
        return answer

    async def head(self, stream_id: int) -> Answer:
        """Wait for the head of the response."""
        answer = self.answers[stream_id]
        while not answer.fields:
            assert await self.more(), f"the connection has ended: {self.goodbye}"
        return answer

    async def was_reset(self, stream_id: int) -> ErrorCodes | int | None:
        """Wait for the end of a stream, and return the code of its reset; None without one."""
        answer = self.answers[stream_id]
        while not answer.has_ended and answer.reset is None:
            assert await self.more(), f"the connection has ended: {self.goodbye}"
        return answer.reset

    async def body(self, stream_id: int, size_bytes: int) -> bytes:
        """Wait for `size_bytes` of a response's content, and remove them from it."""
        answer = self.answers[stream_id]
        while len(answer.body) < size_bytes:
            assert not answer.has_ended
            assert await self.more()
        taken = bytes(answer.body[:size_bytes])
        del answer.body[:size_bytes]
        return taken

    async def ended(self) -> ConnectionTerminated | None:
        """Wait until the server closes, and return its GOAWAY."""
        while await self.more():
            pass
        return self.goodbye

    async def more(self) -> bool:
        """Read once; return False at the end of the connection."""
        try:
            data = await self._reader.read(256 * 1024)
        except ConnectionError:
            data = b""
        if not data:
            self.is_over = True
            return False
        for event in self.state.receive_data(data):
            self._take(event)
        await self.flush()
        return True

    def _take(self, event: Event) -> None:
        match event:
            case InformationalResponseReceived():
                self.answers[event.stream_id].interim.append(list(event.headers))
            case ResponseReceived():
                self.answers[event.stream_id].fields = list(event.headers)
            case TrailersReceived():
                self.answers[event.stream_id].trailers = list(event.headers)
            case DataReceived():
                answer = self.answers[event.stream_id]
                answer.size_bytes += len(event.data)
                if self.keeps_bodies:
                    answer.body += event.data
                if not self.stingy:
                    size = event.flow_controlled_length
                    self.state.acknowledge_received_data(size, event.stream_id)
            case StreamEnded():
                self.answers[event.stream_id].has_ended = True
            case StreamReset():
                self.answers[event.stream_id].reset = event.error_code
            case RemoteSettingsChanged():
                changed = event.changed_settings
                self.settings |= {int(code): changed[code].new_value for code in changed}
            case PingAckReceived():
                self.pongs += 1
            case ConnectionTerminated():
                self.goodbye = event
