"""The backend's output, copied to the proxy's stdout and stderr as it arrives, byte for byte.

A separate thread copies it, because writing to a terminal or a pipe may block for any length of
time, and the event loop must not block. Meanwhile a backend that prints more than a pipe holds
blocks too (back-pressure): no output is dropped, and no buffer grows. A reader that went away
(`| head`) is not an error: the rest goes to the tail only.

A process may end before its output, and the other way round: a grandchild may hold the pipe for
ever. So the thread does not wait for end of file, and the next generation closes the old streams.
"""

import collections
import copy
import os
import selectors
import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import Final, Self

from httpprocessproxy.process.keyboard import Keyboard
from httpprocessproxy.process.message_printer import MessagePrinter
from httpprocessproxy.process.output_streams import OutputStream, OutputStreams, OutputTail

# At the end of the program, a blocked reader delays the exit no longer than this.
_CLOSE_TIMEOUT_S: Final = 0.5


class Output:
    """Copies the output streams of each generation in turn. A context manager."""

    def __init__(
        self,
        on_piece: Callable[[str, bytes], None] | None = None,
        keyboard: Keyboard | None = None,
    ) -> None:
        """Create it; entering the context starts the thread.

        The thread calls `on_piece` with the name of a stream and each piece read from it; it must
        not block. `keyboard`, also in the thread, handles shortcuts among typed keys.
        """
        self._on_piece = on_piece
        self._tail = OutputTail(on_piece)
        self._printer = MessagePrinter()
        self._thread = _CopyingThread(self._printer)
        self._streams = OutputStreams(self._thread.selector, self._printer, keyboard)
        self._others: list[OutputStreams] = []

    def beside(self) -> "Output":
        """An output in the same thread, for processes that run beside the generation.

        It has a tail of its own, gets no keys, and leaves the state of the terminal alone. It lasts
        as long as this one; its context is not entered.
        """
        other = copy.copy(self)
        other._tail = OutputTail(self._on_piece)
        other._streams = OutputStreams(
            self._thread.selector, self._printer, None, has_terminal=False
        )
        self._others.append(other._streams)
        return other

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Copy the remaining output, for at most half a second, and end the thread."""
        self._post(self._close)
        self._thread.is_closed = True
        self._thread.join(_CLOSE_TIMEOUT_S)

    @property
    def tail(self) -> bytes:
        """The last 64 KiB of the present generation's output, both streams together."""
        return bytes(self._tail)

    def begin_pipes(self, stdout_fd: int, stderr_fd: int) -> None:
        """Copy the output of a new generation from these pipes. Takes over the descriptors."""
        tail = self._tail = OutputTail(self._on_piece)
        streams = [
            OutputStream("stdout", stdout_fd, self._printer.stdout, tail),
            OutputStream("stderr", stderr_fd, self._printer.stderr, tail),
        ]
        self._post(partial(self._streams.begin, streams))

    def begin_pty(self, master_fd: int, slave_fd: int) -> None:
        """Copy the output of a new generation from this pty. Takes over the descriptors.

        The slave stays open as long as the master. Otherwise a backend that closes its standard
        streams would cause an end of file here, and closing the master sends it a SIGHUP.
        """
        tail = self._tail = OutputTail(self._on_piece)
        stream = OutputStream("stdout", master_fd, self._printer.stdout, tail, slave_fd)
        self._post(partial(self._streams.begin, [stream]))

    def begin_nothing(self) -> None:
        """Empty the tail, for a generation that could not be started."""
        self._tail = OutputTail(self._on_piece)
        self._post(partial(self._streams.begin, []))

    def remember(self, text: str) -> None:
        """Add a line of the proxy to the tail and `on_piece`, without printing it."""
        self._post(lambda: self._tail.add_line(text))

    def drain(self, done: Callable[[], None]) -> None:
        """Call `done`, in the copying thread, once all output printed so far is copied."""
        self._post(self._streams.drain)
        self._post(done)

    def write(self, text: str) -> None:
        """Print lines of the proxy on stderr, but not within a line of the backend."""
        if self._thread.is_closed:
            self._printer.print(text)
        self._post(partial(self._printer.announce, text))

    def remind_of(self, text: str) -> None:
        """Set the lines to print again whenever the backend has cleared the screen."""
        self._printer.reminder = text

    def clear_screen(self) -> None:
        """Clear the terminal on stdout and keep its scrollback, as `clear -x` does."""
        self._post(self._printer.clear_screen)

    def listen_to_keyboard(self, on: bool) -> None:
        """Start or stop copying stdin to the generation's pty."""
        self._post(partial(self._streams.listen_to_keyboard, on))

    def resize(self, size: bytes) -> None:
        """Set the size of the generation's pty, packed as for TIOCSWINSZ."""
        self._post(partial(self._streams.resize, size))

    def _post(self, job: Callable[[], None]) -> None:
        if not self._thread.is_closed:
            self._thread.post(job)

    def _close(self) -> None:
        every = (self._streams, *self._others)
        for streams in every:
            streams.drain()
        self._printer.flush()
        for streams in every:
            streams.begin([])
        self._thread.end()


class _CopyingThread:
    """Calls the callbacks of readable descriptors, and runs the jobs of other threads."""

    def __init__(self, printer: MessagePrinter) -> None:
        self.selector = selectors.DefaultSelector()
        self.is_closed = False  # no job runs any more
        self._printer = printer
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
                ready = self.selector.select(self._printer.timeout_s())
                for key, _ in ready:
                    if key.fd in self.selector.get_map():
                        key.data()
                self._printer.waited(is_silent=not ready)

    def _do_jobs(self) -> None:
        os.read(self._woken_fd, 4096)
        while self._jobs:
            self._jobs.popleft()()
