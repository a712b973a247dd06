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
# A shell's `fg` sends no signal to a job that runs: only a look tells that the keyboard is ours.
_FOREGROUND_LOOK_S = 1.0


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


def _is_controlling(fd: int) -> bool:
    try:
        return os.tcgetpgrp(fd) > 0
    except OSError:
        return False


class Terminal:
    """Used as a context manager in a running event loop, in the main thread."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._modes: Modes | None = None  # to give back, while the terminal is ours
        self._look: asyncio.TimerHandle | None = None

    @staticmethod
    def is_usable() -> bool:
        """Whether we have a terminal to lend, both to type on and to print on.

        It may be that of a job in the background, which becomes ours with the shell's `fg`.
        """
        return os.isatty(_STDIN) and os.isatty(_STDOUT) and _is_controlling(_STDIN)

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
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
        if self._look is not None:
            self._look.cancel()

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
        if self._look is not None:
            self._look.cancel()
        self._look = self._loop.call_later(_FOREGROUND_LOOK_S, self._look_again)
        if not is_foreground(_STDIN):
            return
        if self._modes is None:
            # In the background they are those of the shell's own line editor.
            self._modes = Modes.of(_STDIN)
        self._modes.transparent().apply(_STDIN)
        self._output.listen_to_keyboard(True)
        self._copy_size()

    def _give_back(self) -> None:
        self._output.listen_to_keyboard(False)
        if self._modes is not None and is_foreground(_STDIN):
            self._modes.apply(_STDIN)
        self._modes = None

    def _look_again(self) -> None:
        """Take the terminal when `fg` has made it ours, and let go of one that is not any more."""
        self._look = self._loop.call_later(_FOREGROUND_LOOK_S, self._look_again)
        if self._modes is None:
            if is_foreground(_STDIN):
                self._take()
        elif not is_foreground(_STDIN):
            self._give_back()

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
