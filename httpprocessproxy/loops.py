"""The event loop: which one it is, and how threads reach it, also when it has gone meanwhile."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVarTuple

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
