"""Keyboard input: a typed key is a shortcut of the proxy, or input of the backend.

The rule: input for the backend reaches it in full, and in doubt a key goes to the backend. It gets
every key while it reads from its terminal, or has just done so; while echo or line mode is off
(a debugger's prompt, a password, a full-screen program); and from the first character of a line to
its end. Several bytes in one read, as from a paste or an arrow key, are no shortcut either.
"""

import os
import termios
import time
from collections.abc import Callable, Collection

from httpprocessproxy.process import terminal_reads
from httpprocessproxy.process.linux import Process

# A program that processes a line for a moment will read the next one.
READS_ON_S = 1.0

_LINE_ENDS = (b"\r", b"\n")


class Keyboard:
    """Decides for each piece of input whether it is a shortcut. Use it in one thread only."""

    def __init__(
        self,
        shortcuts: Collection[str],
        pressed: Callable[[str], None],
        processes: Callable[[], Collection[Process]],
    ) -> None:
        """Call `pressed` with each of the one-character `shortcuts` that is typed.

        `processes` returns the running processes of the backend.
        """
        self._shortcuts = {key.encode(): key for key in shortcuts}
        self._pressed = pressed
        self._processes = processes
        self._line_length = 0
        self._was_read_at = -READS_ON_S

    @staticmethod
    def is_usable() -> bool:
        """Whether the system shows which process reads a terminal.

        If not, there are no shortcuts where a backend has a terminal: it gets every key.
        """
        return terminal_reads.is_supported()

    def begin(self) -> None:
        """Reset the state: the backend has a new terminal without input."""
        self._line_length = 0
        self._was_read_at = -READS_ON_S

    def takes(self, typed: bytes, terminal_fd: int | None) -> bool:
        """Handle a shortcut and return True, or return False: the input is for the backend.

        `terminal_fd` is the slave of the backend's pty, None if it has none.
        """
        is_free = terminal_fd is None or not self._is_wanted(terminal_fd)
        if is_free and not self._line_length and typed in self._shortcuts:
            self._pressed(self._shortcuts[typed])
            return True
        if terminal_fd is not None:
            self._follow_line(typed, terminal_fd)
        return False

    def _is_wanted(self, terminal_fd: int) -> bool:
        """Whether the backend reads its terminal, has just read it, or switched line mode off."""
        if not self.is_usable():
            return True
        processes = self._processes()
        if not processes:
            return False  # It has ended, so the modes of its terminal do not count.
        try:
            terminal = os.ttyname(terminal_fd)
            if any(terminal_reads.waits_for(process.pid, terminal) for process in processes):
                self._was_read_at = time.monotonic()
        except PermissionError:
            return True
        reads_on = time.monotonic() - self._was_read_at < READS_ON_S
        return reads_on or not _echoes_lines(terminal_fd)

    def _follow_line(self, typed: bytes, terminal_fd: int) -> None:
        """Count the characters that the terminal buffers until the end of the line."""
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
