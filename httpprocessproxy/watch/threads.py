"""A thread for a blocking watcher; a thread that does not end in time is abandoned."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

# The program must end within 2 s of Ctrl+C, even with a stuck thread.
_END_S: Final = 1.0


class Worker(Protocol):
    """A blocking watcher: `work` runs in its thread, `stop` is called from another."""

    def work(self, ready: Callable[[], None]) -> None:
        """Watch until stopped; call `ready` once no later change can be missed."""

    def stop(self) -> None:
        """Make `work` return soon. Also valid before `work` has begun."""


@asynccontextmanager
async def threaded(worker: Worker, name: str) -> AsyncGenerator[None]:
    """Run `worker` in a thread: entering waits until it is ready, leaving until it has ended.

    An exception of `work` is raised on entering; one raised after `ready` cancels the block, like
    a failed task. A stuck thread (a system call, a library) is abandoned after a second: as a
    daemon thread it does not keep the interpreter alive.
    """
    loop = asyncio.get_running_loop()
    ready, ended = loop.create_future(), loop.create_future()

    def work() -> None:
        error: BaseException | None = None
        try:
            worker.work(lambda: _from_thread(loop, ready))
        except Exception as raised:  # noqa: BLE001 - the loop's thread raises it
            error = raised
        _from_thread(loop, ended, error)

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        await asyncio.wait({ended, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await ended
        async with asyncio.TaskGroup() as group:
            running = group.create_task(_finish(ended), name=name)
            try:
                yield
            finally:
                worker.stop()
                await asyncio.wait({ended}, timeout=_END_S)
                if not ended.done():
                    running.cancel()
    finally:
        worker.stop()
        await asyncio.wait({ended}, timeout=_END_S)
        if ended.done():
            thread.join(_END_S)
            ended.exception()  # retrieved: raised already, or the block was cancelled


def _from_thread(
    loop: asyncio.AbstractEventLoop,
    future: "asyncio.Future[None]",
    error: BaseException | None = None,
) -> None:
    def resolve() -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    with contextlib.suppress(RuntimeError):  # an abandoned thread outlives the loop
        loop.call_soon_threadsafe(resolve)


async def _finish(ended: "asyncio.Future[None]") -> None:
    await asyncio.shield(ended)
