"""The search for a text in the lines of an output that arrives in pieces. No I/O."""

from typing import Final

from httpprocessproxy.core.page import ansi

# The part of a line that is searched for a text: longer lines are data rather than messages.
MAX_LINE_BYTES: Final = 16 * 1024


class LineSearch:
    """Finds the first line that contains a text, in colours or not; streams are independent."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._bytes = text.encode()
        self._lines: dict[str, bytes] = {}  # the beginning of a line, by stream

    def finds(self, stream: str, piece: bytes) -> bool:
        """Whether the text is in a line that `piece` begins, continues or ends."""
        *complete, rest = (self._lines.get(stream, b"") + piece).split(b"\n")
        self._lines[stream] = rest[-MAX_LINE_BYTES:]
        return any(map(self._is_in, (*complete, rest)))

    def _is_in(self, line: bytes) -> bool:
        return self._bytes in line or (b"\x1b" in line and self._text in ansi.to_text(line))
