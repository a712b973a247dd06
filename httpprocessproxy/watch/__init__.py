"""Watching: which files changed, from whoever can tell.

`open_watcher` chooses between Watchman (`watchman.py`), the system's own events (`embedded.py`,
with `inotify.py` and `native.py`) and looking again and again (`polling.py`). All of them report
to a `Task` (`task.py`) what is in its `Scope` (`scope.py`; `git.py` knows what git ignores), at
once: bursts are for others. `fence.py` shares the wait for what was written before a request.
`contents.py` knows what files contained before.
"""

import importlib.util
import os
import shutil
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from httpprocessproxy.config import WatcherName
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.watch.contents import Contents, Verdict
from httpprocessproxy.watch.embedded import open_embedded, open_polling
from httpprocessproxy.watch.fence import SharedFence
from httpprocessproxy.watch.scope import Scope
from httpprocessproxy.watch.task import Task, Watcher
from httpprocessproxy.watch.threads import threaded

__all__ = ["Contents", "Scope", "SharedFence", "Verdict", "Watcher", "open_watcher"]


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
    why = "as you asked" if name == "watchman" else _reason()
    try:
        return await stack.enter_async_context(_open_watchman(task, why))
    except UserError as error:
        if name == "watchman":
            raise
        task.say(str(error))
        return await stack.enter_async_context(open_embedded(task, "Watchman does not serve here"))


@asynccontextmanager
async def _open_watchman(task: Task, why: str) -> AsyncGenerator[Watcher]:
    # An extra that needs a compiler: it may not be installed.
    from httpprocessproxy.watch.watchman import Watchman

    watchman = Watchman(task.from_thread(), why)
    async with threaded(watchman, "watchman"):
        yield watchman


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
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
