"""The freshness of a service: whether every saved file has taken effect on its state.

The gate asks for each request, because a response must not come from code before a save.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from httpprocessproxy.service.inbox import Inbox
from httpprocessproxy.watch import SharedFence, Watcher


class ChangeMarks(Protocol):
    """Numbers of changes that are judged asynchronously."""

    def mark(self) -> int:
        """The number of the last change."""

    def is_past(self, mark: int) -> bool:
        """Whether every change up to `mark` is judged."""


class WatcherFreshness:
    """Implements `gate.Freshness` by the watcher and the inbox."""

    def __init__(self, inbox: Inbox) -> None:
        self.awaits_build: Callable[[], bool] | None = None  # whether requests wait for a build
        self.fence: Callable[[], asyncio.Future[bool]] | None = None
        self._inbox = inbox
        self._watcher: Watcher | None = None  # the gate is not open before there is one
        self._marks: ChangeMarks | None = None
        self._shared_fence = SharedFence(self._pass_fence)

    def follow(self, watcher: Watcher, marks: ChangeMarks | None = None) -> None:
        """Consult `watcher` from now on; `marks` numbers changes that are judged asynchronously."""
        self._watcher, self._marks = watcher, marks
        self.choose_fence()

    def choose_fence(self) -> None:
        """Make requests wait for a fence unless the watcher reports all changes at once.

        Called at each transition: a watcher at its limit falls back to polling, with a restart.
        """
        needs_fence = self._watcher is not None and not self._watcher.is_immediate
        self.fence = self._shared_fence.passed if needs_fence else None

    async def run(self) -> None:
        """Pass fences until cancelled."""
        await self._shared_fence.run()

    async def passed(self) -> None:
        """Return once all writes before the call have taken effect on the state.

        Requests go on if the watcher does not answer in time; this method waits on.
        """
        while not await self._shared_fence.passed():
            pass

    def settle(self) -> asyncio.Future[bool]:
        """A future that is done once all writes before the call have taken effect.

        Its result is False if the watcher does not answer in time.
        """
        return self._shared_fence.passed()

    @property
    def description(self) -> str:
        """The watcher's description, for the user."""
        return self._watcher.description if self._watcher is not None else ""

    def is_current(self) -> bool:
        """Read the changes so far; return False if one is not handled yet."""
        watcher = self._watcher
        if not (watcher is None or watcher.catch_up()) or self._inbox.unhandled:
            return False
        return self.awaits_build is None or not self.awaits_build()

    def mark(self) -> int:
        """Read the changes so far; return the number of the last one, 0 without numbers."""
        if self._marks is None:
            return 0
        self.is_current()
        return self._marks.mark()

    def is_past(self, mark: int) -> bool:
        """Whether every change up to `mark` has taken effect."""
        if self._marks is None or self._inbox.unhandled:
            return False
        if self.awaits_build is not None and self.awaits_build():
            return False
        return self._marks.is_past(mark)

    async def _pass_fence(self) -> None:
        assert self._watcher is not None, "a fence needs a watcher"
        await self._watcher.fence()
        await self._inbox.handled()
