"""A deadline that is wanted, and given up."""

import asyncio

from httpprocessproxy.proxy.timers import Timer
from test.deadline import MS
from test.loops import on_every_loop


@on_every_loop
async def test_timer_that_is_wanted_expires_once_until_it_is_wanted_again() -> None:
    expired = asyncio.Event()
    timer = Timer(asyncio.get_running_loop(), 1 * MS, expired.set)
    for _ in range(2):
        timer.want(True)
        timer.want(True)
        await expired.wait()
        expired.clear()


@on_every_loop
async def test_timer_that_is_not_wanted_any_more_does_not_expire() -> None:
    loop, calls = asyncio.get_running_loop(), []
    early = Timer(loop, 1 * MS, lambda: calls.append("early"))
    early.want(True)
    early.want(False)
    expired = asyncio.Event()
    Timer(loop, 5 * MS, expired.set).want(True)
    await expired.wait()
    assert calls == []
