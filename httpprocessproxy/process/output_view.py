"""The view of the services' output in the terminal: all of them as one stream, or one alone.

In one stream each line has the prefix of its service, and a line has output of one service only. A
service that is shown alone has the terminal to itself: its bytes pass unchanged, and lines of the
others are hidden and counted. With one service, it is always alone.

All of it runs in the copying thread, except that any thread may read `shown`.
"""

import collections
import struct
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from httpprocessproxy.process.labels import Labels
from httpprocessproxy.process.message_printer import MessagePrinter
from httpprocessproxy.process.prefixed_lines import PrefixedLines
from httpprocessproxy.process.screen import ScreenState
from httpprocessproxy.process.sink import OutputSink

# A part of a line is printed without the rest of it after so long: it may be a prompt.
_LINE_TIMEOUT_S: Final = 0.1
# A narrower terminal is not made narrower still for the prefix.
_MIN_COLUMNS: Final = 20
_SIZE: Final = struct.Struct("HHHH")


@dataclass(slots=True, eq=False)
class ViewedStream:
    """A stream of a service: its sink, the state of the screen of its pty, and its lines."""

    service: str
    fd: int
    sink: OutputSink
    screen: ScreenState | None = None
    lines: PrefixedLines = field(default_factory=PrefixedLines)
    held_since: float = 0.0


class OutputView:
    """`format_line` makes a line of the proxy of its text."""

    def __init__(self, printer: MessagePrinter, format_line: Callable[[str], str]) -> None:
        self.labels = Labels()
        self.shown: str | None = None  # the service that is alone on the screen
        self.size: bytes | None = None  # the terminal's, packed as for TIOCSWINSZ
        self._printer = printer
        self._format_line = format_line
        self._streams: list[ViewedStream] = []
        self._hidden_lines: collections.Counter[str] = collections.Counter()
        # The stream whose line is the last in each sink, by the descriptor of the sink.
        self._last: dict[int, ViewedStream] = {}

    @property
    def has_several(self) -> bool:
        return self.labels.count > 1

    def is_alone(self, service: str) -> bool:
        return self.shown == service or not self.has_several

    def fitted(self, service: str, size: bytes) -> bytes:
        """The size of a service's pty, packed as for TIOCSWINSZ, in a terminal of this size.

        It leaves room for the prefix. A service that gets the terminal to itself, or has had it,
        sees another size by that, so it draws the screen again.
        """
        rows, columns, *pixels = _SIZE.unpack(size)
        if self.is_alone(service) or columns < 2:
            return size
        narrow = columns - self.labels.columns
        return _SIZE.pack(rows, narrow if narrow >= _MIN_COLUMNS else columns - 1, *pixels)

    def restore(self, service: str) -> None:
        """Restore the terminal after a generation of a service."""
        if self.is_alone(service):
            self._printer.restore()

    def opened(self, stream: ViewedStream) -> None:
        self._streams.append(stream)

    def closed(self, stream: ViewedStream) -> None:
        self.finish(stream)
        self._streams.remove(stream)

    def copy(self, stream: ViewedStream, piece: bytes) -> None:
        """Print a piece of a stream, or hide it."""
        if not self.has_several:
            self._printer.copy(stream.sink, piece)
            return
        main = piece if stream.screen is None else stream.screen.follow_main(piece)
        if self.shown is not None:
            stream.lines.skip(piece)
            if self.shown == stream.service:
                self._printer.copy(stream.sink, piece)
            else:
                self._hidden_lines[stream.service] += piece.count(b"\n")
        else:
            # A full-screen program has no lines.
            prefix, is_open = self._prefix(stream), self._is_open(stream)
            if b"\n" in main or not stream.lines.is_held:
                stream.held_since = time.monotonic()
            self._print(stream, stream.lines.take(main, prefix, is_open=is_open), is_open)

    def finish(self, stream: ViewedStream) -> None:
        """Print the part of a line that is held."""
        if stream.lines.is_held:
            is_open = self._is_open(stream)
            self._print(stream, stream.lines.rest(self._prefix(stream), is_open=is_open), is_open)

    def announce(self, text: str, service: str | None, *, is_important: bool) -> None:
        """Print lines of the proxy, about a service if it is set, or hide them.

        Important ones are not hidden.
        """
        text = text.rstrip("\n")
        if self.shown in (None, service) or service is None or is_important:
            self._printer.announce(self.prefixed(text, service))
        else:
            self._hidden_lines[service] += text.count("\n") + 1

    def print_empty_line(self) -> None:
        self._printer.print("")

    def prefixed(self, text: str, service: str | None) -> str:
        """Lines of the proxy, each with the prefix of the service."""
        if service is None or self.is_alone(service):
            return text
        has_colour = self._printer.stderr.has_colours
        prefix = self.labels.prefix(service, has_colour=has_colour).decode()
        return prefix + text.replace("\n", f"\n{prefix}")

    def show(self, service: str | None) -> None:
        """Show one service alone, or all of them."""
        self._printer.restore()
        self._printer.flush()
        hidden, self._hidden_lines = self._hidden_lines, collections.Counter()
        self.shown = service
        self._printer.print(self._format_line(_description(service, hidden)))
        if service is not None:
            for stream in self._streams:
                if stream.service == service:
                    self._show_again(stream)
                else:
                    stream.lines.skip(b"")
            return
        for stream in self._streams:
            if stream.screen is None or not stream.screen.is_alternate:
                stream.lines.hold_line()
            stream.held_since = time.monotonic()

    def timeout_s(self) -> float | None:
        """The time after which to call `waited`; None if no line waits for its end."""
        return _LINE_TIMEOUT_S if any(self._held()) else None

    def waited(self, ready: Collection[int]) -> None:
        """Print parts of lines that have waited; `ready` descriptors may bring more of them."""
        limit = time.monotonic() - _LINE_TIMEOUT_S
        for stream in [*self._held()]:
            if stream.held_since < limit and stream.fd not in ready:
                self.finish(stream)
                stream.held_since = time.monotonic()

    def _held(self) -> Iterator[ViewedStream]:
        return (stream for stream in self._streams if stream.lines.is_held)

    def _show_again(self, stream: ViewedStream) -> None:
        """Bring the screen into the state that the service has set, and print its last line."""
        screen = stream.screen
        if screen is None or not screen.is_alternate:
            self._printer.copy(stream.sink, stream.lines.line)
        stream.lines.skip(b"")
        if screen is not None:
            self._printer.copy(stream.sink, screen.repeating())

    def _prefix(self, stream: ViewedStream) -> bytes:
        return self.labels.prefix(stream.service, has_colour=stream.sink.has_colours)

    def _is_open(self, stream: ViewedStream) -> bool:
        return self._last.get(stream.sink.fd) is stream and not stream.sink.is_at_line_start

    def _print(self, stream: ViewedStream, text: bytes, is_open: bool) -> None:
        if text:
            self._printer.copy_lines(stream.sink, text, is_open=is_open)
            for sink in self._printer.together(stream.sink):
                self._last[sink.fd] = stream


def _description(service: str | None, hidden: collections.Counter[str]) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in hidden.items() if count)
    shown = "all services" if service is None else f"{service} alone; 0 or Ctrl+] shows all"
    return f"{shown}; lines hidden meanwhile: {counts}" if counts else shown
