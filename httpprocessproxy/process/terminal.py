"""The terminal, forwarded to the backend by a pseudo-terminal (pty) for each generation.

Output of the pty is printed on our terminal, input of our terminal goes to the pty, and so does its
size. So `breakpoint()` and colours work although the backend is in a session of its own. Our
terminal still handles Ctrl+C and Ctrl+Z (ISIG): they signal the proxy, not the backend.

The modes of our terminal are always restored: at the end, and while the proxy is stopped. While it
is in the background, it does not touch the terminal.
"""

import asyncio
import fcntl
import os
import signal
import struct
import termios
from dataclasses import dataclass, replace
from typing import Self

from httpprocessproxy.process.output import Output
from httpprocessproxy.process.output_copier import OutputCopier

_STDIN, _STDOUT = 0, 1
# A shell's `fg` sends no signal to a running job: it has to poll for being in the foreground.
_FOREGROUND_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Modes:
    """The attributes of a terminal, as `termios.tcgetattr` returns them, with names."""

    iflag: int
    oflag: int
    cflag: int
    lflag: int
    input_speed: int
    output_speed: int
    characters: tuple[bytes | int, ...]

    @classmethod
    def of(cls, fd: int) -> Self:
        iflag, oflag, cflag, lflag, input_speed, output_speed, characters = termios.tcgetattr(fd)
        return cls(iflag, oflag, cflag, lflag, input_speed, output_speed, tuple(characters))

    def apply(self, fd: int) -> None:
        modes: list[int | list[bytes | int]] = [self.iflag, self.oflag, self.cflag, self.lflag]
        modes += [self.input_speed, self.output_speed, list(self.characters)]
        try:
            termios.tcsetattr(fd, termios.TCSADRAIN, modes)
        except termios.error:
            pass  # The terminal hung up.

    def transparent(self) -> Self:
        """These modes, but each key is read at once, unchanged and without echo.

        The pty does the line editing and the echo instead.
        """
        characters = list(self.characters)
        characters[termios.VMIN], characters[termios.VTIME] = 1, 0
        return replace(
            self,
            iflag=self.iflag & ~(termios.ICRNL | termios.INLCR | termios.IGNCR),
            lflag=self.lflag & ~(termios.ICANON | termios.ECHO | termios.IEXTEN),
            characters=tuple(characters),
        )


def is_foreground(fd: int) -> bool:
    """Whether `fd` is a terminal, and our process group is its foreground process group."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


def _is_controlling(fd: int) -> bool:
    try:
        return os.tcgetpgrp(fd) > 0
    except OSError:
        return False


class Terminal:
    """A context manager for a running event loop, in the main thread."""

    def __init__(self, copier: OutputCopier) -> None:
        self._copier = copier
        self._modes: Modes | None = None  # to restore, while in the foreground
        self._timer: asyncio.TimerHandle | None = None

    @staticmethod
    def is_usable() -> bool:
        """Whether stdin and stdout are terminals, and stdin is the controlling terminal.

        This includes a background job, which gets the terminal with the shell's `fg`.
        """
        return os.isatty(_STDIN) and os.isatty(_STDOUT) and _is_controlling(_STDIN)

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGWINCH, self._copy_size)
        self._loop.add_signal_handler(signal.SIGTSTP, self._pause)
        self._loop.add_signal_handler(signal.SIGCONT, self._take)
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT):
            self._loop.remove_signal_handler(number)
        self._release()
        if self._timer is not None:
            self._timer.cancel()

    def open(self, output: Output) -> tuple[int, int]:
        """Open a pty for a generation; return (master, slave), both owned by the caller.

        Its size is that of our terminal, as far as it is for this output. Raises OSError.
        """
        master_fd, slave_fd = os.openpty()
        # Our terminal already turns "\n" into "\r\n", and the output's tail keeps plain newlines.
        modes = Modes.of(slave_fd)
        replace(modes, oflag=modes.oflag & ~termios.OPOST).apply(slave_fd)
        fcntl.ioctl(master_fd, termios.TIOCSWINSZ, output.fitted(_size()))
        return master_fd, slave_fd

    def _copy_size(self) -> None:
        self._copier.resize(_size())

    def _take(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(_FOREGROUND_POLL_S, self._poll)
        if not is_foreground(_STDIN):
            return
        if self._modes is None:
            # Read in the foreground only: before, these are the modes of the shell's line editor.
            self._modes = Modes.of(_STDIN)
        self._modes.transparent().apply(_STDIN)
        self._copier.listen_to_keyboard(True)
        self._copy_size()

    def _release(self) -> None:
        self._copier.listen_to_keyboard(False)
        if self._modes is not None and is_foreground(_STDIN):
            self._modes.apply(_STDIN)
        self._modes = None

    def _poll(self) -> None:
        """Take the terminal after the shell's `fg`, and release it when in the background."""
        self._timer = self._loop.call_later(_FOREGROUND_POLL_S, self._poll)
        if self._modes is None:
            if is_foreground(_STDIN):
                self._take()
        elif not is_foreground(_STDIN):
            self._release()

    def _pause(self) -> None:
        """Stop the process on Ctrl+Z, with the terminal's modes restored."""
        self._release()
        self._loop.remove_signal_handler(signal.SIGTSTP)
        os.kill(os.getpid(), signal.SIGTSTP)
        # Continued by SIGCONT: its handler takes the terminal again if in the foreground.
        self._loop.add_signal_handler(signal.SIGTSTP, self._pause)


def _size() -> bytes:
    """Our terminal's size, packed as for TIOCSWINSZ; zeros if it hung up."""
    unknown = struct.pack("HHHH", 0, 0, 0, 0)
    try:
        return fcntl.ioctl(_STDOUT, termios.TIOCGWINSZ, unknown)
    except OSError:
        return unknown
