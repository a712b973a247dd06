"""The interface between watchers and the program: `Task` goes in, a `Watcher` comes out."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from httpprocessproxy.watch.scope import Scope


class UnfitError(Exception):
    """The watcher cannot see all files in scope, or has failed: another watcher must replace it."""


class Watcher(Protocol):
    """A watcher; it watches until its context manager exits."""

    @property
    def description(self) -> str:
        """The watcher's name and the reason for its choice, in one line. May change later."""

    @property
    def is_immediate(self) -> bool:
        """Whether `catch_up` reports all earlier writes, so that no fence is needed."""

    def catch_up(self) -> bool:
        """Report the changes known to the system. Takes a microsecond at most without changes.

        Returns False while a known change is undecided; `Task.settled` is called once it is
        decided. Called for each request. Without `is_immediate`, True guarantees nothing.
        """

    async def fence(self) -> None:
        """Return once all writes before the call have been reported."""


@dataclass(frozen=True, slots=True)
class Task:
    """The files to watch and the callbacks for reports, which run on the event loop's thread.

    `changed` receives a non-empty set of paths in `scope`, relative to `root`, or {ANYTHING}.
    `say` receives a warning, one line. `settled` is called once no change is undecided any more.
    """

    root: Path
    scope: Scope
    changed: Callable[[frozenset[str]], None]
    say: Callable[[str], None]
    settled: Callable[[], None] = lambda: None

    def from_thread(self) -> "Task":
        """The same task for use in another thread. Called on the event loop's thread."""
        loop = asyncio.get_running_loop()

        def changed(paths: frozenset[str]) -> None:
            loop.call_soon_threadsafe(self.changed, paths)

        def say(text: str) -> None:
            loop.call_soon_threadsafe(self.say, text)

        return replace(self, changed=changed, say=say)
