"""aioquic's QUIC connection with flow control; the only module that uses aioquic's private names.

The rule: a client may send one window more than the request's sink has passed on (RFC 9000 section
4.1). aioquic itself doubles the limit whenever half of it has arrived, read or not; and it buffers
data to send without a limit, so a writer has to check `unacknowledged_bytes`.
"""

from typing import Final

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import (
    MAX_STREAM_DATA_FRAME_CAPACITY,
    QuicConnection,
    QuicConnectionState,
)
from aioquic.quic.packet import QuicFrameType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream

# As over HTTP/2: above the bandwidth-delay product of loopback or a LAN. A connection has up to 128
# concurrent streams (aioquic's constant), and its window is the sum of theirs.
STREAM_WINDOW_BYTES: Final = 256 * 1024
CONNECTION_WINDOW_BYTES: Final = 128 * STREAM_WINDOW_BYTES


class QuicState(QuicConnection):
    """A server's connection, without I/O. Held bytes have been received, but not passed on."""

    def __init__(
        self, configuration: QuicConfiguration, original_id: bytes, retry_id: bytes | None
    ) -> None:
        """`retry_id` is the connection ID that the client got in a Retry; None: no Retry."""
        # No session tickets, so no 0-RTT, whose data could be replayed (RFC 9001 section 9.2).
        super().__init__(
            configuration=configuration,
            original_destination_connection_id=original_id,
            retry_source_connection_id=retry_id,
        )
        self._held: dict[int, int] = {}

    @property
    def has_begun(self) -> bool:
        """Whether a packet of the client has passed authentication."""
        return self._state is not QuicConnectionState.FIRSTFLIGHT

    @property
    def is_closing(self) -> bool:
        """Whether one side has closed the connection; the event follows some round trips later."""
        return self._close_event is not None

    @property
    def has_requests(self) -> bool:
        """Whether a request is open or a response is not completely acknowledged."""
        return not self.is_closing and any(stream_id % 4 == 0 for stream_id in self._streams)

    def can_send(self, stream_id: int) -> bool:
        """Whether a stream accepts data; False as soon as the client has stopped it."""
        stream = self._streams.get(stream_id)
        if stream is None or self.is_closing:
            return False
        sender = stream.sender
        return sender._reset_error_code is None and sender._buffer_fin is None

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        """Write to a stream; no error if the client has stopped it, as the event is to come."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.sender._reset_error_code is None:
            super().send_stream_data(stream_id, data, end_stream)

    def unacknowledged_bytes(self, stream_id: int) -> int:
        """The number of bytes written to a stream and still buffered, sent or not."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else len(stream.sender._buffer)

    def hold(self, stream_id: int, size_bytes: int) -> None:
        """Add received bytes to the held bytes of a stream; a negative size was passed on."""
        self._held[stream_id] = self._held.get(stream_id, 0) + size_bytes

    def hold_nothing(self, stream_id: int) -> None:
        """Count no bytes of a stream as held: the rest of it is discarded."""
        self._held.pop(stream_id, None)

    def _write_stream_limits(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream
    ) -> None:
        """Raise MAX_STREAM_DATA in steps of half a window or more."""
        receiver, stream_id = stream.receiver, stream.stream_id
        if receiver.is_finished or stream_id is None:
            return
        passed_on = receiver.starting_offset() - self._held.get(stream_id, 0)
        limit = passed_on + STREAM_WINDOW_BYTES
        if limit - stream.max_stream_data_local >= STREAM_WINDOW_BYTES // 2:
            stream.max_stream_data_local = limit
        if stream.max_stream_data_local_sent != stream.max_stream_data_local:
            buffer = builder.start_frame(
                QuicFrameType.MAX_STREAM_DATA,
                capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
                handler=self._on_max_stream_data_delivery,
                handler_args=(stream,),
            )
            buffer.push_uint_var(stream_id)
            buffer.push_uint_var(stream.max_stream_data_local)
            stream.max_stream_data_local_sent = stream.max_stream_data_local
