"""The backend's output, copied to the proxy's stdout and stderr as it arrives, byte for byte.

A separate thread copies it, because writing to a terminal or a pipe may block for any length of
time, and the event loop must not block. Meanwhile a backend that prints more than a pipe holds
blocks too (back-pressure): no output is dropped, and no buffer grows. A reader that went away
(`| head`) is not an error: the rest goes to the tail only.

A process may end before its output, and the other way round: a grandchild may hold the pipe for
ever. So the thread does not wait for end of file, and the next generation closes the old streams.
"""

import collections
import errno
import fcntl
import os
import selectors
import signal
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from httpprocessproxy.process.keyboard import Keyboard
from httpprocessproxy.process.sink import OutputSink

TAIL_BYTES = 64 * 1024
# The capacity of a pipe: one system call empties it.
_PIECE_BYTES = 64 * 1024
_TYPED_BYTES = 1024
# An unfinished line of the backend (a prompt) delays a message of the proxy no longer than this.
_LINE_TIMEOUT_S = 0.02
# At the end of the program, a blocked reader delays the exit no longer than this.
_CLOSE_TIMEOUT_S = 0.5
# After the screen was cleared, the reminder follows once the backend has been silent for so long.
_REMINDER_S = 0.5


@dataclass(slots=True, eq=False)
class _Stream:
    name: str
    fd: int
    sink: OutputSink
    tail: bytearray = field(repr=False)
    slave_fd: int | None = None


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
        self._keyboard = keyboard
        self._stdout, self._stderr = OutputSink(1), OutputSink(2)
        self._tail = bytearray()
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._streams: list[_Stream] = []
        self._is_typing = False
        self._messages: list[str] = []
        self._line_deadline = 0.0
        self.reminder = ""  # the message to print again after the screen was cleared
        self._is_cleared = False
        self._jobs: collections.deque[Callable[[], None]] = collections.deque()
        self._wake_fd, self._woken_fd = -1, -1
        self._is_closing = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)

    def __enter__(self) -> Self:
        self._woken_fd, self._wake_fd = os.pipe()
        os.set_blocking(self._wake_fd, False)
        self._selector.register(self._woken_fd, selectors.EVENT_READ, self._do_jobs)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Copy the remaining output, for at most half a second, and end the thread."""
        self._post(self._close)
        self._is_closed = True
        self._thread.join(_CLOSE_TIMEOUT_S)
        if not self._thread.is_alive():
            os.close(self._woken_fd)
            os.close(self._wake_fd)

    @property
    def tail(self) -> bytes:
        """The last 64 KiB of the present generation's output, both streams together."""
        with self._lock:
            return bytes(self._tail)

    def begin_pipes(self, stdout_fd: int, stderr_fd: int) -> None:
        """Copy the output of a new generation from these pipes. Takes over the descriptors."""
        tail = self._new_tail()
        streams = [
            _Stream("stdout", stdout_fd, self._stdout, tail),
            _Stream("stderr", stderr_fd, self._stderr, tail),
        ]
        self._post(lambda: self._begin(streams))

    def begin_pty(self, master_fd: int, slave_fd: int) -> None:
        """Copy the output of a new generation from this pty. Takes over the descriptors.

        The slave stays open as long as the master. Otherwise a backend that closes its standard
        streams would cause an end of file here, and closing the master sends it a SIGHUP.
        """
        stream = _Stream("stdout", master_fd, self._stdout, self._new_tail(), slave_fd)
        self._post(lambda: self._begin([stream]))

    def begin_nothing(self) -> None:
        """Empty the tail, for a generation that could not be started."""
        self._new_tail()
        self._post(lambda: self._begin([]))

    def _new_tail(self) -> bytearray:
        with self._lock:
            self._tail = bytearray()
            return self._tail

    def remember(self, text: str) -> None:
        """Add a line of the proxy to the tail and `on_piece`, without printing it."""
        self._post(lambda: self._remember_line(text))

    def drain(self, done: Callable[[], None]) -> None:
        """Call `done`, in the copying thread, once all output printed so far is copied."""
        self._post(lambda: self._drain(done))

    def write(self, text: str) -> None:
        """Print lines of the proxy on stderr, but not within a line of the backend."""
        if self._is_closed:
            self._write_message(text)
        self._post(lambda: self._announce(text))

    def clear_screen(self) -> None:
        """Clear the terminal on stdout and keep its scrollback, as `clear -x` does."""
        self._post(self._clear_screen)

    def listen_to_keyboard(self, on: bool) -> None:
        """Start or stop copying stdin to the generation's pty."""
        self._post(lambda: self._listen_to_keyboard(on))

    def resize(self, size: bytes) -> None:
        """Set the size of the generation's pty, packed as for TIOCSWINSZ."""
        self._post(lambda: self._resize(size))

    def _post(self, job: Callable[[], None]) -> None:
        if self._is_closed:
            return
        self._jobs.append(job)
        try:
            os.write(self._wake_fd, b".")
        except BlockingIOError:
            pass  # The pipe is full, so the thread has yet to run the jobs, with this one.

    # All methods below run in the thread.

    def _run(self) -> None:
        # The event loop handles signals. With SIGTTIN blocked, a read in the background fails with
        # EIO instead of stopping the program.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        with self._selector:
            while not self._is_closing:
                ready = self._selector.select(self._timeout_s())
                for key, _ in ready:
                    if key.fd in self._selector.get_map():
                        key.data()
                if not ready or time.monotonic() > self._line_deadline:
                    self._write_messages()
                if not ready:
                    self._remind()

    def _timeout_s(self) -> float | None:
        if self._messages:
            return _LINE_TIMEOUT_S
        return _REMINDER_S if self._is_cleared else None

    def _do_jobs(self) -> None:
        os.read(self._woken_fd, 4096)
        while self._jobs:
            self._jobs.popleft()()

    def _begin(self, streams: list[_Stream]) -> None:
        for stream in list(self._streams):
            self._end(stream)
        self._restore()
        if self._keyboard is not None:
            self._keyboard.begin()
        for stream in streams:
            os.set_blocking(stream.fd, False)
            self._streams.append(stream)
            self._selector.register(
                stream.fd, selectors.EVENT_READ, lambda stream=stream: self._copy(stream)
            )

    def _copy(self, stream: _Stream) -> bool:
        """Copy one piece, and return whether there was one."""
        try:
            piece = os.read(stream.fd, _PIECE_BYTES)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            piece = b""  # A pty reports end of file as EIO.
        if not piece:
            self._end(stream)
            return False
        self._remember(stream.name, stream.tail, piece)
        if self._messages and (end := piece.find(b"\n") + 1):
            stream.sink.copy(piece[:end])
            self._write_messages()
            piece = piece[end:]
        stream.sink.copy(piece)
        self._is_cleared |= stream.sink.takes_cleared()
        return True

    def _remember(self, name: str, tail: bytearray, piece: bytes) -> None:
        with self._lock:
            tail += piece
            del tail[:-TAIL_BYTES]
        if self._on_piece is not None:
            self._on_piece(name, piece)

    def _remember_line(self, text: str) -> None:
        begun = b"\n" if self._tail and not self._tail.endswith(b"\n") else b""
        self._remember("stderr", self._tail, begun + text.encode(errors="backslashreplace"))

    def _restore(self) -> None:
        """Restore the terminal after the end of a backend."""
        for sink in (self._stdout, self._stderr):
            sink.restore()

    def _end(self, stream: _Stream) -> None:
        self._streams.remove(stream)
        self._selector.unregister(stream.fd)
        os.close(stream.fd)
        if stream.slave_fd is not None:
            os.close(stream.slave_fd)

    def _drain(self, done: Callable[[], None]) -> None:
        for stream in list(self._streams):
            # At most twice the capacity of a pipe: a grandchild may print for ever.
            for _ in range(2):
                if not self._copy(stream):
                    break
        self._restore()
        done()

    def _announce(self, text: str) -> None:
        """Print a message as soon as the backend's line ends."""
        if not self._messages:
            self._line_deadline = time.monotonic() + _LINE_TIMEOUT_S
        self._messages.append(text)
        if self._is_at_line_start():
            self._write_messages()

    def _write_messages(self) -> None:
        messages, self._messages = self._messages, []
        if messages:
            self._remind()
        for text in messages:
            self._write_message(text)

    def _remind(self) -> None:
        """Print the reminder again if the backend has cleared the screen."""
        is_cleared, self._is_cleared = self._is_cleared, False
        if is_cleared and self.reminder:
            self._write_message(self.reminder)

    def _write_message(self, text: str) -> None:
        line = "\n" * (not self._is_at_line_start()) + text.rstrip("\n") + "\n"
        self._stderr.write(line.encode(errors="backslashreplace"))
        if os.path.sameopenfile(1, 2):
            self._stdout.is_at_line_start = True

    def _is_at_line_start(self) -> bool:
        together = os.path.sameopenfile(1, 2)
        return self._stderr.is_at_line_start and (self._stdout.is_at_line_start or not together)

    def _clear_screen(self) -> None:
        self._stdout.write(b"\x1b[H\x1b[2J")
        self._stdout.is_at_line_start = self._stderr.is_at_line_start = True

    def _listen_to_keyboard(self, on: bool) -> None:
        if on and not self._is_typing:
            self._selector.register(0, selectors.EVENT_READ, self._type)
        elif self._is_typing and not on:
            self._selector.unregister(0)
        self._is_typing = on

    def _resize(self, size: bytes) -> None:
        for stream in self._streams[:1]:
            fcntl.ioctl(stream.fd, termios.TIOCSWINSZ, size)

    def _type(self) -> None:
        try:
            typed = os.read(0, _TYPED_BYTES)
        except OSError:
            typed = b""
        if not typed:
            # The terminal hung up, or this is a background process, which may not read it.
            self._listen_to_keyboard(False)
            return
        stream = self._streams[0] if self._streams else None
        terminal_fd = stream.slave_fd if stream is not None else None
        is_shortcut = self._keyboard is not None and self._keyboard.takes(typed, terminal_fd)
        if stream is not None and not is_shortcut:
            try:
                os.write(stream.fd, typed)
            except OSError:
                pass  # The pty's buffer is full, or it is closed: waiting would not help a user.

    def _close(self) -> None:
        self._drain(self._write_messages)
        self._begin([])
        self._is_closing = True
