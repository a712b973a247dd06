"""The terminal state that the backend's output has set, and the escape sequences that reset it.

A server that is killed cannot restore the terminal itself: show the cursor, leave the alternate
screen, end mouse reports, colours and bracketed paste. termios does not cover these. Sequences:
ECMA-48 section 8.3, and the private modes of xterm (ctlseqs).
"""

import mmap
import re
from typing import Final

_SEQUENCE: Final = re.compile(
    rb"\x1b\[(?P<private>[?<>=]?)(?P<numbers>[\d;:]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    rb"|\x1b(?P<single>[c=>78]|\([0AB])"
)
# The longest incomplete sequence that is buffered until the next piece.
_LONGEST: Final = 64
_BEGUN: Final = re.compile(rb"\x1b(\[[?<>=]?[\d;:]*[ -/]*|\()?\Z")

# Private modes that are set in a new terminal: automatic wrap, key repeat, the cursor.
_ON_AT_FIRST: Final = frozenset({7, 8, 25})
# Modes of the alternate screen: leaving them brings the main screen back unchanged.
_ALTERNATE: Final = frozenset({47, 1047, 1049})

_SWITCH: Final = re.compile(rb"\x1b\[\?[\d;]*(?:47|1047|1049)[hl]")

_SHARED_BYTES: Final = 4096

_shared: mmap.mmap | None = None


class ScreenState:
    """Tracks the terminal state that one output stream has set."""

    def __init__(self) -> None:
        self.was_cleared = False  # since the caller last set it to False
        self._begun = b""
        self._forget()

    def follow(self, piece: bytes) -> None:
        """Process the next piece of the output."""
        if not self._begun and b"\x1b" not in piece:
            return
        text = self._begun + piece
        self._begun = b""
        for match in _SEQUENCE.finditer(text):
            self._take(match)
        if begun := _BEGUN.search(text, max(0, len(text) - _LONGEST)):
            self._begun = begun[0]

    def follow_main(self, piece: bytes) -> bytes:
        """Process the next piece, and return its parts for the main screen."""
        parts, start = [], 0
        for end in [match.end() for match in _SWITCH.finditer(piece)] + [len(piece)]:
            part, start = piece[start:end], end
            parts.append(b"" if self.is_alternate else part)
            self.follow(part)
        return b"".join(parts)

    def undo(self) -> bytes:
        """Reset the tracked state, and return the sequences that reset the terminal."""
        restoring = self.restoring()
        self._forget()
        return restoring

    def restoring(self) -> bytes:
        """The sequences that reset the terminal; empty if its state is the initial one."""
        parts = [b"\x1b[<u" * self._keyboards, b"\x1b[>4m" * self._has_other_keys]
        parts += [b"\x1b>" * self._has_keypad, b"\x1b(B" * self._has_lines]
        parts.append(b"\x1b[m" * self._is_styled)
        # Setting margins moves the cursor: save and restore it (DECSC, DECRC).
        parts.append(b"\x1b7\x1b[r\x1b8" * self._has_margins)
        # The alternate screen last: the sequences before apply to it.
        for mode in sorted(self._modes, key=lambda mode: (mode in _ALTERNATE, mode)):
            parts.append(b"\x1b[?%d%c" % (mode, b"h" if mode in _ON_AT_FIRST else b"l"))
        return b"".join(parts)

    def repeating(self) -> bytes:
        """The sequences that set the tracked state again, in a terminal in its initial state.

        Colours and margins are left out: a program sets them for what it prints next.
        """
        # The alternate screen first: modes are set in it.
        modes = sorted(self._modes, key=lambda mode: (mode not in _ALTERNATE, mode))
        parts = [b"\x1b[?%d%c" % (mode, b"l" if mode in _ON_AT_FIRST else b"h") for mode in modes]
        parts += [b"\x1b=" * self._has_keypad, b"\x1b[>4;2m" * self._has_other_keys]
        parts.append(b"\x1b[>1u" * self._keyboards)
        return b"".join(parts)

    @property
    def is_alternate(self) -> bool:
        """Whether the alternate screen is shown, as by a full-screen program."""
        return bool(self._modes & _ALTERNATE)

    def _forget(self) -> None:
        self._modes: set[int] = set()  # private modes that differ from the initial state
        self._is_styled = self._has_margins = self._has_keypad = False
        self._has_lines = self._has_other_keys = False
        self._keyboards = 0

    def _take(self, match: re.Match[bytes]) -> None:
        if (single := match["single"]) is not None:
            self._take_single(single)
            return
        match match["private"] + match["between"] + match["final"]:
            case b"?h" | b"?l" as kind:
                self._set_modes(match["numbers"], kind == b"?h")
            case b"m":
                self._is_styled = match["numbers"].strip(b"0;") != b""
            case b"J":
                is_whole = match["numbers"] in (b"2", b"3")
                self.was_cleared |= is_whole and not self._modes & _ALTERNATE
            case b"r":
                self._has_margins = match["numbers"] not in (b"", b";")
            case b">m":
                self._has_other_keys = match["numbers"].startswith(b"4;")
            case b">u":
                self._keyboards += 1
            case b"<u":
                self._keyboards = max(0, self._keyboards - 1)
            case b"!p":
                self._forget()

    def _take_single(self, single: bytes) -> None:
        match single:
            case b"c":
                self._forget()
                self.was_cleared = True
            case b"=" | b">":
                self._has_keypad = single == b"="
            case b"(0" | b"(A" | b"(B":
                self._has_lines = single != b"(B"

    def _set_modes(self, numbers: bytes, on: bool) -> None:
        for mode in {int(number) for number in numbers.split(b";") if number.isdigit()}:
            if on == (mode in _ON_AT_FIRST):
                self._modes.discard(mode)
            else:
                self._modes.add(mode)


def share_with_children() -> None:
    """Create the memory of `save_for_parent` and `saved_by_child`; call it before forking."""
    global _shared
    _shared = mmap.mmap(-1, _SHARED_BYTES)


def save_for_parent(restoring: bytes) -> None:
    """Save the sequences that reset the terminal, in case this process is killed."""
    if _shared is not None and len(restoring) + 2 <= _SHARED_BYTES:
        _shared[: len(restoring) + 2] = len(restoring).to_bytes(2, "big") + restoring


def saved_by_child() -> bytes:
    """The sequences that the child saved last."""
    if _shared is None:
        return b""
    return _shared[2 : 2 + int.from_bytes(_shared[:2], "big")]
