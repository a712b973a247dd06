"""aioquic's HTTP/3 (RFC 9114), where a malformed request ends its own stream, and no other.

By itself aioquic closes the connection then, and takes a header section of any length.
"""

from dataclasses import dataclass
from typing import Final
from weakref import WeakSet

from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import (
    ErrorCode,
    FrameType,
    H3Connection,
    H3Stream,
    MessageError,
    ProtocolError,
    Setting,
    encode_frame,
)
from aioquic.h3.events import H3Event
from aioquic.quic.connection import QuicConnection
from pylsqpack import Decoder

from httpprocessproxy.core.http.http1 import MAX_HEAD_BYTES

# A SETTINGS frame has some dozens of bytes, and is kept until it is whole.
_MAX_CONTROL_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Malformed(H3Event):
    """A request that must not be passed on, and the status that says so (section 4.1.2)."""

    stream_id: int
    status: int
    reason: str


class _ExcessiveLoadError(ProtocolError):
    error_code = ErrorCode.H3_EXCESSIVE_LOAD


class Messages(H3Connection):
    """A server's side of a connection.

    Of a request no more comes after it was `Malformed`, or has been ignored.
    """

    def __init__(self, quic: QuicConnection) -> None:
        self._ignored: WeakSet[H3Stream] = WeakSet()
        super().__init__(quic)
        # No dynamic table for requests: what it saves is nothing on this machine or in this room,
        # and with it 64 KiB could stand for 256 MiB, and one stream wait for another.
        self._decoder = Decoder(0, 0)

    def finish(self, stream_id: int) -> None:
        """End a response after its head or a DATA frame."""
        with self._get_or_create_stream(stream_id) as stream:
            stream.finish_sending()
        self._quic.send_stream_data(stream_id, b"", end_stream=True)

    def reset(self, stream_id: int, code: int) -> None:
        """End a response early, unless it has been acknowledged or the client has stopped it."""
        self._quic.reset_stream(stream_id, code)
        # aioquic would remember the stream for as long as the connection goes on.
        self._receive_stop_sending(stream_id)

    def ignore(self, stream_id: int) -> None:
        """Nobody wants the rest of a request."""
        stream = self._stream.get(stream_id)
        if stream is not None:
            self._ignored.add(stream)

    def go_away(self, stream_id: int) -> None:
        """Tell the client that this request and those after it will not be done (section 5.2)."""
        assert self._local_control_stream_id is not None
        frame = encode_frame(FrameType.GOAWAY, encode_uint_var(stream_id))
        self._quic.send_stream_data(self._local_control_stream_id, frame)

    def _get_local_settings(self) -> dict[int, int]:
        return super()._get_local_settings() | {
            Setting.QPACK_MAX_TABLE_CAPACITY: 0,
            Setting.QPACK_BLOCKED_STREAMS: 0,
            Setting.MAX_FIELD_SECTION_SIZE: MAX_HEAD_BYTES,
        }

    def _receive_request_or_push_data(
        self, stream: H3Stream, data: bytes, stream_ended: bool
    ) -> list[H3Event]:
        if stream in self._ignored:
            stream.receiving_ended = stream.receiving_ended or stream_ended
            return []
        try:
            events = super()._receive_request_or_push_data(stream, data, stream_ended)
        except MessageError as error:
            return [self._give_up(stream, 400, error.reason_phrase)]
        # Only the payload of a HEADERS frame is kept until it is whole.
        if len(stream.buffer) > MAX_HEAD_BYTES:
            reason = f"header fields of more than {MAX_HEAD_BYTES} bytes"
            events.append(self._give_up(stream, 431, reason))
        return events

    def _give_up(self, stream: H3Stream, status: int, reason: str) -> Malformed:
        stream.buffer = b""
        self._ignored.add(stream)
        return Malformed(stream.stream_id, status, reason)

    def _receive_stream_data_uni(
        self, stream: H3Stream, data: bytes, stream_ended: bool
    ) -> list[H3Event]:
        events = super()._receive_stream_data_uni(stream, data, stream_ended)
        if len(stream.buffer) > _MAX_CONTROL_BYTES:
            raise _ExcessiveLoadError("a control frame without an end")
        return events
