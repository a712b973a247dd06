"""What the modules print as they are imported: each fork prints it again, as a cold start would.

It is a pipe, as in most starts, for a stream remembers what it was opened on.
"""

import asyncio
import os

_MAX_BYTES = 64 * 1024


class CapturedOutput:
    """One stream of the fork server. `write_fd` is to be its 1 or 2."""

    def __init__(self) -> None:
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        self._text = bytearray()
        self._is_over = False

    @property
    def text(self) -> bytes:
        return bytes(self._text)

    def begin(self) -> None:
        """The process has the other end now."""
        os.close(self.write_fd)
        asyncio.get_running_loop().add_reader(self._read_fd, self._read)

    def end_of_imports(self) -> None:
        """All was printed by now. What comes later is the fork server's own, and not shown."""
        while self._read():
            pass
        self._is_over = True

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._read_fd)
        os.close(self._read_fd)

    def _read(self) -> bool:
        try:
            piece = os.read(self._read_fd, _MAX_BYTES)
        except BlockingIOError:
            return False
        if not piece:
            asyncio.get_running_loop().remove_reader(self._read_fd)
        elif not self._is_over:
            self._text += piece[: _MAX_BYTES - len(self._text)]
        return bool(piece)
