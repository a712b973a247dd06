"""An output of the proxy, stdout or stderr, with the state of the terminal there."""

import os
import select
from dataclasses import dataclass, field

from httpprocessproxy.process.screen import ScreenState, save_for_parent


@dataclass(slots=True)
class OutputSink:
    """Writes in full, and ignores errors: its reader may go away before the proxy ends."""

    fd: int
    is_open: bool = True
    is_at_line_start: bool = True
    screen: ScreenState | None = field(init=False)

    def __post_init__(self) -> None:
        self.screen = ScreenState() if os.isatty(self.fd) else None

    def copy(self, piece: bytes) -> None:
        """Write a piece of the backend's output."""
        if self.screen is not None:
            self.screen.follow(piece)
            if b"\x1b" in piece:
                save_for_parent(self.screen.restoring())
        self.write(piece)

    @property
    def has_colours(self) -> bool:
        """Whether the proxy's own parts of lines are coloured here: https://no-color.org/."""
        is_plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        return self.screen is not None and not is_plain

    def restore(self) -> None:
        """Reset the terminal's state after the end of a backend."""
        if self.screen is not None and (restoring := self.screen.undo()):
            was_at_line_start = self.is_at_line_start
            self.write(restoring)
            self.is_at_line_start = was_at_line_start
            save_for_parent(b"")

    def takes_cleared(self) -> bool:
        """Whether the backend has cleared the screen since the last call."""
        if self.screen is None or not self.screen.was_cleared:
            return False
        self.screen.was_cleared = False
        return True

    def write(self, piece: bytes) -> None:
        """Write all bytes; blocks for as long as the reader does not read."""
        if piece:
            self.is_at_line_start = piece.endswith(b"\n")
        rest = memoryview(piece)
        while rest and self.is_open:
            try:
                rest = rest[os.write(self.fd, rest) :]
            except BlockingIOError:
                # The parent process made it non-blocking, and may rely on that.
                select.select([], [self.fd], [])
            except OSError:
                self.is_open = False
