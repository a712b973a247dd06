"""A worker in a thread: when entering and leaving return, and how its errors are raised."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.watch.threads import threaded
from test.deadline import PATIENCE_S


class Fake:
    """A worker controlled by the test."""

    def __init__(self, is_able: bool = True) -> None:
        self.is_able = is_able
        self.may_be_ready = threading.Event()
        self.may_be_ready.set()
        self.stopping = threading.Event()
        self.fails = False
        self.thread = threading.current_thread()

    def work(self, ready: Callable[[], None]) -> None:
        self.thread = threading.current_thread()
        self.may_be_ready.wait(PATIENCE_S)
        if not self.is_able:
            raise UserError("not here")
        ready()
        assert self.stopping.wait(PATIENCE_S)
        if self.fails:
            raise RuntimeError("a bug")

    def stop(self) -> None:
        self.may_be_ready.set()
        self.stopping.set()


def test_thread_ends_with_the_block() -> None:
    worker = Fake()

    async def main() -> None:
        async with threaded(worker, "fake"):
            assert worker.thread.name.startswith("fake")
            assert worker.thread.is_alive()
        assert not worker.thread.is_alive()

    asyncio.run(main())


def test_error_before_ready_is_raised_unwrapped() -> None:
    async def main() -> None:
        async with threaded(Fake(is_able=False), "fake"):
            raise AssertionError("it never was ready")

    with pytest.raises(UserError, match="not here"):
        asyncio.run(main())


def test_error_after_ready_ends_the_block() -> None:
    worker = Fake()
    worker.fails = True

    async def main() -> None:
        async with threaded(worker, "fake"):
            worker.stopping.set()
            await asyncio.get_running_loop().create_future()

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(main())
    assert raised.group_contains(RuntimeError, match="a bug")


def test_entering_can_be_cancelled() -> None:
    worker = Fake()
    worker.may_be_ready.clear()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), threaded(worker, "fake"):
                raise AssertionError("it never was ready")
        assert worker.stopping.is_set()
        assert not worker.thread.is_alive()

    asyncio.run(main())
