"""How many frames an HTTP/2 client may send that bring no request forward (RFC 9113 section 10.5).

Some of them are earned: a client opens windows and changes priorities as responses come. No I/O.
"""

from collections.abc import Callable

from httpprocessproxy.frontends.http2.settings import (
    EMPTY_FRAMES,
    FRAMES_PER_TURN,
    MAX_EARNED_FRAMES,
    RESETS,
)
from httpprocessproxy.frontends.http2.token_bucket import TokenBucket


class Floods:
    """What one client has sent. Each method returns whether one more of its kind is allowed."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._resets = TokenBucket(*RESETS)
        self._empty = TokenBucket(*EMPTY_FRAMES)
        self._earned = 0

    def earn(self) -> None:
        """A request has come, or a part of a response goes out."""
        self._earned = min(self._earned + FRAMES_PER_TURN, MAX_EARNED_FRAMES)

    def may_reset(self) -> bool:
        return self._resets.take(self._now())

    def may_send_empty(self) -> bool:
        """PING, SETTINGS, and DATA without any."""
        return self._empty.take(self._now())

    def may_steer(self) -> bool:
        """WINDOW_UPDATE, PRIORITY, and extensions, such as PRIORITY_UPDATE of RFC 9218."""
        if self._earned:
            self._earned -= 1
            return True
        return self.may_send_empty()
