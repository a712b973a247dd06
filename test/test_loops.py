"""What threads say to an event loop: heard while it runs, and no error when it has gone."""

import asyncio
import threading

from httpprocessproxy.loops import call_from_thread, new_loop
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
