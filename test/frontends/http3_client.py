"""An HTTP/3 client that a test controls, with aioquic as its protocol state.

It always reads, unless it is `deaf`. If it is `stingy`, it never raises its flow-control limits.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.h3.connection import H3_ALPN, FrameType, H3Connection, H3Stream, StreamType
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    QuicEvent,
    StopSendingReceived,
    StreamReset,
)
from aioquic.quic.packet import QuicProtocolVersion
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream

from test.frontends.http2_client import GET, Answer, Fields

UPLOAD_AHEAD_BYTES = 512 * 1024


class Stingy(QuicConnection):
    """A QUIC connection that never raises its flow-control limits for streams."""

    def _write_stream_limits(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream
    ) -> None:
        pass


class Lenient(H3Connection):
    """aioquic's HTTP/3 without the check of Content-Length, and with GOAWAY.

    The check fails for a response to HEAD (RFC 9110 section 8.6). aioquic skips GOAWAY.
    """

    goodbye: int | None = None

    def _check_content_length(self, stream: H3Stream) -> None:
        pass

    def _receive_stream_data_uni(
        self, stream: H3Stream, data: bytes, stream_ended: bool
    ) -> list[H3Event]:
        if stream.stream_type == StreamType.CONTROL and data[:1] == bytes([FrameType.GOAWAY]):
            self.goodbye = Buffer(data=data[2:]).pull_uint_var()
        return super()._receive_stream_data_uni(stream, data, stream_ended)


class Http3Client(QuicConnectionProtocol):
    """One connection. `over` is its final event; `stopped` has the codes of STOP_SENDING."""

    def __init__(self, quic: QuicConnection) -> None:
        super().__init__(quic)
        self.quic = quic
        self.http = Lenient(quic)
        self.answers: dict[int, Answer] = {}
        self.stopped: dict[int, int] = {}
        self.over: ConnectionTerminated | None = None
        self.deaf = False
        self.keeps_bodies = True
        self._has_vanished = False
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def goodbye(self) -> int | None:
        """The stream ID in GOAWAY, from which on requests are not processed; None without one."""
        return self.http.goodbye

    async def ask(self, fields: Fields = GET, body: bytes | None = b"") -> int:
        """Send a request; with None for a body, its head only."""
        stream_id = self.quic.get_next_available_stream_id()
        self.answers[stream_id] = Answer()
        self.http.send_headers(stream_id, fields, end_stream=body == b"")
        self.transmit()
        if body:
            await self.upload(stream_id, body, end=True)
        return stream_id

    async def upload(self, stream_id: int, body: bytes, *, end: bool = False) -> None:
        """Send content, with at most UPLOAD_AHEAD_BYTES unacknowledged."""
        for at in range(0, len(body), 64 * 1024):
            piece = body[at : at + 64 * 1024]
            is_last = end and at + len(piece) == len(body)
            self.http.send_data(stream_id, piece, end_stream=is_last)
            self.transmit()
            await self.until(lambda: self.unsent_bytes(stream_id) < UPLOAD_AHEAD_BYTES)
        if end and not body:
            self.http.send_data(stream_id, b"", end_stream=True)
            self.transmit()

    def unsent_bytes(self, stream_id: int) -> int:
        """The number of bytes that the server has not acknowledged."""
        stream = self.quic._streams.get(stream_id)
        return len(stream.sender._buffer) if stream is not None else 0

    async def end(self, stream_id: int, trailers: Fields) -> None:
        """End a request with trailers."""
        self.http.send_headers(stream_id, trailers, end_stream=True)
        self.transmit()

    async def cancel(self, stream_id: int, code: int = 0x10C) -> None:
        """Cancel a request like browsers: both directions, H3_REQUEST_CANCELLED."""
        self.quic.reset_stream(stream_id, code)
        self.quic.stop_stream(stream_id, code)
        self.transmit()

    async def fetch(self, fields: Fields = GET, body: bytes = b"") -> Answer:
        """Send a request, and wait for its complete response."""
        return await self.answer(await self.ask(fields, body))

    async def answer(self, stream_id: int) -> Answer:
        answer = self.answers[stream_id]
        await self.until(lambda: answer.has_ended)
        return answer

    async def head(self, stream_id: int) -> Answer:
        """Wait for the head of the response."""
        answer = self.answers[stream_id]
        await self.until(lambda: bool(answer.fields))
        return answer

    async def was_reset(self, stream_id: int) -> int | None:
        """Wait for the end of a stream, and return the code of its reset; None without one."""
        answer = self.answers[stream_id]
        await self.until(lambda: answer.has_ended or answer.reset is not None)
        return answer.reset

    async def was_stopped(self, stream_id: int) -> int:
        """Wait for STOP_SENDING on a stream, and return its code."""
        await self.until(lambda: stream_id in self.stopped)
        return self.stopped[stream_id]

    async def body(self, stream_id: int, size_bytes: int) -> bytes:
        """Wait for `size_bytes` of a response's content, and remove them from it."""
        answer = self.answers[stream_id]
        await self.until(lambda: len(answer.body) >= size_bytes)
        taken = bytes(answer.body[:size_bytes])
        del answer.body[:size_bytes]
        return taken

    async def ended(self) -> int:
        """Wait for the end of the connection, and return its error code."""
        await self.until(lambda: self.quic._close_event is not None)
        assert self.quic._close_event is not None
        return self.quic._close_event.error_code

    async def until(self, look: Callable[[], bool]) -> None:
        """Wait until `look()` is true; it is called after every datagram."""
        while not look():
            assert self.over is None, f"the connection has ended: {self.over}"
            self._waiting.append(self._loop.create_future())
            await self._waiting[-1]

    def leave(self) -> None:
        """Send CONNECTION_CLOSE, and close the socket without waiting."""
        if not self._has_vanished:
            self.close(0x100)
            self.vanish()

    def vanish(self) -> None:
        """Close the socket without sending anything."""
        self._has_vanished = True
        if self._timer is not None:
            self._timer.cancel()
        assert self._transport is not None
        self._transport.abort()

    def move(self) -> None:
        """Migrate to another port, like a client whose network has changed."""
        sock = bound_socket()
        old = self._transport
        assert old is not None
        self._transport = cast(asyncio.DatagramTransport, _Detour(sock, self))
        old.abort()

    # QuicConnectionProtocol

    def datagram_received(self, data: bytes | str, addr: object) -> None:
        if not self.deaf:
            super().datagram_received(data, addr)
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        pass

    def quic_event_received(self, event: QuicEvent) -> None:
        for message in self.http.handle_event(event):
            self._take(message)
        match event:
            case StreamReset() if event.stream_id in self.answers:
                self.answers[event.stream_id].reset = event.error_code
            case StopSendingReceived():
                self.stopped[event.stream_id] = event.error_code
            case ConnectionTerminated():
                self.over = event
        self._wake()

    def _take(self, message: H3Event) -> None:
        match message:
            case HeadersReceived():
                answer = self.answers[message.stream_id]
                if dict(message.headers).get(b":status", b"").startswith(b"1"):
                    answer.interim.append(message.headers)
                elif answer.fields:
                    answer.trailers = message.headers
                else:
                    answer.fields = message.headers
                answer.has_ended = message.stream_ended
            case DataReceived():
                answer = self.answers[message.stream_id]
                answer.size_bytes += len(message.data)
                if self.keeps_bodies:
                    answer.body += message.data
                answer.has_ended = message.stream_ended

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


class _Detour:
    """A datagram transport of a socket that the event loop reads for a client."""

    def __init__(self, sock: socket.socket, client: Http3Client) -> None:
        self._sock = sock
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._read)

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        self._sock.sendto(data, address)

    def abort(self) -> None:
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def _read(self) -> None:
        data, address = self._sock.recvfrom(65536)
        self._client.datagram_received(data, address)


def bound_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


def configuration(authority: bytes | None, alpn: list[str] | None = None) -> QuicConfiguration:
    """Make the configuration of a client that trusts one CA; None disables verification."""
    made = QuicConfiguration(
        is_client=True,
        alpn_protocols=alpn or H3_ALPN,
        server_name="localhost",
        supported_versions=[QuicProtocolVersion.VERSION_1],
    )
    if authority is None:
        made.verify_mode = ssl.CERT_NONE
    else:
        made.load_verify_locations(cadata=authority)
    return made


@asynccontextmanager
async def connected(
    port: int,
    config: QuicConfiguration,
    host: str = "127.0.0.1",
    *,
    stingy: bool = False,
    waits: bool = True,
) -> AsyncIterator[Http3Client]:
    """Connect a client; with `waits`, its handshake is complete."""
    quic = (Stingy if stingy else QuicConnection)(configuration=config)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    _, client = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Http3Client(quic), family=family, local_addr=(host, 0)
    )
    client.connect((host, port, 0, 0) if family == socket.AF_INET6 else (host, port))
    try:
        if waits:
            await client.wait_connected()
        yield client
    finally:
        client.leave()
