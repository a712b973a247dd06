"""The streams of one generation of a service after another, whose output is copied.

All of it runs in the copying thread, except that any thread may read a tail.
"""

import errno
import fcntl
import os
import selectors
import termios
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from httpprocessproxy.process.keyboard import Keyboard
from httpprocessproxy.process.message_printer import MessagePrinter
from httpprocessproxy.process.sink import OutputSink

TAIL_BYTES: Final = 64 * 1024
# The capacity of a pipe: one system call empties it.
_PIECE_BYTES: Final = 64 * 1024


class OutputTail:
    """The last 64 KiB of a generation's output, both streams together."""

    def __init__(self, on_piece: Callable[[str, bytes], None] | None) -> None:
        self._on_piece = on_piece
        self._lock = threading.Lock()
        self._bytes = bytearray()

    def __bytes__(self) -> bytes:
        with self._lock:
            return bytes(self._bytes)

    def add(self, stream: str, piece: bytes) -> None:
        with self._lock:
            self._bytes += piece
            del self._bytes[:-TAIL_BYTES]
        if self._on_piece is not None:
            self._on_piece(stream, piece)

    def add_line(self, text: str) -> None:
        """Add a line of the proxy."""
        begun = b"\n" if self._bytes and not self._bytes.endswith(b"\n") else b""
        self.add("stderr", begun + text.encode(errors="backslashreplace"))


@dataclass(slots=True, eq=False)
class OutputStream:
    """A pipe, or the master of a pty with its slave."""

    name: str
    fd: int
    sink: OutputSink
    tail: OutputTail = field(repr=False)
    slave_fd: int | None = None


class OutputStreams:
    """The open streams; the callbacks of `selector` read them."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        printer: MessagePrinter,
        keyboard: Keyboard | None,
        *,
        has_terminal: bool = True,
    ) -> None:
        """`has_terminal`: the end of a generation restores the state of the terminal."""
        self._selector = selector
        self._printer = printer
        self._has_terminal = has_terminal
        self._keyboard = keyboard
        self._streams: list[OutputStream] = []

    def begin(self, streams: Sequence[OutputStream]) -> None:
        """Close the streams of the last generation, and read those of the next."""
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

    def drain(self) -> None:
        """Copy all output printed so far, and restore the terminal."""
        for stream in list(self._streams):
            # At most twice the capacity of a pipe: a grandchild may print for ever.
            for _ in range(2):
                if not self._copy(stream):
                    break
        self._restore()

    def _restore(self) -> None:
        if self._has_terminal:
            self._printer.restore()

    @property
    def first(self) -> OutputStream | None:
        """The stream of the pty, or of stdout, while it is open."""
        return self._streams[0] if self._streams else None

    def resize(self, size: bytes) -> None:
        for stream in self._streams[:1]:
            # A build in front of the start has pipes, also where the server has a terminal.
            if stream.slave_fd is not None:
                fcntl.ioctl(stream.fd, termios.TIOCSWINSZ, size)

    def _copy(self, stream: OutputStream) -> bool:
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
        stream.tail.add(stream.name, piece)
        self._printer.copy(stream.sink, piece)
        return True

    def _end(self, stream: OutputStream) -> None:
        self._streams.remove(stream)
        self._selector.unregister(stream.fd)
        os.close(stream.fd)
        if stream.slave_fd is not None:
            os.close(stream.slave_fd)
