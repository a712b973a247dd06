"""How often a client may do what costs us work and brings no request forward. No I/O."""


class TokenBucket:
    """A bucket of `burst` tokens, into which `per_s` come each second."""

    __slots__ = ("_at", "_burst", "_left", "_per_s")

    def __init__(self, burst: float, per_s: float) -> None:
        self._burst = self._left = float(burst)
        self._per_s = per_s
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Whether one more is allowed at `now`, in seconds of a monotonic clock."""
        since_s = 0.0 if self._at is None else now - self._at
        self._at = now
        self._left = min(self._burst, self._left + since_s * self._per_s)
        if self._left < 1:
            return False
        self._left -= 1
        return True
