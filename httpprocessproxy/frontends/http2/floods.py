"""Limits on frames that cost work without advancing a request (RFC 9113 section 10.5). No I/O.

Each request and response earns some of these frames: a client opens windows and changes priorities
as responses arrive.
"""

from collections.abc import Callable

from httpprocessproxy.frontends.http2.settings import (
    EMPTY_FRAMES,
    FRAMES_PER_TURN,
    MAX_EARNED_FRAMES,
    RESETS,
)


class TokenBucket:
    """A rate limiter: `burst` tokens at first and at most, refilled with `per_s` each second."""

    __slots__ = ("_at", "_burst", "_left", "_per_s")

    def __init__(self, burst: float, per_s: float) -> None:
        self._burst = self._left = float(burst)
        self._per_s = per_s
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Take a token at `now`, in seconds of a monotonic clock; return False if none is left."""
        since_s = 0.0 if self._at is None else now - self._at
        self._at = now
        self._left = min(self._burst, self._left + since_s * self._per_s)
        if self._left < 1:
            return False
        self._left -= 1
        return True


class FloodLimits:
    """The limits of one connection. A `may_...` method counts a frame; False: it exceeds them."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._resets = TokenBucket(*RESETS)
        self._empty = TokenBucket(*EMPTY_FRAMES)
        self._earned = 0

    def earn(self) -> None:
        """Allow FRAMES_PER_TURN more frames: a request has arrived or a response has sent data."""
        self._earned = min(self._earned + FRAMES_PER_TURN, MAX_EARNED_FRAMES)

    def may_reset(self) -> bool:
        return self._resets.take(self._now())

    def may_send_empty(self) -> bool:
        """Count a PING, SETTINGS or empty DATA frame."""
        return self._empty.take(self._now())

    def may_send_control(self) -> bool:
        """Count a WINDOW_UPDATE, PRIORITY or extension frame (PRIORITY_UPDATE of RFC 9218)."""
        if self._earned:
            self._earned -= 1
            return True
        return self.may_send_empty()
