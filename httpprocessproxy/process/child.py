"""One generation of the backend: waiting for its end, and bringing it about.

We wait for the process, never for the end of its output, which a grandchild may hold open.
"""

import asyncio
import os
import signal
import threading

from httpprocessproxy.process import linux, tree
from httpprocessproxy.process.output import Output
from httpprocessproxy.system.event_loop import call_from_thread

# What a dead process printed last is in a pipe, and copied within a millisecond, unless the
# reader of our own output is slow: no restart waits for that one.
_DRAIN_TIMEOUT_S = 0.1


class Child:
    """Made by `Launcher`, in a running event loop. `is_warm`: it was forked off a fork server."""

    is_warm = False

    def __init__(self, pid: int, output: Output, *, is_warm: bool = False) -> None:
        self.pid = pid
        self.is_warm = is_warm
        self._output = output
        self._loop = asyncio.get_running_loop()
        self._returncode = 0
        self._reaped = asyncio.Event()
        self._drained = asyncio.Event()
        self._killed = asyncio.Event()
        tree.living.add(pid)
        if hasattr(os, "pidfd_open"):
            self._pidfd = os.pidfd_open(pid)
            self._loop.add_reader(self._pidfd, self._on_end)
        else:
            threading.Thread(target=self._wait_in_thread, name=f"wait {pid}", daemon=True).start()

    def __repr__(self) -> str:
        return f"<Child {self.pid}>"

    @property
    def is_running(self) -> bool:
        return not self._reaped.is_set()

    async def wait(self) -> int:
        """Wait for the end, and return the exit status, or minus the signal's number.

        Its output has been copied by then. Others of its tree may go on: see `stop`.
        """
        await self._drained.wait()
        return self._returncode

    async def stop(
        self, kill_signal: signal.Signals = signal.SIGKILL, kill_timeout_s: float = 5.0
    ) -> int:
        """End the whole tree, and return what `wait` returns when all of it is gone.

        A `kill_signal` other than SIGKILL goes to the process group, which then has
        `kill_timeout_s` seconds to end; SIGKILL ends the rest. Works on a child that has ended
        already, twice, and at the same time. Cancellation cuts the waiting short, not the
        killing. Raises StopError.
        """
        try:
            if kill_signal is not signal.SIGKILL:
                await self._end_politely(kill_signal, kill_timeout_s)
        finally:
            self.kill()
            await self._wait_for_death()
            await tree.sweep()
        return await self.wait()

    def kill(self) -> None:
        """SIGKILL for the process group, now. `stop` ends the rest, polite no more, and waits."""
        self._killed.set()
        self._signal_group(signal.SIGKILL)

    async def _end_politely(self, kill_signal: signal.Signals, timeout_s: float) -> None:
        self._signal_group(kill_signal)
        self._signal_group(signal.SIGCONT)  # Stopped, it would not even see the signal.
        async with asyncio.TaskGroup() as group:
            ways = (
                group.create_task(self._group_end(), name=f"the end of {self.pid}"),
                # If its leader is gone, a signal to the group does not reach the others.
                group.create_task(self._killed.wait(), name=f"the kill of {self.pid}"),
            )
            await asyncio.wait(ways, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()

    async def _group_end(self) -> None:
        await self._reaped.wait()
        await tree.group_end(self.pid)

    async def _wait_for_death(self) -> None:
        try:
            async with asyncio.timeout(tree.END_TIMEOUT_S):
                await self._reaped.wait()
        except TimeoutError as error:
            raise tree.StopError(f"cannot end {self.pid}: SIGKILL did not end it") from error

    def _signal_group(self, number: signal.Signals) -> None:
        # Once it is reaped, its number may be another's. Then /proc tells who is left of the
        # group; where there is none, the risk is less than that of leaving them.
        if self._reaped.is_set() and linux.has_proc():
            return
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # All gone. (Or another user's: then the wait for its end fails, and says so.)

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._on_reaped(os.waitpid(self.pid, 0)[1])

    def _wait_in_thread(self) -> None:
        status = os.waitpid(self.pid, 0)[1]
        call_from_thread(self._loop, self._on_reaped, status)

    def _on_reaped(self, status: int) -> None:
        tree.living.discard(self.pid)
        self._returncode = os.waitstatus_to_exitcode(status)
        self._reaped.set()
        self._loop.call_later(_DRAIN_TIMEOUT_S, self._drained.set)
        self._output.drain(lambda: call_from_thread(self._loop, self._drained.set))
