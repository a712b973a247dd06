"""The time without requests after which a service is stopped. No I/O."""


class IdleMeter:
    """Measures idleness by looks at counts, without any cost per request."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._answers = 0
        self._used_at: float | None = None

    def look(self, now: float, answers: int, *, is_used: bool) -> bool:
        """Whether the service has been idle for the limit; `now` is in monotonic seconds.

        `answers` counts all responses so far; with `is_used` a request or connection is open.
        """
        if is_used or answers != self._answers or self._used_at is None:
            self._answers, self._used_at = answers, now
        return now - self._used_at >= self._limit_s
