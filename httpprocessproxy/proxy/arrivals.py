"""Arriving requests: those read in one iteration of the event loop enter the gate together.

The gate asks the watcher whether files have changed, which takes a system call. The answer holds
for every request read before the call, so one call serves all of them.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from httpprocessproxy.service.gate import Gate
from httpprocessproxy.service.waiter import Target, Waiter
from httpprocessproxy.system.faults import contained


class Arrival(Waiter, Protocol):
    """A request that has been read; the first thing that happens to it is `admitted` or `enter`."""

    @property
    def over(self) -> bool:
        """Whether its client has left."""

    def enter(self) -> None:
        """Enter the gate, which admits or refuses the request now or later."""

    def abort(self) -> None:
        """End the request after a bug, without a response."""


class Arrivals:
    """The requests read since the last iteration of the event loop, in order of arrival."""

    __slots__ = ("_arrivals", "_gate", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, gate: Gate) -> None:
        self._loop = loop
        self._gate = gate
        self._arrivals: list[Arrival] = []

    def add(self, arrival: Arrival) -> None:
        """Let `arrival` enter the gate once all data at hand has been read."""
        if not self._arrivals:
            self._loop.call_soon(self._enter)
        self._arrivals.append(arrival)

    def _enter(self) -> None:
        arrivals, self._arrivals = self._arrivals, []
        target: Target | None = None
        with contained("the check for changes"):
            target = self._gate.common_target()
        remaining = iter(arrivals)
        while (failed := self._admit(remaining, target)) is not None:
            failed.abort()

    def _admit(self, remaining: Iterable[Arrival], target: Target | None) -> Arrival | None:
        """Pass arrivals to the gate; return the one that raised an exception."""
        arrival = None
        with contained("a request"):
            for arrival in remaining:
                if arrival.over:
                    continue
                if target is not None and target is self._gate.target:
                    arrival.admitted(target)
                else:
                    arrival.enter()
            return None
        return arrival
