"""Watching: which files changed, from whoever can tell.

`open_watcher` chooses between Watchman (`watchman.py`), the system's own events (`embedded.py`,
with `inotify.py` and `native.py`) and looking again and again (`polling.py`). All of them report
to a `Task` (`task.py`) what is in its `Scope` (`scope.py`; `git.py` knows what git ignores), at
once: bursts are for others. `fence.py` shares the wait for what was written before a request.
`contents.py` knows what files contained before.
"""

import asyncio
import importlib.util
import os
import shutil
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from httpprocessproxy.config import WatcherName
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.watch.contents import Contents, ContentVerdict
from httpprocessproxy.watch.embedded import open_embedded, open_polling
from httpprocessproxy.watch.fallback import open_watchman
from httpprocessproxy.watch.fence import SharedFence
from httpprocessproxy.watch.filesystems import without_events
from httpprocessproxy.watch.scope import Scope
from httpprocessproxy.watch.task import Task, UnfitError, Watcher
from httpprocessproxy.watch.unmatched import say_unmatched

__all__ = [
    "ContentVerdict",
    "Contents",
    "Scope",
    "SharedFence",
    "Watcher",
    "open_watcher",
    "say_unmatched",
]

# How long a start waits for a Watchman that was not asked for.
START_S = 5.0

# Its socket is asked on the event loop's thread.
_PROBE_S: Final = 0.5


@asynccontextmanager
async def open_watcher(
    name: WatcherName,
    root: Path,
    scope: Scope,
    changed: Callable[[frozenset[str]], None],
    say: Callable[[str], None],
    settled: Callable[[], None] = lambda: None,
) -> AsyncGenerator[Watcher]:
    """Watch the files below `root`: a change after entering is never missed.

    `changed` gets the paths of files that changed, relative to `root`, or {ANYTHING}; `say` gets
    warnings, one line each; `settled` is called when nothing is left to be judged. All are called
    on the event loop's thread. Leaving ends every thread,
    task and descriptor. Raises UserError if the watcher asked for cannot serve.
    """
    task = Task(root, scope, changed, say, settled)
    async with AsyncExitStack() as stack:
        yield await _enter(stack, task, name)


async def _enter(stack: AsyncExitStack, task: Task, name: WatcherName) -> Watcher:
    if name == "polling":
        return await stack.enter_async_context(open_polling(task, "as you asked"))
    if name == "embedded":
        return await stack.enter_async_context(open_embedded(task, "as you asked"))
    if obstacle := _obstacle():
        if name == "watchman":
            raise UserError(f"--watcher watchman: {obstacle}")
        return await stack.enter_async_context(open_embedded(task, obstacle))
    if kind := without_events(task.root):
        if name == "watchman":
            task.say(f"Watchman sees no changes on a file system of type {kind}: it is polled")
        return await stack.enter_async_context(open_embedded(task, ""))
    try:
        return await _enter_watchman(stack, task, name)
    except UnfitError as error:
        task.say(f"{error}: the embedded watcher does")
        return await stack.enter_async_context(open_embedded(task, "Watchman does not serve here"))
    except UserError as error:
        if name == "watchman":
            raise
        task.say(str(error))
        return await stack.enter_async_context(open_embedded(task, "Watchman does not serve here"))


async def _enter_watchman(stack: AsyncExitStack, task: Task, name: WatcherName) -> Watcher:
    """Let Watchman begin: for as long as it takes if it was asked for, else for a moment."""
    loop = asyncio.get_running_loop()
    if name == "watchman":
        slow = "Watchman reads the project for the first time: the start waits for it"
        waiting = loop.call_later(START_S, task.say, slow)
        try:
            return await stack.enter_async_context(open_watchman(task, "as you asked"))
        finally:
            waiting.cancel()
    try:
        async with asyncio.timeout(START_S):
            return await stack.enter_async_context(open_watchman(task, _reason()))
    except TimeoutError:
        raise UserError(f"Watchman does not answer within {START_S:g} s") from None


def _obstacle() -> str | None:
    """Why Watchman cannot be used, and what to install; None if it can."""
    if not _socket_answers() and shutil.which("watchman") is None:
        return "watchman is not installed (see facebook.github.io/watchman)"
    if importlib.util.find_spec("pywatchman") is None:
        return "pywatchman is not installed (pip install 'http-process-proxy[watchman]')"
    return None


def _reason() -> str:
    return "its socket answers" if _socket_answers() else "watchman is on PATH"


def _socket_answers() -> bool:
    """Whether a Watchman listens where $WATCHMAN_SOCK says, as pywatchman would look for it."""
    path = os.environ.get("WATCHMAN_SOCK")
    if not path:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
