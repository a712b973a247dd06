"""A process of ours that is no backend: it is waited for, or handed over while it runs."""

import asyncio
import os
import signal
from collections.abc import Callable


class WatchedProcess:
    """Made in a running event loop, which reaps the process and then calls `on_end`.

    `before_end` is called first, and may still `spare` it. Linux only, for its pidfd.
    """

    def __init__(
        self, pid: int, before_end: Callable[[], None], on_end: Callable[[int], None]
    ) -> None:
        self.pid = pid
        self.gone = asyncio.Event()
        self._before_end, self._on_end = before_end, on_end
        self._loop = asyncio.get_running_loop()
        # Ours and not reaped: the number is still its own, even if it has ended.
        self._pidfd = os.pidfd_open(pid)
        self.is_spared = False
        self._loop.add_reader(self._pidfd, self._end)

    def kill(self) -> None:
        """SIGKILL, and no mercy, if it was not handed over or has ended."""
        if not self.gone.is_set():
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            self.is_spared = False
            self._loop.add_reader(self._pidfd, self._end)

    def spare(self) -> None:
        """Do not reap it, for it is to be handed over."""
        self.is_spared = True
        self._loop.remove_reader(self._pidfd)

    def hand_over(self) -> None:
        """Leave it to the caller to wait for the process."""
        if not self.gone.is_set():
            self._let_go()

    def _end(self) -> None:
        self._before_end()
        if not self.is_spared and not self.gone.is_set():
            self._let_go()
            self._on_end(os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]))

    def _let_go(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.gone.set()
