"""The output of one service, as it arrives. `OutputCopier.add` creates it.

A process may end before its output, and the other way round: a grandchild may hold the pipe for
ever. So the copying thread does not wait for end of file, and the next generation closes the old
streams.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from httpprocessproxy.core.line_search import LineSearch
from httpprocessproxy.process.message_printer import MessagePrinter
from httpprocessproxy.process.output_streams import (
    ExpectedLine,
    OutputStream,
    OutputStreams,
    OutputTail,
)
from httpprocessproxy.process.output_view import ViewedStream
from httpprocessproxy.process.screen import ScreenState


class OutputReader(Protocol):
    """Gets each piece of the output besides the terminal, such as an `OutputText`."""

    def take(self, stream: str, piece: bytes) -> None:
        """Take a piece of the stream of this name. Called in the copying thread; never blocks."""

    def flush(self) -> None:
        """Pass all pieces on. Called in the event loop's thread."""


@dataclass(frozen=True, slots=True)
class OutputContext:
    """The parts of an `OutputCopier` for one service.

    `post` runs a job in the copying thread; `add_streams` makes streams that last until its end,
    and with True are those of the generations. `fitted` returns the size of the service's pty in a
    terminal of a size, both packed as for TIOCSWINSZ.
    """

    service: str
    printer: MessagePrinter
    reader: OutputReader | None
    post: Callable[[Callable[[], None]], None]
    add_streams: Callable[[bool], OutputStreams]
    fitted: Callable[[bytes], bytes]


class Output:
    """Copies the output streams of each generation in turn."""

    def __init__(self, context: OutputContext, *, has_terminal: bool = True) -> None:
        self._context = context
        self._streams = context.add_streams(has_terminal)
        self._on_piece = context.reader.take if context.reader is not None else None
        self._tail = OutputTail(self._on_piece)
        self._expected: ExpectedLine | None = None

    def beside(self) -> "Output":
        """An output for processes that run beside the generation.

        It has a tail of its own, gets no keys, and leaves the state of the terminal alone.
        """
        return Output(self._context, has_terminal=False)

    @property
    def tail(self) -> bytes:
        """The last 64 KiB of the present generation's output, both streams together."""
        return bytes(self._tail)

    def text(self) -> str:
        """The tail as text, for pages.

        Output that the reader has yet to pass on is flushed first: otherwise it would reach a page
        twice.
        """
        if self._context.reader is not None:
            self._context.reader.flush()
        return self.tail.decode(errors="replace")

    def begin_pipes(self, stdout_fd: int, stderr_fd: int) -> None:
        """Copy the output of a new generation from these pipes. Takes over the descriptors."""
        tail = self._begin()
        service, printer = self._context.service, self._context.printer
        streams = [
            OutputStream("stdout", ViewedStream(service, stdout_fd, printer.stdout), tail),
            OutputStream("stderr", ViewedStream(service, stderr_fd, printer.stderr), tail),
        ]
        self._context.post(partial(self._streams.begin, streams))

    def begin_pty(self, master_fd: int, slave_fd: int) -> None:
        """Copy the output of a new generation from this pty. Takes over the descriptors.

        The slave stays open as long as the master. Otherwise a backend that closes its standard
        streams would cause an end of file here, and closing the master sends it a SIGHUP.
        """
        tail = self._begin()
        sink = self._context.printer.stdout
        view = ViewedStream(self._context.service, master_fd, sink, ScreenState())
        stream = OutputStream("stdout", view, tail, slave_fd)
        self._context.post(partial(self._streams.begin, [stream]))

    def fitted(self, size: bytes) -> bytes:
        """The size of the pty of a generation in a terminal of this size."""
        return self._context.fitted(size)

    def begin_nothing(self) -> None:
        """Empty the tail, for a generation that could not be started."""
        self._begin()
        self._context.post(partial(self._streams.begin, []))

    def _begin(self) -> OutputTail:
        tail = self._tail = OutputTail(self._on_piece, self._expected)
        self._expected = None
        return tail

    def expect_line(self, text: str, found: Callable[[], None]) -> None:
        """Call `found`, in the copying thread, when the next generation prints a line with `text`.

        Called before that generation begins; `found` is called once.
        """
        self._expected = ExpectedLine(LineSearch(text), found)

    def remember(self, text: str) -> None:
        """Add a line of the proxy to the tail and for the reader, without printing it."""
        self._context.post(lambda: self._tail.add_line(text))

    def drain(self, done: Callable[[], None]) -> None:
        """Call `done`, in the copying thread, once all output printed so far is copied."""
        self._context.post(self._streams.drain)
        self._context.post(done)
