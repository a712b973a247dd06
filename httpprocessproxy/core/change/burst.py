"""A burst: the file events of one save, checkout or build, joined into one change.

It opens with its first event and ends after `settle_s` seconds without another event, but at most
`limit_s` seconds after it opened: a program that writes constantly must not delay a restart
forever. Time is an argument: monotonic seconds. No I/O.
"""


class Burst:
    """The end of the current burst. One object serves all bursts, one after the other."""

    def __init__(self, settle_s: float, limit_s: float = 1.0) -> None:
        self._settle_s = settle_s
        self._limit_s = limit_s
        self._latest_end = 0.0
        self._ends_at: float | None = None

    def event(self, now: float) -> bool:
        """Add an event at `now`; return whether it opened a burst."""
        opens = self._ends_at is None or now >= self._ends_at
        if opens:
            self._latest_end = now + self._limit_s
        self._ends_at = min(now + self._settle_s, self._latest_end)
        return opens

    def ends_at(self) -> float | None:
        """The end of the last burst, which may be over; None before the first event."""
        return self._ends_at
