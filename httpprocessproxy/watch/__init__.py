"""File watching: reports which files changed, from Watchman, system events or polling.

`open_watcher` chooses between Watchman (`watchman.py`), the system's events (`embedded.py`, with
`inotify.py` and `native.py`) and polling (`polling.py`). All of them report changes to a `Task`
(`task.py`), at once and restricted to its `Scope` (`scope.py`; `git.py` reads git's ignore rules;
`scope_union.py` joins the scopes of services); bursts are joined elsewhere. `fence.py` shares one
wait for the writes before a request among requests. `contents.py` remembers digests of the files'
contents.
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
from httpprocessproxy.watch.scope_union import ScopeUnion
from httpprocessproxy.watch.task import Task, UnfitError, Watcher
from httpprocessproxy.watch.unmatched import warn_unmatched

__all__ = [
    "ContentVerdict",
    "Contents",
    "Scope",
    "ScopeUnion",
    "SharedFence",
    "Watcher",
    "open_watcher",
    "warn_unmatched",
]

# A start waits so long for Watchman unless --watcher watchman asks for it.
START_S = 5.0

# Short: connecting to Watchman's socket blocks the event loop.
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

    `changed` receives the paths of changed files, relative to `root`, or {ANYTHING}; `say`
    receives warnings, one line each; `settled` is called once no change is undecided any more. All
    run on the event loop's thread. Leaving ends every thread, task and descriptor. Raises
    UserError if the watcher that the user named cannot serve.
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
    """Start Watchman, without a time limit if the user named it, else within START_S seconds."""
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
    """The reason why Watchman cannot be used, and the package to install; None if it can."""
    if not _socket_answers() and shutil.which("watchman") is None:
        return "watchman is not installed (see facebook.github.io/watchman)"
    if importlib.util.find_spec("pywatchman") is None:
        return "pywatchman is not installed (pip install 'http-process-proxy[watchman]')"
    return None


def _reason() -> str:
    return "its socket answers" if _socket_answers() else "watchman is on PATH"


def _socket_answers() -> bool:
    """Whether Watchman listens at $WATCHMAN_SOCK, which pywatchman would use."""
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
