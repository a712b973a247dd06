"""The content of a response that is kept in place of being passed on, or besides. No I/O."""

from typing import Final

from httpprocessproxy.core.budget import BudgetShare
from httpprocessproxy.core.http.bodies import Chunked, Length
from httpprocessproxy.core.http.headers import Request, Response

MAX_BODY_BYTES: Final = 8 * 1024 * 1024


class Capture:
    """Keeps up to `max_bytes` of a body as it comes from the data plane, without its framing.

    `share` is the memory for it; whoever has the capture gives it back, by `drop`.
    """

    def __init__(
        self, response: Response, request: Request, share: BudgetShare, max_bytes: int
    ) -> None:
        framed = not isinstance(response.body, Length) and not request.is_http10
        self._chunks = Chunked(decode=True) if framed else None
        self._share = share
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self.content = bytearray()

    @property
    def has_overflown(self) -> bool:
        return self._size_bytes > self._max_bytes

    def take(self, piece: bytes) -> None:
        """Keep a piece. What overflows is counted, and not kept.

        Raises what the budget does if there is no memory for it.
        """
        if self._chunks is not None:
            piece = self._chunks.feed(piece)
        self._size_bytes += len(piece)
        kept = piece[: self._max_bytes - len(self.content)]
        self._share.keep(len(kept))
        self.content += kept

    def drop(self) -> None:
        """Give back what has been kept, and keep nothing from now on."""
        self._share.release()
        self._max_bytes = 0
        self.content = bytearray()
