"""Our terminal, lent to the backend: a pseudo-terminal (pty) for each generation.

What the backend prints there comes out of ours, what is typed on ours goes in there, and the
size follows. So `breakpoint()` and colours work although the backend is in a session of its
own. Ours stays in charge of Ctrl+C and Ctrl+Z (ISIG): they reach us, not the backend.

The modes of our terminal are restored always: at the end, and while we are stopped. While we
are in the background, the terminal is not ours to touch.
"""

import asyncio
import fcntl
import os
import signal
import struct
import termios
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from httpprocessproxy.process.output import Output

_STDIN, _STDOUT = 0, 1


@dataclass(frozen=True, slots=True)
class Modes:
    """What `termios.tcgetattr` tells of a terminal, with names."""

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
            pass  # It hung up: there is nothing to set any more.

    def transparent(self) -> Self:
        """Each key at once, unechoed and as it is: the pty does with keys what a terminal does."""
        characters = list(self.characters)
        characters[termios.VMIN], characters[termios.VTIME] = 1, 0
        return replace(
            self,
            iflag=self.iflag & ~(termios.ICRNL | termios.INLCR | termios.IGNCR),
            lflag=self.lflag & ~(termios.ICANON | termios.ECHO | termios.IEXTEN),
            characters=tuple(characters),
        )


def is_foreground(fd: int) -> bool:
    """Whether `fd` is a terminal whose keyboard is ours now."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


class Terminal:
    """Used as a context manager in a running event loop, in the main thread."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._modes: Modes | None = None

    @staticmethod
    def is_usable() -> bool:
        """Whether we have a terminal to lend: both to type on and to print on, and ours now."""
        return os.isatty(_STDIN) and os.isatty(_STDOUT) and is_foreground(_STDIN)

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._modes = Modes.of(_STDIN)
        self._loop.add_signal_handler(signal.SIGWINCH, self._copy_size)
        self._loop.add_signal_handler(signal.SIGTSTP, self._pause)
        self._loop.add_signal_handler(signal.SIGCONT, self._take)
        self._take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number in (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT):
            self._loop.remove_signal_handler(number)
        self._give_back()

    def open(self) -> tuple[int, int]:
        """A new pty of our terminal's size: (our end, the backend's end). The caller owns both.

        Raises OSError.
        """
        master_fd, slave_fd = os.openpty()
        # Our terminal makes "\r\n" of "\n"; once is enough, and the remembered tail stays plain.
        modes = Modes.of(slave_fd)
        replace(modes, oflag=modes.oflag & ~termios.OPOST).apply(slave_fd)
        fcntl.ioctl(master_fd, termios.TIOCSWINSZ, _size())
        return master_fd, slave_fd

    def _copy_size(self) -> None:
        self._output.resize(_size())

    def _take(self) -> None:
        if self._modes is None or not is_foreground(_STDIN):
            return
        self._modes.transparent().apply(_STDIN)
        self._output.listen_to_keyboard(True)
        self._copy_size()

    def _give_back(self) -> None:
        self._output.listen_to_keyboard(False)
        if self._modes is not None and is_foreground(_STDIN):
            self._modes.apply(_STDIN)

    def _pause(self) -> None:
        """Ctrl+Z: stop as any program does, with the terminal as it was."""
        self._give_back()
        self._loop.remove_signal_handler(signal.SIGTSTP)
        os.kill(os.getpid(), signal.SIGTSTP)
        # SIGCONT arrived, and its handler takes the terminal again if it is ours.
        self._loop.add_signal_handler(signal.SIGTSTP, self._pause)


def _size() -> bytes:
    """Our terminal's size, as the kernel packs it; zeros if it hung up."""
    unknown = struct.pack("HHHH", 0, 0, 0, 0)
    try:
        return fcntl.ioctl(_STDOUT, termios.TIOCGWINSZ, unknown)
    except OSError:
        return unknown
