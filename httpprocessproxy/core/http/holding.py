"""Holding responses: the head of a response is kept back until its body begins.

Many servers write head and body separately. After the head alone has been passed on, a restart can
only cut the response; while nothing has been passed on, a safe request can be sent to the next
generation instead. So the head of a response to a safe request is held until the first byte of its
body, and a response of known, small length until the last one. No I/O.
"""

import re
from typing import Final

from httpprocessproxy.core.http.request import Request, Response

# The size of a connection's buffer: memory stays bounded by the number of connections.
MAX_WHOLE_BYTES: Final = 64 * 1024

# In seconds: the head of a slowly computed body is delayed by this much, which a person does not
# notice.
MAX_HELD_S: Final = 0.05

_LENGTH: Final = re.compile(rb"\r\nContent-Length: ([0-9]+)\r\n")
# HTML Living Standard section 9.2: the head alone signals to a page that the stream is open.
_EVENTS: Final = re.compile(rb"\r\ncontent-type:[ \t]*text/event-stream\b", re.IGNORECASE)


def length_of(response: Response) -> int | None:
    """Return the Content-Length of a response in bytes; None without one."""
    match = _LENGTH.search(response.head)
    return int(match[1]) if match else None


class HeldResponse:
    """A response of which no byte has been passed on yet."""

    __slots__ = ("_awaited_bytes", "_bytes", "_pieces", "response")

    def __init__(self, response: Response, request: Request, piece: bytes) -> None:
        """`piece` is the part of the body received so far; the body is not complete."""
        self.response = response
        self._awaited_bytes = _awaited_bytes(response, request)
        self._bytes = 0
        self._pieces: list[bytes] = []
        self.add(piece)

    def add(self, piece: bytes) -> None:
        self._bytes += len(piece)
        self._pieces.append(piece)

    @property
    def is_due(self) -> bool:
        """Whether enough of the body has arrived to pass the response on."""
        return self._bytes >= self._awaited_bytes

    @property
    def body(self) -> bytes:
        return b"".join(self._pieces)


def _awaited_bytes(response: Response, request: Request) -> int:
    if not request.is_safe or _EVENTS.search(response.head):
        return 0
    length = length_of(response)
    return length if length is not None and length <= MAX_WHOLE_BYTES else 1
