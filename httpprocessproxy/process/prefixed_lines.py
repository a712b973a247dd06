"""One stream of a service as lines with a prefix, to be printed among those of other services.

Complete lines pass at once. The rest of a line is held until the line ends, or until `rest` is
called: it may be a prompt, or a progress bar, whose carriage returns repeat the prefix. Colours and
links pass, and end with each line; other control sequences, which move the cursor or set a mode,
and runs of empty lines are left out: the screen is not the service's alone. Sequences: ECMA-48
section 8.3.
"""

import re
from typing import Final

# A longer line is printed in parts.
MAX_HELD_BYTES: Final = 64 * 1024
# The rest of a line that is shown again with the service alone: longer than a prompt.
MAX_LINE_BYTES: Final = 4096
# A longer control sequence, such as a link, is printed in parts.
_MAX_CONTROL_BYTES: Final = 4096
# More attributes at once than programs combine; these are repeated on each line.
_MAX_STYLE_BYTES: Final = 256

_CONTROL: Final = re.compile(
    rb"(?P<return>\r+)"
    rb"|\x1b\[(?P<numbers>[0-?]*)[ -/]*(?P<final>[@-~])"
    rb"|(?P<link>\x1b\]8;[^\x07\x1b]*(?:\x07|\x1b\\))"
    rb"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"
    rb"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"
    # One that its line does not complete, and another character set.
    rb"|[\x1b\x0e\x0f]"
)
# A sequence that the next piece completes, a carriage return that may belong to a line feed, or the
# beginning of a character in UTF-8.
_BEGUN: Final = re.compile(
    rb"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?|\r+"
    rb"|[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z"
)
_RESET: Final = b"\x1b[m"
# Programs that clear the screen, such as Vite, scroll it away by many empty lines.
MAX_EMPTY_LINES: Final = 2


class PrefixedLines:
    """Use it in one thread only. `prefix` is that of the service.

    `is_open`: the last piece of this stream that was printed is the last on the screen, and its
    line has not ended. Otherwise the next piece begins a line.
    """

    def __init__(self) -> None:
        self.line = b""  # the present line so far, at most its last MAX_LINE_BYTES
        self._held = b""
        self._style = b""
        self._empty_lines = 0  # the last ones in a row

    @property
    def is_held(self) -> bool:
        """Whether `rest` would return a part of a line."""
        return self._rest_length > 0

    @property
    def _rest_length(self) -> int:
        held = self._held
        if len(held) > MAX_HELD_BYTES:
            return len(held)
        begun = _BEGUN.search(held, max(0, len(held) - _MAX_CONTROL_BYTES))
        return begun.start() if begun else len(held)

    def take(self, piece: bytes, prefix: bytes, *, is_open: bool) -> bytes:
        """Add a piece of the stream, and return the lines that it completes, to be printed."""
        self._follow(piece)
        text = self._held + piece
        end = text.rfind(b"\n") + 1
        self._held = text[end:]
        complete = self._without_runs(text[:end], is_open)
        shown = self._lines(complete, prefix, is_open) if complete else b""
        if len(self._held) > MAX_HELD_BYTES:
            shown += self.rest(prefix, is_open=is_open and not end)
        return shown

    def rest(self, prefix: bytes, *, is_open: bool) -> bytes:
        """Return the part of a line that is held, to be printed."""
        end = self._rest_length
        text, self._held = self._held[:end], self._held[end:]
        return self._begin(prefix, is_open) + self._body(text, prefix) if text else b""

    def skip(self, piece: bytes) -> None:
        """Add a piece of the stream that is not printed here."""
        self._follow(piece)
        self._held = self._style = b""

    def hold_line(self) -> None:
        """Hold the present line so far: its service is shown among others again."""
        self._held = self.line

    def _follow(self, piece: bytes) -> None:
        self.line = (self.line + piece)[-MAX_LINE_BYTES:].rpartition(b"\n")[2]

    def _without_runs(self, text: bytes, is_open: bool) -> bytes:
        """Return complete lines without the empty ones beyond MAX_EMPTY_LINES in a row."""
        if not text:
            return text
        if not text.startswith((b"\n", b"\r\n")) and b"\n\n" not in text and b"\n\r" not in text:
            self._empty_lines = 0
            return text
        kept = []
        for line in text[:-1].split(b"\n"):
            is_empty = not is_open and not line.rstrip(b"\r")
            is_open = False
            self._empty_lines = self._empty_lines + 1 if is_empty else 0
            if self._empty_lines <= MAX_EMPTY_LINES:
                kept.append(line + b"\n")
        return b"".join(kept)

    def _lines(self, text: bytes, prefix: bytes, is_open: bool) -> bytes:
        """Return complete lines with the prefix, and without controls of the cursor."""
        if not self._style and b"\x1b" not in text and b"\r" not in text:
            lines = text[:-1].replace(b"\n", b"\n" + prefix) + b"\n"
            return lines if is_open else prefix + lines
        parts = []
        for line in text[:-1].split(b"\n"):
            parts += [self._begin(prefix, is_open), self._body(line.rstrip(b"\r"), prefix), b"\n"]
            is_open = False
        return b"".join(parts)

    def _begin(self, prefix: bytes, is_open: bool) -> bytes:
        return self._style if is_open else prefix + self._style

    def _body(self, text: bytes, prefix: bytes) -> bytes:
        body = _CONTROL.sub(lambda match: self._control(match, prefix), text)
        return body + _RESET if self._style else body

    def _control(self, match: re.Match[bytes], prefix: bytes) -> bytes:
        """Return the text in place of a control sequence."""
        if match["return"] is not None:
            return self._return(prefix)
        if match["link"] is not None:
            return match["link"]
        match match["final"], match["numbers"]:
            case b"m", numbers:
                self._style = self._styled(match[0], numbers)
                return match[0]
            case b"K", b"" | b"0":
                return match[0]
            case b"K", b"2":  # The prefix is erased, too. Programs return before or after it.
                return self._return(prefix) + b"\x1b[K"
            case b"G", b"" | b"0" | b"1":
                return self._return(prefix)
        return b""

    def _return(self, prefix: bytes) -> bytes:
        return _RESET * bool(self._style) + b"\r" + prefix + self._style

    def _styled(self, sequence: bytes, numbers: bytes) -> bytes:
        """The sequences that set the attributes after this one (SGR)."""
        if not numbers.strip(b"0;"):
            return b""
        is_first = numbers.startswith((b"0;", b";"))
        style = sequence if is_first else self._style + sequence
        return style if len(style) <= _MAX_STYLE_BYTES else sequence
