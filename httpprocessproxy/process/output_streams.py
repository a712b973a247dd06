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
from typing import Final, Protocol

from httpprocessproxy.core.line_search import LineSearch
from httpprocessproxy.process.output_view import OutputView, ViewedStream

TAIL_BYTES: Final = 64 * 1024
# The capacity of a pipe: one system call empties it.
_PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class ExpectedLine:
    """A line that the backend is expected to print; `found` is called when it has."""

    search: LineSearch
    found: Callable[[], None]


class OutputTail:
    """The last 64 KiB of a generation's output, both streams together."""

    def __init__(
        self,
        on_piece: Callable[[str, bytes], None] | None,
        expected: ExpectedLine | None = None,
    ) -> None:
        self._on_piece = on_piece
        self._expected = expected
        self._lock = threading.Lock()
        self._bytes = bytearray()

    def __bytes__(self) -> bytes:
        with self._lock:
            return bytes(self._bytes)

    def copied(self, stream: str, piece: bytes) -> None:
        """Add a piece that the backend has printed."""
        self.add(stream, piece)
        if self._expected is not None and self._expected.search.finds(stream, piece):
            self._expected.found()
            self._expected = None

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
    view: ViewedStream
    tail: OutputTail = field(repr=False)
    slave_fd: int | None = None

    @property
    def fd(self) -> int:
        return self.view.fd


class StreamObserver(Protocol):
    """Is called in the copying thread."""

    def began(self, streams: "OutputStreams") -> None:
        """A generation of a service has begun."""

    def printed(self, stream: OutputStream) -> None:
        """A piece of the stream was copied."""

    def ended(self, stream: OutputStream) -> None:
        """The stream is closed."""


class OutputStreams:
    """The open streams of a service; the callbacks of `selector` read them."""

    def __init__(
        self,
        service: str,
        selector: selectors.BaseSelector,
        view: OutputView,
        observer: StreamObserver | None,
    ) -> None:
        """Without an `observer`, the streams are not those of a generation with a terminal."""
        self.service = service
        self._selector = selector
        self._view = view
        self._observer = observer
        self._streams: list[OutputStream] = []

    def begin(self, streams: Sequence[OutputStream]) -> None:
        """Close the streams of the last generation, and read those of the next."""
        for stream in list(self._streams):
            self._end(stream)
        self._restore()
        for stream in streams:
            os.set_blocking(stream.fd, False)
            self._streams.append(stream)
            self._view.opened(stream.view)
            self._selector.register(
                stream.fd, selectors.EVENT_READ, lambda stream=stream: self._copy(stream)
            )
        if self._observer is not None:
            self._observer.began(self)

    def drain(self) -> None:
        """Copy all output printed so far, and restore the terminal."""
        for stream in list(self._streams):
            # At most twice the capacity of a pipe: a grandchild may print for ever.
            for _ in range(2):
                if not self._copy(stream):
                    break
            self._view.finish(stream.view)
        self._restore()

    def _restore(self) -> None:
        if self._observer is not None:
            self._view.restore(self.service)

    @property
    def first(self) -> OutputStream | None:
        """The stream of the pty, or of stdout, while it is open."""
        return self._streams[0] if self._streams else None

    def resize(self) -> None:
        """Give the pty the size that the service has in the terminal of the view."""
        size = self._view.size
        for stream in self._streams[:1]:
            # A build in front of the start has pipes, also where the server has a terminal.
            if stream.slave_fd is not None and size is not None:
                fitted = self._view.fitted(self.service, size)
                fcntl.ioctl(stream.fd, termios.TIOCSWINSZ, fitted)

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
        stream.tail.copied(stream.name, piece)
        self._view.copy(stream.view, piece)
        if self._observer is not None:
            self._observer.printed(stream)
        return True

    def _end(self, stream: OutputStream) -> None:
        if self._observer is not None:
            self._observer.ended(stream)
        self._view.closed(stream.view)
        self._streams.remove(stream)
        self._selector.unregister(stream.fd)
        os.close(stream.fd)
        if stream.slave_fd is not None:
            os.close(stream.slave_fd)
