"""The event loop: calls from threads, signals, and errors that leave it."""

import asyncio
import signal
import subprocess
import sys
import threading

import pytest

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.event_loop import (
    call_from_thread,
    new_loop,
    run_on_new_loop,
    signalled,
    until_signal,
)
from test.loops import on_every_loop


@on_every_loop
async def test_call_from_thread_runs_on_the_loop() -> None:
    loop = asyncio.get_running_loop()
    heard = loop.create_future()

    def hear(one: int, two: int) -> None:
        heard.set_result((one, two, threading.get_ident()))

    await asyncio.to_thread(call_from_thread, loop, hear, 1, 2)
    assert await heard == (1, 2, threading.get_ident())


def test_call_from_thread_on_a_closed_loop_does_nothing() -> None:
    loop = new_loop()
    loop.close()
    called: list[int] = []
    call_from_thread(loop, called.append, 1)
    assert called == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@on_every_loop
async def test_signal_cancels_the_work(number: signal.Signals) -> None:
    async def work() -> int:
        signal.raise_signal(number)
        await asyncio.Event().wait()
        return 0

    assert await until_signal(work()) == 128 + number


@on_every_loop
async def test_work_without_a_signal_returns_its_status() -> None:
    async def work() -> int:
        return 3

    assert await until_signal(work()) == 3


@on_every_loop
async def test_cancellation_without_a_signal_propagates() -> None:
    async def work() -> int:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await until_signal(work())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@on_every_loop
async def test_first_signal_is_the_result_of_the_future(number: signal.Signals) -> None:
    ended = signalled()
    signal.raise_signal(number)
    try:
        assert await ended == number
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_kills_the_program_without_a_traceback(number: signal.Signals) -> None:
    source = f"""
import asyncio, signal
from httpprocessproxy.system.event_loop import run_on_new_loop, signalled

async def main():
    ended = signalled()
    signal.raise_signal({number})
    await ended
    signal.raise_signal({number})
    await asyncio.Event().wait()

run_on_new_loop(main())
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, timeout=20)
    assert (done.returncode, done.stderr) == (-number, b"")


@on_every_loop
async def test_ignored_hangup_stays_ignored() -> None:
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def work() -> int:
        signal.raise_signal(signal.SIGHUP)
        return 0

    try:
        assert await until_signal(work()) == 0
        ended = signalled()
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        assert await ended == signal.SIGTERM
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, old)


def test_user_error_is_raised_without_its_groups() -> None:
    error = UserError("said once")

    async def main() -> None:
        async with asyncio.TaskGroup(), asyncio.TaskGroup():
            raise error

    with pytest.raises(UserError) as caught:
        run_on_new_loop(main())
    assert caught.value is error


def test_other_error_keeps_its_group() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup():
            raise ValueError

    with pytest.raises(ExceptionGroup):
        run_on_new_loop(main())
