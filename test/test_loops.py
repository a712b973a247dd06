"""What threads and signals say to an event loop: heard while it runs; no error when it has gone."""

import asyncio
import signal
import threading

import pytest

from httpprocessproxy.loops import call_from_thread, new_loop, until_signal
from test.loops import on_every_loop


@on_every_loop
async def test_a_thread_is_heard_on_the_loop() -> None:
    loop = asyncio.get_running_loop()
    heard = loop.create_future()

    def hear(one: int, two: int) -> None:
        heard.set_result((one, two, threading.get_ident()))

    await asyncio.to_thread(call_from_thread, loop, hear, 1, 2)
    assert await heard == (1, 2, threading.get_ident())


def test_a_loop_that_is_closed_needs_to_hear_no_more() -> None:
    loop = new_loop()
    loop.close()
    called: list[int] = []
    call_from_thread(loop, called.append, 1)
    assert called == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@on_every_loop
async def test_a_signal_ends_what_is_done(number: signal.Signals) -> None:
    async def work() -> int:
        signal.raise_signal(number)
        await asyncio.Event().wait()
        return 0

    assert await until_signal(work()) == 128 + number


@on_every_loop
async def test_without_a_signal_the_status_is_that_of_the_work() -> None:
    async def work() -> int:
        return 3

    assert await until_signal(work()) == 3


@on_every_loop
async def test_who_cancels_without_a_signal_is_heard() -> None:
    async def work() -> int:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await until_signal(work())
