"""Arriving requests: those read in one iteration of the event loop enter their gates together.

A gate asks the watcher whether files have changed, which takes a system call. The answer holds for
every request read before the call, so one call serves all requests of the gate.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from httpprocessproxy.service.gate import Gate
from httpprocessproxy.service.waiter import Target, Waiter
from httpprocessproxy.system.faults import contained


class Arrival(Waiter, Protocol):
    """A request that has been read; the first thing that happens to it is `admitted` or `enter`."""

    gate: Gate

    @property
    def over(self) -> bool:
        """Whether its client has left."""

    def enter(self) -> None:
        """Enter the gate, which admits or refuses the request now or later."""

    def abort(self) -> None:
        """End the request after a bug, without a response."""


class Arrivals:
    """The requests read since the last iteration of the event loop, in order of arrival."""

    __slots__ = ("_arrivals", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrivals: list[Arrival] = []

    def add(self, arrival: Arrival) -> None:
        """Let `arrival` enter its gate once all data at hand has been read."""
        if not self._arrivals:
            self._loop.call_soon(self._enter)
        self._arrivals.append(arrival)

    def _enter(self) -> None:
        arrivals, self._arrivals = self._arrivals, []
        remaining = iter(arrivals)
        targets: dict[Gate, Target | None] = {}
        while (failed := _admit(remaining, targets)) is not None:
            failed.abort()


def _admit(remaining: Iterable[Arrival], targets: dict[Gate, Target | None]) -> Arrival | None:
    """Pass arrivals to their gates; return the one that raised an exception.

    `targets` are the common targets of the gates so far.
    """
    arrival = gate = target = None
    with contained("a request"):
        for arrival in remaining:
            if arrival.over:
                continue
            if arrival.gate is not gate:
                gate = arrival.gate
                target = targets[gate] if gate in targets else _look(gate, targets)
            if target is not None and target is gate.target:
                arrival.admitted(target)
            else:
                arrival.enter()
        return None
    return arrival


def _look(gate: Gate, targets: dict[Gate, Target | None]) -> Target | None:
    """Return the common target of a gate's requests, and keep it in `targets`."""
    target = None
    with contained("the check for changes"):
        target = gate.common_target()
    targets[gate] = target
    return target
