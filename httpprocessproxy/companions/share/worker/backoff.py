"""How long to wait before the relay is called again: 0.5 to 30 s, twice as long each time.

With jitter, so that the workers of a relay that comes back do not all call in the same moment. Pure
but for chance.
"""

import random
from typing import Final

FIRST_S: Final = 0.5
LONGEST_S: Final = 30.0


class Backoff:
    """The waits after failures in a row."""

    def __init__(self) -> None:
        self._failures = 0

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> float:
        """Count a failure, and return how long to wait now, in seconds."""
        # Beyond 2**10 the longest wait has long been reached.
        full_s = min(LONGEST_S, FIRST_S * (1 << min(self._failures, 10)))
        self._failures += 1
        # Never less than half of it: a relay that is down is not to be called in a hot loop.
        return full_s * (0.5 + random.random() / 2)
