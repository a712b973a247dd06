"""Output of modules at their import: each fork prints it again, as a cold start would.

It is captured by a pipe, as in most starts: Python's streams depend on the kind of their file.
"""

import asyncio
import os

_MAX_BYTES = 64 * 1024


class CapturedOutput:
    """The stdout or stderr of the fork server: `write_fd` becomes its descriptor 1 or 2."""

    def __init__(self) -> None:
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        self._text = bytearray()
        self._is_over = False

    @property
    def text(self) -> bytes:
        return bytes(self._text)

    def begin(self) -> None:
        """Begin to read, once the process has inherited the write end."""
        os.close(self.write_fd)
        asyncio.get_running_loop().add_reader(self._read_fd, self._read)

    def end_of_imports(self) -> None:
        """Read the rest, and stop capturing: later output is the fork server's, and discarded."""
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
