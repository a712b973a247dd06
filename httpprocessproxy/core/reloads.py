"""Reloads of browsers: services that one save restarts cause one reload. No I/O.

Restarts that begin together form a group: those of one save, of one checkout, of a restart of all,
or of the start of the program. The last service of a group that settles, because it runs or has
failed, causes the reload. Groups with a common service become one.
"""

from typing import Final

from httpprocessproxy.core.change.burst import Burst

# The files of a save that concerns several services are reported within this time.
TOGETHER_S: Final = 0.05


class Reloads:
    """The restarts in progress. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._burst = Burst(TOGETHER_S)
        self._groups: list[set[str]] = []  # of services that have not settled
        self._last: set[str] = set()

    def began(self, service: str, now: float) -> None:
        """Record that a restart of the service begins, or includes a further change."""
        if self._burst.event(now):
            self._last = set()
        joined = [group for group in self._groups if group is self._last or service in group]
        self._last = {service}.union(*joined)
        self._groups = [group for group in self._groups if group not in joined] + [self._last]

    def settled(self, service: str, *, has_failed: bool) -> bool:
        """Record that the service runs, has failed or is paused; return whether browsers reload.

        Outside a group only a failure reloads: the start of an idle service shows nothing new.
        """
        group = next((group for group in self._groups if service in group), None)
        if group is None:
            return has_failed
        group.remove(service)
        if not group:
            self._groups.remove(group)
        return not group
