"""The event loop: which one it is, how threads reach it, and how signals end what runs on it."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Final, TypeVarTuple

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Ts = TypeVarTuple("Ts")


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where it can be installed."""
    try:
        import uvloop
    except ImportError:  # no wheel for this platform: slower, and just as right
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def call_from_thread(
    loop: asyncio.AbstractEventLoop, callback: Callable[[*Ts], object], *arguments: *Ts
) -> None:
    """Call `callback` soon, on the loop's thread. One that is closed needs to hear no more."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback, *arguments)


async def until_signal(work: Coroutine[None, None, int]) -> int:
    """Do `work` and return its exit status; or cancel it at a signal, and return 128 + that."""
    ended: list[int] = []
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "it runs"

    def end(number: int) -> None:
        ended.append(number)
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, end, number)
    try:
        return await work
    except asyncio.CancelledError:
        if not ended:
            raise
    return 128 + ended[0]
