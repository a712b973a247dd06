"""The content of a response that is kept in place of being passed on, or besides. No I/O."""

from httpprocessproxy.core.bodies import Chunked, Length
from httpprocessproxy.core.headers import Request, Response


class Capture:
    """Keeps up to `max_bytes` of a body as it comes from the data plane, without its framing."""

    def __init__(self, response: Response, request: Request, max_bytes: int) -> None:
        framed = not isinstance(response.body, Length) and not request.is_http10
        self._chunks = Chunked(decode=True) if framed else None
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []
        self._size_bytes = 0

    @property
    def has_overflown(self) -> bool:
        return self._size_bytes > self._max_bytes

    @property
    def content(self) -> bytes:
        return b"".join(self._pieces)[: self._max_bytes]

    def take(self, piece: bytes) -> None:
        """Keep a piece. What overflows is counted, and not kept."""
        if self._chunks is not None:
            piece = self._chunks.feed(piece)
        if not self.has_overflown:
            self._pieces.append(piece)
        self._size_bytes += len(piece)
