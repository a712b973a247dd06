"""Helpers that watch a folder in a test and wait for reports."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from httpprocessproxy.config import WatcherName
from httpprocessproxy.core.change.patterns import Patterns
from httpprocessproxy.watch import Watcher, open_watcher
from httpprocessproxy.watch.scope import Scope
from httpprocessproxy.watch.task import Task
from test.deadline import PATIENCE_S

# A file that a test writes last: a change not reported before it is never reported.
MARKER = "the last of all"


@dataclass
class Reports:
    """All reports and warnings of a watcher so far."""

    root: Path
    paths: set[str] = field(default_factory=set)
    calls: int = 0
    said: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self, paths: frozenset[str]) -> None:
        assert paths, "an empty set is no news"
        assert threading.current_thread() is threading.main_thread()
        self.paths |= paths
        self.calls += 1
        self._news.set()

    def say(self, text: str) -> None:
        assert "\n" not in text
        self.said.append(text)
        self._news.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a report makes `condition` true."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"only {sorted(self.paths)[:20]}, {self.said}") from None

    async def see(self, *paths: str) -> None:
        """Wait until all `paths` have been reported."""
        await self.until(lambda: self.paths.issuperset(paths))

    async def all(self) -> set[str]:
        """Wait for the reports of all earlier changes; return and clear the reported paths."""
        (self.root / MARKER).write_text("")
        await self.see(MARKER)
        (self.root / MARKER).unlink()
        self.paths.discard(MARKER)
        await self.see(MARKER)
        paths, self.paths = self.paths - {MARKER}, set()
        return paths

    @property
    def task(self) -> Task:
        """A watcher's task that fills these reports, for all files in the root."""
        return Task(self.root, Scope(Patterns([], [], True)), self.changed, self.say)


@asynccontextmanager
async def watching(
    name: WatcherName,
    root: Path,
    patterns: Sequence[str] = (),
    excludes: Sequence[str] = (),
    scope: Scope | None = None,
) -> AsyncIterator[tuple[Reports, Watcher]]:
    reports = Reports(root)
    # The marker is in scope with any pattern.
    patterns = [*patterns, MARKER] if patterns else ()
    scope = scope or Scope(Patterns(patterns, excludes, default_excludes=True))
    async with open_watcher(name, root, scope, reports.changed, reports.say) as watcher:
        yield reports, watcher


def run(main: Coroutine[None, None, None]) -> None:
    """Run a test; one that hangs fails."""

    async def bounded() -> None:
        async with asyncio.timeout(3 * PATIENCE_S):
            await main

    asyncio.run(bounded())
