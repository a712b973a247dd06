"""`--ignore-unchanged`: passes on those changes alone that left a file with another content.

Files are read in threads, one batch after the other, so that what is passed on is in order. That a
file is gone, and that anything may have changed, always counts.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from httpprocessproxy.core.patterns import ANYTHING
from httpprocessproxy.watch import Contents, Scope, Verdict, Watcher

# Between the two halves of a save: the file is emptied, or removed, and then written.
HALF_SAVED_S: Final = 0.01

Paths = frozenset[str]


class Unchanged:
    """Use it on the event loop's thread only. Make it before anybody watches."""

    def __init__(
        self,
        root: Path,
        changed: Callable[[Paths], None],
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        """`changed` gets the files below `root` whose content changed.

        `settled` is called when no file is left to be read.
        """
        self._settled = settled
        self._unjudged = 0
        self._judged = asyncio.Event()
        self._judged.set()
        self._contents = Contents(root)
        self._pass_on = changed
        self._loop = asyncio.get_running_loop()
        self._batches: asyncio.Queue[tuple[Paths, bool]] = asyncio.Queue()

    def changed(self, paths: Paths) -> None:
        """Files changed: paths as watchers report them."""
        self._unjudged += 1
        self._judged.clear()
        self._batches.put_nowait((paths, False))

    def judging(self, watcher: Watcher) -> Watcher:
        """The watcher whose changes are judged here: it has caught up when they are."""
        return _Judged(watcher, self)

    @property
    def is_idle(self) -> bool:
        return not self._unjudged

    async def judged(self) -> None:
        """Wait until no file is left to be read."""
        await self._judged.wait()

    async def run(self, scope: Scope) -> None:
        """Work until cancelled; `scope` is for a thread of ours."""
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(self._contents.learn, scope), name="learn contents")
            while True:
                await self._judge(*await self._batches.get())
                self._unjudged -= 1
                if not self._unjudged:
                    self._judged.set()
                    self._settled()

    async def _judge(self, paths: Paths, is_final: bool) -> None:
        if ANYTHING in paths:
            self._contents.forget()
            self._pass_on(paths)
            return
        verdicts = await asyncio.to_thread(self._contents.judge, paths, is_final=is_final)
        emptied = frozenset(path for path in paths if verdicts[path] is Verdict.EMPTIED)
        changed = frozenset(path for path in paths if verdicts[path] is Verdict.CHANGED)
        if emptied:
            self._unjudged += 1
            self._loop.call_later(HALF_SAVED_S, self._batches.put_nowait, (emptied, True))
        if changed:
            self._pass_on(changed)


class _Judged:
    """A watcher, and the judge behind it."""

    def __init__(self, watcher: Watcher, judge: Unchanged) -> None:
        self._watcher = watcher
        self._judge = judge

    @property
    def description(self) -> str:
        return self._watcher.description

    @property
    def is_immediate(self) -> bool:
        return self._watcher.is_immediate

    def catch_up(self) -> bool:
        return self._watcher.catch_up() and self._judge.is_idle

    async def fence(self) -> None:
        await self._watcher.fence()
        await self._judge.judged()
