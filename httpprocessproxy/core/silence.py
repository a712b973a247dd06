"""The silence of a server: requests wait for it, and it has answered none for a while.

A slow endpoint and a long poll are silent, too: only a look at the server tells them from a
deadlock. Time is an argument: monotonic seconds. No I/O.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Silence:
    """So many requests wait, and for `lasted_s` none was answered."""

    requests: int
    lasted_s: float


class SilenceMeter:
    """Looked at now and then: it costs a request nothing."""

    def __init__(self) -> None:
        self._answers = 0
        self._began_at: float | None = None

    def restarted(self) -> None:
        """Another server answers from now on."""
        self._began_at = None

    def look(self, now: float, answers: int, requests: int) -> Silence | None:
        """Return the silence, if `requests` wait; `answers` is the number of answers so far."""
        if answers != self._answers:
            self._answers, self._began_at = answers, None
        if not requests:
            return None
        if self._began_at is None:
            self._began_at = now
        return Silence(requests, now - self._began_at)
