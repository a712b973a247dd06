"""The thread that copies output: it waits for descriptors, and runs jobs of other threads.

It is a thread of its own because writing to a terminal or a pipe may block for any length of time,
and the event loop must not block.
"""

import collections
import os
import selectors
import signal
import threading
from collections.abc import Callable, Collection
from typing import Protocol


class TimedWork(Protocol):
    """Work that is due after a time. Called in the copying thread."""

    def timeout_s(self) -> float | None:
        """The time after which to call `waited`, if no descriptor is ready; None if none waits."""

    def waited(self, ready: Collection[int]) -> None:
        """Do the work that is due. The callbacks of the `ready` descriptors were called."""


class CopyingThread:
    """Calls the callbacks of readable descriptors, and runs the jobs of other threads."""

    def __init__(self, work: TimedWork) -> None:
        self.selector = selectors.DefaultSelector()
        self._work = work
        self._jobs: collections.deque[Callable[[], None]] = collections.deque()
        self._wake_fd, self._woken_fd = -1, -1
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)

    def start(self) -> None:
        self._woken_fd, self._wake_fd = os.pipe()
        os.set_blocking(self._wake_fd, False)
        self.selector.register(self._woken_fd, selectors.EVENT_READ, self._do_jobs)
        self._thread.start()

    def post(self, job: Callable[[], None]) -> None:
        """Run `job` in the thread, after those posted before it."""
        self._jobs.append(job)
        try:
            os.write(self._wake_fd, b".")
        except BlockingIOError:
            pass  # The pipe is full, so the thread has yet to run the jobs, with this one.

    def end(self) -> None:
        """End the thread after the present callback; call it in the thread."""
        self._is_ending = True

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            os.close(self._woken_fd)
            os.close(self._wake_fd)

    def _run(self) -> None:
        # The event loop handles signals. With SIGTTIN blocked, a read in the background fails with
        # EIO instead of stopping the program.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        with self.selector:
            while not self._is_ending:
                ready = self.selector.select(self._work.timeout_s())
                for key, _ in ready:
                    if key.fd in self.selector.get_map():
                        key.data()
                self._work.waited([key.fd for key, _ in ready])

    def _do_jobs(self) -> None:
        os.read(self._woken_fd, 4096)
        while self._jobs:
            self._jobs.popleft()()
