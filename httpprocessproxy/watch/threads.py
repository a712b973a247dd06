"""A watcher that blocks, in a thread of its own, which is left behind if it does not end."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

# The program ends within 2 s of Ctrl+C, wherever the thread is stuck.
_END_S: Final = 1.0


class Worker(Protocol):
    """Watches in a thread: `work` there, `stop` from any other."""

    def work(self, ready: Callable[[], None]) -> None:
        """Watch until stopped, and call `ready` once no change can be missed any more."""

    def stop(self) -> None:
        """Make `work` return soon; it may not have begun yet."""


@asynccontextmanager
async def threaded(worker: Worker, name: str) -> AsyncGenerator[None]:
    """Let `worker` work in a thread: entering waits until it is ready, leaving until it ended.

    Raises what `work` raises before it is ready; later it ends the block, like a failed task.
    A thread that is stuck (a system call, a library) is waited for a second, and abandoned: it is
    a daemon thread, which does not keep the interpreter from ending.
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
            ended.exception()  # raised already, or of no interest to a block that was cancelled


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
