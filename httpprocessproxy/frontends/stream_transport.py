"""A stream of HTTP/2 or HTTP/3 as the transport of a tunnel (RFC 8441 section 5, RFC 9220)."""

import asyncio

from httpprocessproxy.frontends.streams import Stream, StreamReset


class StreamTransport(asyncio.Transport):
    """It keeps received data until it has a protocol, and while it is paused.

    The client's flow-control window bounds these data: it opens by what the protocol has received.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__()  # no extra information: a stream has no socket of its own
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._protocol: asyncio.Protocol | None = None
        self._received: list[bytes] = []
        self._has_client_ended = False
        self._is_end_reported = False
        self._has_ended = False  # this side
        self._is_paused = True
        self._is_closing = False

    # Called by the stream's sink

    def data_received(self, data: bytes) -> None:
        if not self._is_closing:
            self._received.append(data)
            self._deliver()

    def eof_received(self) -> None:
        self._has_client_ended = True
        self._deliver()

    def connection_lost(self) -> None:
        """The client has reset the stream, or has disconnected."""
        self._end(ConnectionResetError("the stream was reset"))

    def block_writing(self, blocked: bool) -> None:
        """Pass on the stream's back-pressure."""
        if self._protocol is None:
            return
        if blocked:
            self._protocol.pause_writing()
        else:
            self._protocol.resume_writing()

    def _deliver(self) -> None:
        if self._protocol is None or self._is_paused or self._is_closing:
            return
        if self._received:
            data = b"".join(self._received)
            self._received.clear()
            self._protocol.data_received(data)
            self._stream.consumed(len(data))
        is_open = not (self._is_paused or self._is_closing)
        if self._has_client_ended and is_open and not self._is_end_reported:
            self._is_end_reported = True
            if not self._protocol.eof_received():
                self.close()

    # asyncio.Transport

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not (self._is_closing or self._has_ended):
            self._stream.body(bytes(data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not (self._is_closing or self._has_ended):
            self._has_ended = True
            self._stream.end()

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        self._loop.call_soon(self._deliver)

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self.write_eof()
            self._stream.stop_reading()
            self._end(None)

    def abort(self) -> None:
        if not self._is_closing:
            self._stream.reset(StreamReset.INTERNAL)
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._received.clear()
        # Not within the callback that closes it, which still has to return.
        self._loop.call_soon(self._call_connection_lost, error)

    def _call_connection_lost(self, error: Exception | None) -> None:
        if self._protocol is not None:
            self._protocol.connection_lost(error)
