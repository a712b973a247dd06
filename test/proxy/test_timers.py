"""A timer that is set and cancelled."""

import asyncio

from httpprocessproxy.proxy.timers import Timer
from test.deadline import MS
from test.loops import on_every_loop


@on_every_loop
async def test_timer_expires_once_each_time_it_is_set() -> None:
    expired = asyncio.Event()
    timer = Timer(asyncio.get_running_loop(), 1 * MS, expired.set)
    for _ in range(2):
        timer.set(True)
        timer.set(True)
        await expired.wait()
        expired.clear()


@on_every_loop
async def test_cancelled_timer_does_not_expire() -> None:
    loop, calls = asyncio.get_running_loop(), []
    early = Timer(loop, 1 * MS, lambda: calls.append("early"))
    early.set(True)
    early.set(False)
    expired = asyncio.Event()
    Timer(loop, 5 * MS, expired.set).set(True)
    await expired.wait()
    assert calls == []
