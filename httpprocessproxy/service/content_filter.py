"""The content filter of `--ignore-unchanged`: drops changes that left a file's content the same.

Files are read in threads, in order: reports that arrive meanwhile form one batch, which reads each
file once however often it was written. Removed files and ANYTHING are always forwarded. Changes
are numbered, so that a wait for the changes so far ends even while new ones arrive.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.watch import Contents, ContentVerdict, Scope, Watcher

# The pause between the two halves of a save: the file is truncated or removed, then written.
HALF_SAVED_S: Final = 0.01

Paths = frozenset[str]


@dataclass(slots=True)
class _Batch:
    """Files to be read together; `first` is the number of the first change among them.

    `final` are files that were empty or missing before; if they still are, they count as changed.
    """

    first: int
    paths: set[str] = field(default_factory=set)
    final: set[str] = field(default_factory=set)


class ContentFilter:
    """The filter. For the event loop's thread only. Must be created before a watcher starts."""

    def __init__(
        self,
        root: Path,
        changed: Callable[[Paths], None],
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        """`changed` receives the files below `root` whose content changed.

        `settled` is called after each batch.
        """
        self._settled = settled
        self._contents = Contents(root)
        self._forward = changed
        self._loop = asyncio.get_running_loop()
        self._seen = 0
        self._next: _Batch | None = None
        self._unjudged: list[int] = []  # the first changes of batches being judged, without `_next`
        self._has_next = asyncio.Event()
        self._has_judged = asyncio.Event()

    def changed(self, paths: Paths) -> None:
        """Queue changed files; the paths are as watchers report them."""
        self._seen += 1
        self._batch(self._seen).paths |= paths

    def judging(self, watcher: Watcher) -> Watcher:
        """Wrap a watcher, so that it has caught up once its changes are judged here."""
        return _FilteredWatcher(watcher, self)

    @property
    def is_idle(self) -> bool:
        return self.is_past(self._seen)

    def mark(self) -> int:
        """The number of the last reported change."""
        return self._seen

    def is_past(self, mark: int) -> bool:
        """Whether every change up to `mark` has been judged."""
        waiting = [] if self._next is None else [self._next.first]
        return all(first > mark for first in self._unjudged + waiting)

    async def judged(self) -> None:
        """Wait until every change reported before this call has been judged."""
        mark = self._seen
        while not self.is_past(mark):
            await self._has_judged.wait()

    async def run(self, scope: Scope) -> None:
        """Work until cancelled; `scope` is used in another thread."""
        self._unjudged.clear()  # those of a run that a bug ended
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(self._contents.learn, scope), name="learn contents")
            while True:
                await self._has_next.wait()
                self._has_next.clear()
                batch, self._next = self._next, None
                assert batch is not None, "there is a next batch"
                self._unjudged.append(batch.first)
                await self._judge(batch)
                self._unjudged.remove(batch.first)
                judged, self._has_judged = self._has_judged, asyncio.Event()
                judged.set()
                self._settled()

    def _batch(self, first: int) -> _Batch:
        """The batch that is read next, made to begin with the change `first` at the latest."""
        if self._next is None:
            self._next = _Batch(first)
            self._has_next.set()
        self._next.first = min(self._next.first, first)
        return self._next

    async def _judge(self, batch: _Batch) -> None:
        if ANYTHING in batch.paths:
            self._contents.forget()
            self._forward(frozenset({ANYTHING}))
        paths = batch.paths - batch.final - {ANYTHING}
        verdicts = await asyncio.to_thread(self._read, paths, batch.final)
        emptied = frozenset(path for path in paths if verdicts[path] is ContentVerdict.EMPTIED)
        changed = frozenset(path for path in verdicts if verdicts[path] is ContentVerdict.CHANGED)
        if emptied:
            self._unjudged.append(batch.first)
            self._loop.call_later(HALF_SAVED_S, self._read_again, emptied, batch.first)
        if changed:
            self._forward(changed)

    def _read(self, paths: set[str], final: set[str]) -> dict[str, ContentVerdict]:
        """Read the files of a batch; called in a thread."""
        judge = self._contents.judge
        return judge(paths, is_final=False) | judge(final, is_final=True)

    def _read_again(self, emptied: Paths, first: int) -> None:
        if first in self._unjudged:
            self._unjudged.remove(first)
        self._batch(first).final |= emptied


class _FilteredWatcher:
    """A watcher that includes the filter behind it."""

    def __init__(self, watcher: Watcher, content_filter: ContentFilter) -> None:
        self._watcher = watcher
        self._filter = content_filter

    @property
    def description(self) -> str:
        return self._watcher.description

    @property
    def is_immediate(self) -> bool:
        return self._watcher.is_immediate

    def catch_up(self) -> bool:
        return self._watcher.catch_up() and self._filter.is_idle

    async def fence(self) -> None:
        await self._watcher.fence()
        await self._filter.judged()
