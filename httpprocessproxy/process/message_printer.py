"""Messages of the proxy on stderr, between the lines of the backend's output.

A message waits until the backend's line ends, but not for long: the line may be a prompt. After the
backend has cleared the screen, a reminder is printed again.
"""

import os
import time
from collections.abc import Sequence
from typing import Final

from httpprocessproxy.process.sink import OutputSink

# An unfinished line of the backend (a prompt) delays a message of the proxy no longer than this.
_LINE_TIMEOUT_S: Final = 0.02
# After the screen was cleared, the reminder follows once the backend has been silent for so long.
_REMINDER_S: Final = 0.5


class MessagePrinter:
    """Writes to stdout and stderr. Use it in one thread only; writing may block."""

    def __init__(self) -> None:
        self.stdout, self.stderr = OutputSink(1), OutputSink(2)
        self.reminder = ""  # the message to print again after the screen was cleared
        self._messages: list[str] = []
        self._line_deadline = 0.0
        self._is_cleared = False

    def copy(self, sink: OutputSink, piece: bytes) -> None:
        """Write a piece of the backend's output, and messages that wait for the end of its line."""
        if self._messages and (end := piece.find(b"\n") + 1):
            sink.copy(piece[:end])
            self.flush()
            piece = piece[end:]
        sink.copy(piece)
        self._is_cleared |= sink.takes_cleared()

    def announce(self, text: str) -> None:
        """Print a message as soon as the backend's line ends."""
        if not self._messages:
            self._line_deadline = time.monotonic() + _LINE_TIMEOUT_S
        self._messages.append(text)
        if self._is_at_line_start():
            self.flush()

    def timeout_s(self) -> float | None:
        """The time without output after which to call `waited`; None if nothing waits."""
        if self._messages:
            return _LINE_TIMEOUT_S
        return _REMINDER_S if self._is_cleared else None

    def waited(self, silence_s: float) -> None:
        """Print messages whose time has come; there was no output for `silence_s`."""
        timeout_s = self.timeout_s()
        is_silent = timeout_s is not None and silence_s >= timeout_s
        if is_silent or time.monotonic() > self._line_deadline:
            self.flush()
        if is_silent:
            self._remind()

    def flush(self) -> None:
        """Print the waiting messages."""
        messages, self._messages = self._messages, []
        if messages:
            self._remind()
        for text in messages:
            self.print(text)

    def print(self, text: str) -> None:
        """Print a message at once, on a line of its own."""
        line = "\n" * (not self._is_at_line_start()) + text.rstrip("\n") + "\n"
        self.stderr.write(line.encode(errors="backslashreplace"))
        if os.path.sameopenfile(1, 2):
            self.stdout.is_at_line_start = True

    def clear_screen(self) -> None:
        self.stdout.write(b"\x1b[H\x1b[2J")
        self.stdout.is_at_line_start = self.stderr.is_at_line_start = True

    def restore(self) -> None:
        """Restore the terminal after the end of a backend."""
        for sink in (self.stdout, self.stderr):
            sink.restore()

    def _remind(self) -> None:
        """Print the reminder again if the backend has cleared the screen."""
        is_cleared, self._is_cleared = self._is_cleared, False
        if is_cleared and self.reminder:
            self.print(self.reminder)

    def _is_at_line_start(self) -> bool:
        together = os.path.sameopenfile(1, 2)
        return self.stderr.is_at_line_start and (self.stdout.is_at_line_start or not together)

    def copy_lines(self, sink: OutputSink, piece: bytes, *, is_open: bool) -> None:
        """Do what `copy` does with a piece that begins a line, unless `is_open`."""
        sinks = self.together(sink)
        if not is_open and not all(other.is_at_line_start for other in sinks):
            sink.write(b"\n")
            for other in sinks:
                other.is_at_line_start = True
        self.copy(sink, piece)
        for other in sinks:
            other.is_at_line_start = sink.is_at_line_start

    def together(self, sink: OutputSink) -> Sequence[OutputSink]:
        """The sinks that print to the same terminal or file as this one."""
        return (self.stdout, self.stderr) if os.path.sameopenfile(1, 2) else (sink,)
