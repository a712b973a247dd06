"""Responses held back until there is something to show for them: what a save need not cut.

Many servers write the head and the body of an answer apart. A head that was passed on alone has
begun an answer, which a restart can only cut; while nothing was passed on, a safe request goes to
the next server instead. So the head of an answer to a safe request waits for the first byte of its
body, and an answer of known, small length for the last one. No I/O.
"""

import re
from typing import Final

from httpprocessproxy.core.http.headers import Request, Response

# As much as a connection buffers anyway: memory stays bounded by the number of connections.
MAX_WHOLE_BYTES: Final = 64 * 1024

# A server that computes its body shows its head by then; a person does not notice.
MAX_HELD_S: Final = 0.05

_LENGTH: Final = re.compile(rb"\r\nContent-Length: ([0-9]+)\r\n")
# HTML Living Standard section 9.2: its head alone tells a page that the stream is open.
_EVENTS: Final = re.compile(rb"\r\ncontent-type:[ \t]*text/event-stream\b", re.IGNORECASE)


def length_of(response: Response) -> int | None:
    """The bytes of a response's body, if its head says."""
    match = _LENGTH.search(response.head)
    return int(match[1]) if match else None


class HeldResponse:
    """A response of which nothing has been passed on yet."""

    __slots__ = ("_awaited_bytes", "_bytes", "_pieces", "response")

    def __init__(self, response: Response, request: Request, piece: bytes) -> None:
        """`piece` is what has come of its body, which goes on."""
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
        """Whether there is enough of it."""
        return self._bytes >= self._awaited_bytes

    @property
    def body(self) -> bytes:
        return b"".join(self._pieces)


def _awaited_bytes(response: Response, request: Request) -> int:
    if not request.is_safe or _EVENTS.search(response.head):
        return 0
    length = length_of(response)
    return length if length is not None and length <= MAX_WHOLE_BYTES else 1
