"""The status of the connection to the relay: each change is reported once; failures back off."""

import random
from collections.abc import Callable
from typing import Final

from httpprocessproxy.companions.share.worker.settings import Reporter

FIRST_S: Final = 0.5
LONGEST_S: Final = 30.0


class Backoff:
    """The waits between failures in a row: 0.5 to 30 s, doubled each time.

    With jitter, so that the workers of a relay that restarts do not all call at the same moment.
    """

    def __init__(self) -> None:
        self._failures = 0

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> float:
        """Count a failure, and return the wait before the next call, in seconds."""
        # Beyond 2**10 the longest wait has long been reached.
        full_s = min(LONGEST_S, FIRST_S * (1 << min(self._failures, 10)))
        self._failures += 1
        # At least half of it: a relay that is down must not be called in a hot loop.
        return full_s * (0.5 + random.random() / 2)


class RelayStatus:
    """Of several concurrent calls, the first that fails or succeeds is reported."""

    def __init__(self, relay: str, news: Reporter) -> None:
        self._relay = relay
        self._say: Callable[[str], None] = news.say
        self._warn: Callable[[str], None] = news.warn
        self._how = ""
        self._is_lost = False

    def made(self, how: str) -> None:
        """A call succeeded; `how` is the transport, in words."""
        if self._is_lost:
            self._say(f"share: the relay {self._relay} is back, {how}")
        elif how != self._how:
            self._say(f"share: connected, {how}")
        self._is_lost, self._how = False, how

    def lost(self, reason: str) -> None:
        """A call failed for this reason."""
        if not self._is_lost:
            self._warn(f"share: the relay {self._relay} does not answer ({reason}); trying again")
        self._is_lost = True
