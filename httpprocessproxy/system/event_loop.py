"""The event loop: which one it is, how threads reach it, and how signals end what runs on it."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import TypeVar, TypeVarTuple

from httpprocessproxy.core.errors import UserError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where it can be installed."""
    try:
        import uvloop
    except ImportError:  # no wheel for this platform: slower, and just as right
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def run_on_new_loop(work: Coroutine[None, None, T]) -> T:
    """Do `work` on a loop of its own, and return what it returns.

    Raises what it raises; a UserError without the groups that task groups have made around it.
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
    """Call `callback` soon, on the loop's thread. One that is closed needs to hear no more."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback, *arguments)


def ending_signals() -> tuple[signal.Signals, ...]:
    """The signals that end a program. Under nohup(1) it is meant to outlive its terminal."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return signal.SIGINT, signal.SIGTERM
    return signal.SIGINT, signal.SIGTERM, signal.SIGHUP


async def until_signal(work: Coroutine[None, None, int]) -> int:
    """Do `work` and return its exit status; or cancel it at a signal, and return 128 + that."""
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
    """Gives the number of the first signal. The second ends the program at once."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()
    numbers = ending_signals()

    def end(first: int) -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
            # Python's own handler of Ctrl+C would show where it came.
            signal.signal(number, signal.SIG_DFL)
        ended.set_result(first)

    for number in numbers:
        loop.add_signal_handler(number, end, number)
    return ended
