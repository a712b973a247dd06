"""A burst: the events of one save, one checkout, one build, taken as one change.

It opens with its first event and ends when `settle_s` passed without another, yet never later
than `limit_s` after it opened: something that writes all the time must not hold a restart back.
Time is an argument: monotonic seconds. No I/O.
"""


class Burst:
    """When the present burst ends. One object serves all bursts, one after the other."""

    def __init__(self, settle_s: float, limit_s: float = 1.0) -> None:
        self._settle_s = settle_s
        self._limit_s = limit_s
        self._latest_end = 0.0
        self._ends_at: float | None = None

    def event(self, now: float) -> bool:
        """Note an event at `now`, and return whether it opened a burst."""
        opens = self._ends_at is None or now >= self._ends_at
        if opens:
            self._latest_end = now + self._limit_s
        self._ends_at = min(now + self._settle_s, self._latest_end)
        return opens

    def ends_at(self) -> float | None:
        """When the last burst ends or ended, or None if there was none."""
        return self._ends_at
