"""The queue of requests that wait for the verdict of a build (`Hpp-Sync: 1` with `--before`).

Each waits for a fence first: then every save before it has begun a build, if it concerns one. Other
requests do not wait for builds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.service.waiter import Waiter


@dataclass(frozen=True, slots=True)
class VerdictEffects:
    """The conditions of a wait, and its end.

    fence       the future that is done once all writes so far are reported
    is_building whether a build runs
    admit       let a request enter the gate
    overdue     the response to a request that has waited too long
    """

    fence: Callable[[], asyncio.Future[bool]]
    is_building: Callable[[], bool]
    admit: Callable[[Waiter], object]
    overdue: Callable[[], Problem]


class VerdictQueue:
    """Holds requests, for `limit_s` seconds at most. For the event loop's thread only."""

    def __init__(self, limit_s: float, effects: VerdictEffects) -> None:
        self._limit_s = limit_s
        self._effects = effects
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Waiter, asyncio.TimerHandle] = {}
        self._fenced: dict[Waiter, None] = {}  # in the order of arrival, and waiting for a build

    def enter(self, waiter: Waiter) -> None:
        """Hold `waiter` until all writes so far are reported, and then while a build runs."""
        self._waiting[waiter] = self._loop.call_later(self._limit_s, self._expire, waiter)
        self._effects.fence().add_done_callback(lambda _: self._pass_fence(waiter))

    def exit(self, waiter: Waiter) -> None:
        """Remove `waiter`, whose client may have gone."""
        self._fenced.pop(waiter, None)
        if (timer := self._waiting.pop(waiter, None)) is not None:
            timer.cancel()

    def release(self) -> None:
        """Let the requests that waited for a build enter the gate: it has its verdict."""
        for waiter in list(self._fenced):
            self._admit(waiter)

    def _pass_fence(self, waiter: Waiter) -> None:
        if waiter not in self._waiting:
            return
        if self._effects.is_building():
            self._fenced[waiter] = None
        else:
            self._admit(waiter)

    def _admit(self, waiter: Waiter) -> None:
        self.exit(waiter)
        self._effects.admit(waiter)

    def _expire(self, waiter: Waiter) -> None:
        self.exit(waiter)
        waiter.refused(self._effects.overdue())
