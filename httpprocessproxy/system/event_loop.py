"""The event loop: its implementation, calls from other threads, and signals that end a program."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar, TypeVarTuple

from httpprocessproxy.core.errors import UserError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# The terminal and a wrapper process may both deliver one Ctrl+C; a person is slower.
_SAME_SIGNAL_S: Final = 0.05
# After half a second without feedback a user presses Ctrl+C again.
_UNEXPLAINED_WAIT_S: Final = 0.5


def new_loop() -> asyncio.AbstractEventLoop:
    """Make a uvloop event loop where uvloop is installed, else one of asyncio."""
    try:
        import uvloop
    except ImportError:  # no wheel for this platform: slower, but equally correct
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def run_on_new_loop(work: Coroutine[None, None, T]) -> T:
    """Run `work` on a new event loop, and return its result.

    Raises the exceptions of `work`; a UserError without the groups that task groups wrap around it.
    """
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(work)
    except ExceptionGroup as group:
        raise _unwrapped(group) from group


def _unwrapped(group: ExceptionGroup[Exception]) -> Exception:
    inner: Exception = group
    while isinstance(inner, ExceptionGroup) and len(inner.exceptions) == 1:
        inner = inner.exceptions[0]
    return inner if isinstance(inner, UserError) else group


def call_from_thread(
    loop: asyncio.AbstractEventLoop, callback: Callable[[*Ts], object], *arguments: *Ts
) -> None:
    """Schedule `callback` on the loop's thread; does nothing once the loop is closed."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback, *arguments)


def ending_signals() -> tuple[signal.Signals, ...]:
    """The signals that end a program: SIGINT, SIGTERM and, unless it is ignored, SIGHUP."""
    # nohup(1) ignores SIGHUP, so that a program outlives its terminal.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return signal.SIGINT, signal.SIGTERM
    return signal.SIGINT, signal.SIGTERM, signal.SIGHUP


async def until_signal(work: Coroutine[None, None, int]) -> int:
    """Run `work` and return its exit status; a signal cancels it, with the status 128 + signal."""
    ended: list[int] = []
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "it runs"

    def end(number: int) -> None:
        ended.append(number)
        task.cancel()

    for number in ending_signals():
        loop.add_signal_handler(number, end, number)
    try:
        return await work
    except asyncio.CancelledError:
        if not ended:
            raise
    return 128 + ended[0]


def signalled() -> asyncio.Future[int]:
    """A future with the number of the first signal. A second signal kills the program at once."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()
    numbers = ending_signals()

    def end(first: int) -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
            # Python's own handler of Ctrl+C would print a traceback.
            signal.signal(number, signal.SIG_DFL)
        ended.set_result(first)

    for number in numbers:
        loop.add_signal_handler(number, end, number)
    return ended


class SignalHandler:
    """Cancels the running task at the first signal; a second Ctrl+C calls `kill`.

    `status` is the exit status, and None before the first signal. `report_wait` is called if the
    end takes longer than half a second. Needs a running event loop.
    """

    def __init__(self, kill: Callable[[], None], report_wait: Callable[[], None]) -> None:
        self.status: int | None = None
        self._kill = kill
        self._report_wait = report_wait
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._ended_at = 0.0
        for number in ending_signals():
            self._loop.add_signal_handler(number, self._handle, number)

    def quit(self) -> None:
        """Cancel the task with the exit status 0, for the key q."""
        if self.status is None:
            self._end(0)

    def _handle(self, number: int) -> None:
        if self.status is None:
            self._end(128 + number)
        elif number == signal.SIGINT and self._loop.time() - self._ended_at > _SAME_SIGNAL_S:
            self._kill()

    def _end(self, status: int) -> None:
        self.status, self._ended_at = status, self._loop.time()
        assert self._task is not None
        self._task.cancel()
        self._loop.call_later(_UNEXPLAINED_WAIT_S, self._report_wait)
