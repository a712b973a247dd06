"""A child process, one generation of the backend: wait for its exit, and stop its process tree.

`wait` waits for the process, never for the end of its output: a grandchild may hold that open.
"""

import asyncio
import os
import signal
import threading

from httpprocessproxy.process import ending, linux
from httpprocessproxy.process.output import Output
from httpprocessproxy.process.tree import ProcessTree
from httpprocessproxy.system.event_loop import call_from_thread

# The last output of a dead process is in a pipe and copied within a millisecond, unless the
# reader of the proxy's output is slow: a restart does not wait for that reader.
_DRAIN_TIMEOUT_S = 0.1

# A terminal sends these to all processes of a group.
_OF_KEYBOARD = (signal.SIGINT, signal.SIGQUIT)


class Child:
    """Created by `Launcher` in a running event loop, registered in `tree`, which has its orphans.

    `is_warm`: forked from a fork server. With `ends_group`, its process group ends with it.
    """

    is_warm = False
    ends_group = False

    def __init__(
        self, pid: int, output: Output, tree: ProcessTree, *, is_warm: bool = False
    ) -> None:
        self.pid = pid
        self.is_warm = is_warm
        self._output = output
        self._tree = tree
        self._loop = asyncio.get_running_loop()
        self._returncode = 0
        self._reaped = asyncio.Event()
        self._drained = asyncio.Event()
        self._killed = asyncio.Event()
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
        """Wait for the exit; return the exit status, or the negative signal number.

        Its output has been copied by then. Its descendants may still run: see `stop`.
        """
        await self._drained.wait()
        return self._returncode

    async def stop(
        self, kill_signal: signal.Signals = signal.SIGKILL, kill_timeout_s: float = 5.0
    ) -> int:
        """End the whole process tree, and return the result of `wait` once the tree is gone.

        A `kill_signal` other than SIGKILL goes to the process, and to the rest of its group once
        the process has ended: a worker may wait for the job of a child. Signals of a keyboard go to
        the whole group, as from a terminal. The group has `kill_timeout_s` seconds to end; SIGKILL
        ends the rest. The child may have ended already, and calls may repeat or overlap.
        Cancellation cuts the waiting short, not the killing. Raises StopError.
        """
        try:
            if kill_signal is not signal.SIGKILL:
                await self._end_gracefully(kill_signal, kill_timeout_s)
        finally:
            self.kill()
            await self._wait_for_death()
            await self._tree.sweep()
        return await self.wait()

    def kill(self) -> None:
        """Send SIGKILL to the process group now. A `stop` in progress skips its grace period."""
        self._killed.set()
        self._signal_group(signal.SIGKILL)

    async def _end_gracefully(self, kill_signal: signal.Signals, timeout_s: float) -> None:
        if kill_signal in _OF_KEYBOARD:
            self._signal_group(kill_signal)
        elif not self._reaped.is_set():
            os.kill(self.pid, kill_signal)
        self._signal_group(signal.SIGCONT)  # A stopped process does not handle signals.
        async with asyncio.TaskGroup() as group:
            waits = (
                group.create_task(self._group_end(kill_signal), name=f"the end of {self.pid}"),
                # Once the leader is reaped, `_signal_group` no longer signals the group.
                group.create_task(self._killed.wait(), name=f"the kill of {self.pid}"),
            )
            await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    async def _group_end(self, kill_signal: signal.Signals) -> None:
        await self._reaped.wait()
        if kill_signal not in _OF_KEYBOARD:
            self._tree.signal_group(self.pid, kill_signal)
        await self._tree.group_end(self.pid)

    async def _wait_for_death(self) -> None:
        try:
            async with asyncio.timeout(ending.END_TIMEOUT_S):
                await self._reaped.wait()
        except TimeoutError as error:
            raise ending.StopError(f"cannot end {self.pid}: SIGKILL did not end it") from error

    def _signal_group(self, number: signal.Signals) -> None:
        # The pid of a reaped process may be reused; `sweep` then finds the rest of the group in
        # /proc. Without /proc, that risk is smaller than the risk of leaving processes behind.
        if self._reaped.is_set() and linux.has_proc():
            return
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # All gone, or owned by another user: then waiting for the end raises StopError.

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        if self.ends_group:
            self._signal_group(signal.SIGKILL)  # the pid is not free yet: it cannot be another's
        self._on_reaped(os.waitpid(self.pid, 0)[1])

    def _wait_in_thread(self) -> None:
        status = os.waitpid(self.pid, 0)[1]
        call_from_thread(self._loop, self._on_reaped, status)

    def _on_reaped(self, status: int) -> None:
        self._tree.release(self.pid)
        self._returncode = os.waitstatus_to_exitcode(status)
        self._reaped.set()
        self._loop.call_later(_DRAIN_TIMEOUT_S, self._drained.set)
        self._output.drain(lambda: call_from_thread(self._loop, self._drained.set))
