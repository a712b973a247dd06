"""Where a WebSocket frame ends, and the frame that says goodbye (RFC 6455 section 5).

The tunnel passes bytes untouched; it needs the boundaries only to say a word of its own, Close,
when the backend is being restarted: in the middle of a frame it would be part of it. No I/O.
"""

from typing import Final

# RFC 6455 section 7.4 and its registry: 1012, Service Restart. 0x88: FIN and opcode 8; a
# server's frame is not masked, and its length counts the two bytes of the code.
_CODE: Final = (1012).to_bytes(2, "big")
CLOSE_SERVICE_RESTART: Final = b"\x88\x02" + _CODE

# An answer that echoes it, as most do: FIN and opcode 8, masked, two bytes (section 5.5.1).
_ANSWER_HEADER: Final = b"\x88\x82"
_ANSWER_BYTES: Final = 2 + 4 + 2


def ends_with_answer(data: bytes) -> bool:
    """Whether the last that a client has sent is its answer to CLOSE_SERVICE_RESTART.

    Nobody has followed its frames: a message may end by chance with what looks like one, once in
    four billion.
    """
    answer = data[-_ANSWER_BYTES:]
    mask, code = answer[2:4], answer[6:]
    is_close = len(answer) == _ANSWER_BYTES and answer.startswith(_ANSWER_HEADER)
    return is_close and bytes(a ^ b for a, b in zip(mask, code, strict=True)) == _CODE


class WebSocketFrames:
    """Follows one direction of a WebSocket, and knows whether it stands between two frames."""

    __slots__ = ("_header", "_payload", "closing")

    def __init__(self) -> None:
        self._header = b""  # the beginning of a header whose end has not come yet
        self._payload = 0  # bytes of the present frame still to come
        self.closing = False  # a Close frame has begun: nothing may follow it (section 5.5.1)

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
    """Payload and header sizes of the frame at `at`; a header size of 0: more bytes are needed."""
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
