"""A buffer for the content of a response: the data plane fills it. No I/O."""

from typing import Final

from httpprocessproxy.core.budget import BudgetShare
from httpprocessproxy.core.http.bodies import Chunked, Length
from httpprocessproxy.core.http.request import Request, Response

MAX_BODY_BYTES: Final = 8 * 1024 * 1024


class Capture:
    """Buffers up to `max_bytes` of a response body, without its framing.

    The bytes count against `share`; the owner of the capture calls `drop` to release them.
    """

    def __init__(
        self, response: Response, request: Request, share: BudgetShare, max_bytes: int
    ) -> None:
        framed = not isinstance(response.body, Length) and not request.takes_content
        self._chunks = Chunked(decode=True) if framed else None
        self._share = share
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self.content = bytearray()

    @property
    def has_overflown(self) -> bool:
        return self._size_bytes > self._max_bytes

    def take(self, piece: bytes) -> None:
        """Buffer a piece of the body; bytes beyond `max_bytes` are counted and discarded.

        Raises the budget's exception if the piece exceeds it.
        """
        if self._chunks is not None:
            piece = self._chunks.feed(piece)
        self._size_bytes += len(piece)
        buffered = piece[: self._max_bytes - len(self.content)]
        self._share.keep(len(buffered))
        self.content += buffered

    def drop(self) -> None:
        """Release the buffered bytes, and discard all later pieces."""
        self._share.release()
        self._max_bytes = 0
        self.content = bytearray()
