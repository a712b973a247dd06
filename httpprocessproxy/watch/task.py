"""The seam between watching and the rest: what a watcher is given, and what it is."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from httpprocessproxy.watch.scope import Scope


class UnfitError(Exception):
    """This watcher cannot see all that counts, or not any more: another one has to."""


class Watcher(Protocol):
    """Something that watches, until the context it came from is left."""

    @property
    def description(self) -> str:
        """One line for the terminal: which watcher, and why. May change while it watches."""

    @property
    def is_immediate(self) -> bool:
        """Whether `catch_up` alone sees everything that was written before it."""

    def catch_up(self) -> bool:
        """Report the changes that are known to the system, in at most a microsecond if none are.

        Return False if a change is known that cannot be judged yet; `Task.settled` is called when
        it can. Called for each request. Without `is_immediate`, True says nothing.
        """

    async def fence(self) -> None:
        """Return once everything that was written before the call has been reported."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to watch, and whom to tell; the callbacks run on the event loop's thread.

    `changed` gets a non-empty set of paths, relative to `root`, that are in `scope`, or
    {ANYTHING}. `say` gets a warning, one line. `settled` is called when nothing that a watcher
    has seen is left to be judged.
    """

    root: Path
    scope: Scope
    changed: Callable[[frozenset[str]], None]
    say: Callable[[str], None]
    settled: Callable[[], None] = lambda: None

    def from_thread(self) -> "Task":
        """The same task for a thread other than the event loop's. Called on the loop's."""
        loop = asyncio.get_running_loop()

        def changed(paths: frozenset[str]) -> None:
            loop.call_soon_threadsafe(self.changed, paths)

        def say(text: str) -> None:
            loop.call_soon_threadsafe(self.say, text)

        return replace(self, changed=changed, say=say)
