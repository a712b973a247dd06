"""WebSocket frame boundaries, and the Close frame of a restart (RFC 6455 section 5).

The tunnel passes bytes unchanged. It needs frame boundaries only to insert a Close frame of its own
when the backend is restarted: in the middle of a frame, Close would be read as payload. No I/O.
"""

from typing import Final

# RFC 6455 section 7.4 and its registry: 1012, Service Restart. 0x88: FIN and opcode 8; a
# server's frame is not masked, and its length counts the two bytes of the code.
_CODE: Final = (1012).to_bytes(2, "big")
CLOSE_SERVICE_RESTART: Final = b"\x88\x02" + _CODE

# The client's Close with the same code, as most send it: FIN, opcode 8, masked, two bytes of
# payload (section 5.5.1).
_CLOSE_RESPONSE_HEADER: Final = b"\x88\x82"
_CLOSE_RESPONSE_BYTES: Final = 2 + 4 + 2


def ends_with_answer(data: bytes) -> bool:
    """Whether the data of a client ends with its response to CLOSE_SERVICE_RESTART.

    The client's frames are not parsed: a message may end by chance with the same bytes, once in
    four billion.
    """
    last = data[-_CLOSE_RESPONSE_BYTES:]
    mask, code = last[2:4], last[6:]
    is_close = len(last) == _CLOSE_RESPONSE_BYTES and last.startswith(_CLOSE_RESPONSE_HEADER)
    return is_close and bytes(a ^ b for a, b in zip(mask, code, strict=True)) == _CODE


class WebSocketFrames:
    """Tracks the frame boundaries in one direction of a WebSocket."""

    __slots__ = ("_header", "_payload", "closing")

    def __init__(self) -> None:
        self._header = b""  # the beginning of an incomplete header
        self._payload = 0  # bytes of the current frame still to come
        self.closing = False  # a Close frame has begun: no frame may follow it (section 5.5.1)

    @property
    def at_boundary(self) -> bool:
        return not self._payload and not self._header

    def feed(self, data: bytes) -> None:
        size = len(data)
        if size < self._payload:
            self._payload -= size
            return
        at, self._payload = self._payload, 0
        if self._header:
            data, self._header = self._header + data, b""
            size = len(data)
        while at < size:
            length, header_size = _frame_length(data, at)
            if header_size == 0:
                self._header = data[at:]
                return
            if data[at] & 0x0F == 0x8:
                self.closing = True
            at += header_size + length
        self._payload = at - size


def _frame_length(data: bytes, at: int) -> tuple[int, int]:
    """Return payload and header size in bytes of the frame at `at`; (0, 0) if incomplete."""
    have = len(data) - at
    if have < 2:
        return 0, 0
    second = data[at + 1]
    length, size = second & 0x7F, 2
    if length >= 126:
        extended = 2 if length == 126 else 8
        size += extended
        length = int.from_bytes(data[at + 2 : at + size], "big")
    if second & 0x80:
        size += 4
    return (length, size) if have >= size else (0, 0)
