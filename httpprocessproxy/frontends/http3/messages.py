"""aioquic's HTTP/3 (RFC 9114) with errors limited to the stream of a malformed request.

aioquic itself closes the whole connection, and accepts a header section of any length.
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

# aioquic buffers a control frame until it is complete; SETTINGS has some dozens of bytes.
_MAX_CONTROL_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Malformed(H3Event):
    """A malformed request, and the status of its response (RFC 9114 section 4.1.2)."""

    stream_id: int
    status: int
    reason: str


class _ExcessiveLoadError(ProtocolError):
    error_code = ErrorCode.H3_EXCESSIVE_LOAD


class Messages(H3Connection):
    """The server side of a connection.

    No event of a request follows its `Malformed` event or a call of `ignore`.
    """

    def __init__(self, quic: QuicConnection) -> None:
        self._ignored: WeakSet[H3Stream] = WeakSet()
        super().__init__(quic)
        # No QPACK dynamic table for requests: it saves nothing on loopback or a LAN, it lets 64 KiB
        # expand to 256 MiB, and it lets one stream block another.
        self._decoder = Decoder(0, 0)

    def finish(self, stream_id: int) -> None:
        """End a response after its head or a DATA frame."""
        with self._get_or_create_stream(stream_id) as stream:
            stream.finish_sending()
        self._quic.send_stream_data(stream_id, b"", end_stream=True)

    def reset(self, stream_id: int, code: int) -> None:
        """Reset a response, unless it has been acknowledged or the client has stopped it."""
        self._quic.reset_stream(stream_id, code)
        # Without this, aioquic keeps the stream until the connection ends.
        self._receive_stop_sending(stream_id)

    def ignore(self, stream_id: int) -> None:
        """Discard the rest of a request."""
        stream = self._stream.get(stream_id)
        if stream is not None:
            self._ignored.add(stream)

    def go_away(self, stream_id: int) -> None:
        """Send GOAWAY: requests from `stream_id` on are not processed (RFC 9114 section 5.2)."""
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
            return [self._reject(stream, 400, error.reason_phrase)]
        # aioquic buffers an incomplete payload only of HEADERS frames.
        if len(stream.buffer) > MAX_HEAD_BYTES:
            reason = f"header fields of more than {MAX_HEAD_BYTES} bytes"
            events.append(self._reject(stream, 431, reason))
        return events

    def _reject(self, stream: H3Stream, status: int, reason: str) -> Malformed:
        stream.buffer = b""
        self._ignored.add(stream)
        return Malformed(stream.stream_id, status, reason)

    def _receive_stream_data_uni(
        self, stream: H3Stream, data: bytes, stream_ended: bool
    ) -> list[H3Event]:
        events = super()._receive_stream_data_uni(stream, data, stream_ended)
        if len(stream.buffer) > _MAX_CONTROL_BYTES:
            raise _ExcessiveLoadError(f"a control frame of more than {_MAX_CONTROL_BYTES} bytes")
        return events
