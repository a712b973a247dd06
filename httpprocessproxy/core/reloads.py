"""Reloads of browsers: services that one save restarts cause one reload. No I/O.

Restarts that begin together form a group: those of one save, of one checkout, of a restart of all,
or of the start of the program. The last service of a group that settles, because it runs or has
failed, causes the reload. Groups with a common service become one.
"""

from dataclasses import dataclass
from typing import Final

from httpprocessproxy.core.change.burst import Burst

# The files of a save that concerns several services are reported within this time.
TOGETHER_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class _Group:
    """The services that have not settled, and whether another one has."""

    left: set[str]
    has_settled: bool = False


class Reloads:
    """The restarts in progress. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._burst = Burst(TOGETHER_S)
        self._groups: list[_Group] = []
        self._last: _Group | None = None

    def began(self, service: str, now: float) -> None:
        """Record that a restart of the service begins, or includes a further change."""
        if self._burst.event(now):
            self._last = None
        joined = [group for group in self._groups if group is self._last or service in group.left]
        self._last = _Group(
            {service}.union(*(group.left for group in joined)),
            any(group.has_settled for group in joined),
        )
        self._groups = [group for group in self._groups if group not in joined] + [self._last]

    def settled(self, service: str, *, has_failed: bool) -> bool:
        """Record that the service runs, has failed or is paused; return whether browsers reload.

        Outside a group only a failure reloads: the start of an idle service shows nothing new.
        """
        group = self._leave(service, has_settled=True)
        return has_failed if group is None else not group.left

    def given_up(self, service: str) -> bool:
        """Record that a restart ends before it has any effect; return whether browsers reload.

        They reload if others of its group have settled, and none is left.
        """
        group = self._leave(service, has_settled=False)
        return group is not None and not group.left and group.has_settled

    def _leave(self, service: str, *, has_settled: bool) -> _Group | None:
        """Remove a service from its group; return the group as it is then."""
        group = next((group for group in self._groups if service in group.left), None)
        if group is None:
            return None
        self._groups.remove(group)
        rest = _Group(group.left - {service}, group.has_settled or has_settled)
        if rest.left:
            self._groups.append(rest)
        if self._last is group:
            self._last = rest
        return rest
