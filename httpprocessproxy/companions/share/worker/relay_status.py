"""The status of the connection to the relay: reports each change once, and sets the back-off."""

import os
import random
import socket
from collections.abc import Callable
from typing import Final

from httpprocessproxy.companions.share.worker.settings import Reporter

FIRST_S: Final = 0.5
LONGEST_S: Final = 30.0


class Backoff:
    """The waits between consecutive failures: 0.5 to 30 s, doubled each time.

    Jitter keeps the workers of a restarted relay from calling at the same moment.
    """

    def __init__(self) -> None:
        self._failures = 0

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> float:
        """Count a failure, and return the wait before the next call, in seconds."""
        # 0.5 s * 2**10 is beyond the longest wait already.
        full_s = min(LONGEST_S, FIRST_S * (1 << min(self._failures, 10)))
        self._failures += 1
        # At least half of the wait: a relay that is down must not be called in a hot loop.
        return full_s * (0.5 + random.random() / 2)


class RelayStatus:
    """The status of one relay. Of several concurrent calls, only the first change is reported."""

    def __init__(self, relay: str, reporter: Reporter) -> None:
        self._relay = relay
        self._info: Callable[[str], None] = reporter.info
        self._warn: Callable[[str], None] = reporter.warn
        self._transport = ""
        self._is_lost = False

    def connected(self, transport: str) -> None:
        """Record that a call succeeded; `transport` is a text for the log line."""
        if self._is_lost:
            self._info(f"share: the relay {self._relay} is back, {transport}")
        elif transport != self._transport:
            self._info(f"share: connected, {transport}")
        self._is_lost, self._transport = False, transport

    def lost(self, reason: str) -> None:
        """Record that a call failed for this reason."""
        if not self._is_lost:
            self._warn(f"share: the relay {self._relay} does not answer ({reason}); trying again")
        self._is_lost = True


def reason_of(error: Exception) -> str:
    """The reason of a failed or lost connection, for log lines and pages.

    It is the system's text of an error number, if any: asyncio's own texts contain addresses.
    """
    if isinstance(error, TimeoutError) and not error.errno:
        return "no answer in time"
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    # After several addresses failed, the error of the last one stands for all.
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text.rpartition("] ")[2] or type(error).__name__
