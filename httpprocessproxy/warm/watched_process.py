"""A child process of the fork server: reaped here, or handed over to a caller while it runs."""

import asyncio
import os
import signal
from collections.abc import Callable


class WatchedProcess:
    """Created in a running event loop: reaps the process at its end, and calls `on_end`.

    `before_end` is called first, and may still call `spare`. Linux only, because of pidfd.
    """

    def __init__(
        self, pid: int, before_end: Callable[[], None], on_end: Callable[[int], None]
    ) -> None:
        self.pid = pid
        self.gone = asyncio.Event()
        self._before_end, self._on_end = before_end, on_end
        self._loop = asyncio.get_running_loop()
        # An unreaped child: its pid is not reused, even if it has ended.
        self._pidfd = os.pidfd_open(pid)
        self.is_spared = False
        self._loop.add_reader(self._pidfd, self._end)

    def kill(self) -> None:
        """Send SIGKILL and undo `spare`, unless it was handed over or has ended."""
        if not self.gone.is_set():
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            self.is_spared = False
            self._loop.add_reader(self._pidfd, self._end)

    def spare(self) -> None:
        """Do not reap it: it will be handed over."""
        self.is_spared = True
        self._loop.remove_reader(self._pidfd)

    def hand_over(self) -> None:
        """Stop watching it: the caller waits for the process from now on."""
        if not self.gone.is_set():
            self._release()

    def _end(self) -> None:
        self._before_end()
        if not self.is_spared and not self.gone.is_set():
            self._release()
            self._on_end(os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]))

    def _release(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.gone.set()
