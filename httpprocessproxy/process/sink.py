"""One of our own outputs, stdout or stderr, and what the backend has done to the terminal there."""

import os
import select
from dataclasses import dataclass, field

from httpprocessproxy.process.screen import ScreenState, tell_parent


@dataclass(slots=True)
class OutputSink:
    """It ends quietly: its reader may leave before we do."""

    fd: int
    is_open: bool = True
    is_at_line_start: bool = True
    screen: ScreenState | None = field(init=False)

    def __post_init__(self) -> None:
        self.screen = ScreenState() if os.isatty(self.fd) else None

    def copy(self, piece: bytes) -> None:
        """Write what the backend has printed."""
        if self.screen is not None:
            self.screen.follow(piece)
            if b"\x1b" in piece:
                tell_parent(self.screen.undoing())
        self.write(piece)

    def restore(self) -> None:
        """Put the terminal right after a backend that is gone."""
        if self.screen is not None and (undoing := self.screen.undo()):
            was_at_line_start = self.is_at_line_start
            self.write(undoing)
            self.is_at_line_start = was_at_line_start
            tell_parent(b"")

    def takes_cleared(self) -> bool:
        """Whether the backend has cleared the screen since the last call."""
        if self.screen is None or not self.screen.was_cleared:
            return False
        self.screen.was_cleared = False
        return True

    def write(self, piece: bytes) -> None:
        """Write all of it, however long that takes."""
        if piece:
            self.is_at_line_start = piece.endswith(b"\n")
        rest = memoryview(piece)
        while rest and self.is_open:
            try:
                rest = rest[os.write(self.fd, rest) :]
            except BlockingIOError:
                # Whoever started us made it non-blocking, and may want it to stay so.
                select.select([], [self.fd], [])
            except OSError:
                self.is_open = False
