"""A watcher that blocks, in a thread of its own."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Protocol


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
    """
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def is_ready() -> None:
        loop.call_soon_threadsafe(ready.set_result, None)

    with ThreadPoolExecutor(1, thread_name_prefix=name) as thread:
        try:
            work = loop.run_in_executor(thread, worker.work, is_ready)
            await asyncio.wait({work, ready}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                await work
            async with asyncio.TaskGroup() as group:
                group.create_task(_finish(work), name=name)
                try:
                    yield
                finally:
                    worker.stop()
        finally:
            worker.stop()


async def _finish(work: asyncio.Future[None]) -> None:
    await work
