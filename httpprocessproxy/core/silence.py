"""The silence of a server: requests wait for it, and it has sent no response for a while.

A slow endpoint and a long poll cause silence, too: only an inspection of the server distinguishes
them from a deadlock. Time is an argument, in monotonic seconds. No I/O.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Silence:
    """The number of waiting requests, and the seconds without a response."""

    requests: int
    lasted_s: float


class SilenceMeter:
    """Measures silence from periodic counts, without any cost per request."""

    def __init__(self) -> None:
        self._answers = 0
        self._began_at: float | None = None

    def restarted(self) -> None:
        """Start a new measurement: the next generation has replaced the server."""
        self._began_at = None

    def look(self, now: float, answers: int, requests: int) -> Silence | None:
        """Return the silence, None if no request waits; `answers` counts all responses so far."""
        if answers != self._answers:
            self._answers, self._began_at = answers, None
        if not requests:
            return None
        if self._began_at is None:
            self._began_at = now
        return Silence(requests, now - self._began_at)
