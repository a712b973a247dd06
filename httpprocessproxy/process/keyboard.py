"""Whose a typed key is: a shortcut of ours, or the backend's.

The rule: text for the backend reaches it in full, and a doubt is decided for the backend. It has
every key while it reads from its terminal, or has just done so; while it has switched echo or
lines off (a debugger's prompt, a password, anything full-screen); and from the first character of
a line to its end. What comes at once, as a paste or an arrow key does, is no shortcut either.
"""

import os
import termios
import time
from collections.abc import Callable, Collection

from httpprocessproxy.process import terminal_reads as reading
from httpprocessproxy.process import tree

# Who reads a line and works on it for a moment will read the next one.
READS_ON_S = 1.0

_LINE_ENDS = (b"\r", b"\n")


class Keyboard:
    """What is typed, one piece after the other. Use it in one thread only."""

    def __init__(self, shortcuts: Collection[str], pressed: Callable[[str], None]) -> None:
        """`pressed` gets each of the one-character `shortcuts` that is typed for us."""
        self._shortcuts = {key.encode(): key for key in shortcuts}
        self._pressed = pressed
        self._line_length = 0
        self._was_read_at = -READS_ON_S

    @staticmethod
    def is_usable() -> bool:
        """Whether the system tells who reads the keyboard. If not, every key is the backend's."""
        return reading.can_tell()

    def begin(self) -> None:
        """The backend has a new terminal, and nothing was typed on it yet."""
        self._line_length = 0
        self._was_read_at = -READS_ON_S

    def takes(self, typed: bytes, terminal_fd: int | None) -> bool:
        """Whether this is ours, and done with; otherwise it is the backend's.

        `terminal_fd` is the backend's end of its terminal, None if it has none.
        """
        is_free = terminal_fd is None or not self._is_wanted(terminal_fd)
        if is_free and not self._line_length and typed in self._shortcuts:
            self._pressed(self._shortcuts[typed])
            return True
        if terminal_fd is not None:
            self._follow_line(typed, terminal_fd)
        return False

    def _is_wanted(self, terminal_fd: int) -> bool:
        """Whether the backend wants the keys."""
        processes = tree.backend()
        if not processes:
            return False  # It has ended, however it left its terminal.
        try:
            terminal = os.ttyname(terminal_fd)
            if any(reading.waits_for(process.pid, terminal) for process in processes):
                self._was_read_at = time.monotonic()
        except PermissionError:
            return True
        reads_on = time.monotonic() - self._was_read_at < READS_ON_S
        return reads_on or not _echoes_lines(terminal_fd)

    def _follow_line(self, typed: bytes, terminal_fd: int) -> None:
        """Keep count of the characters that the terminal keeps until their line ends."""
        characters = termios.tcgetattr(terminal_fd)[6]
        ends = (*_LINE_ENDS, characters[termios.VEOF], characters[termios.VKILL])
        for character in typed.decode(errors="replace"):
            key = character.encode()
            if key in ends or not _echoes_lines(terminal_fd):
                self._line_length = 0
            elif key == characters[termios.VERASE]:
                self._line_length = max(0, self._line_length - 1)
            else:
                self._line_length += 1


def _echoes_lines(terminal_fd: int) -> bool:
    wanted = termios.ICANON | termios.ECHO
    flags: int = termios.tcgetattr(terminal_fd)[3]
    return flags & wanted == wanted
