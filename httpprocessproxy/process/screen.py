"""The state in which the backend's output leaves a terminal, and the sequences that undo it.

A server that is killed cannot put the terminal right itself: show the cursor, leave the alternate
screen, end mouse reports, colours and bracketed paste. termios knows nothing of these. Sequences:
ECMA-48 section 8.3, and the private modes of xterm (ctlseqs).
"""

import mmap
import re
from typing import Final

_SEQUENCE: Final = re.compile(
    rb"\x1b\[(?P<private>[?<>=]?)(?P<numbers>[\d;:]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    rb"|\x1b(?P<single>[c=>78]|\([0AB])"
)
# The longest beginning of a sequence that is kept until its end comes.
_LONGEST: Final = 64
_BEGUN: Final = re.compile(rb"\x1b(\[[?<>=]?[\d;:]*[ -/]*|\()?\Z")

# Private modes that a terminal begins with: automatic wrap, key repeat, the cursor.
_ON_AT_FIRST: Final = frozenset({7, 8, 25})
# In these the screen is another one, and comes back whole.
_ALTERNATE: Final = frozenset({47, 1047, 1049})

_SHARED_BYTES: Final = 4096

_shared: mmap.mmap | None = None


class ScreenState:
    """Follows one output."""

    def __init__(self) -> None:
        self.was_cleared = False  # since the last time that the reader set it to False
        self._begun = b""
        self._forget()

    def follow(self, piece: bytes) -> None:
        """Take the next piece of the output."""
        if not self._begun and b"\x1b" not in piece:
            return
        text = self._begun + piece
        self._begun = b""
        for match in _SEQUENCE.finditer(text):
            self._take(match)
        if begun := _BEGUN.search(text, max(0, len(text) - _LONGEST)):
            self._begun = begun[0]

    def undo(self) -> bytes:
        """The sequences that lead back to where a terminal begins, which is assumed from now on."""
        undoing = self.undoing()
        self._forget()
        return undoing

    def undoing(self) -> bytes:
        parts = [b"\x1b[<u" * self._keyboards, b"\x1b[>4m" * self._has_other_keys]
        parts += [b"\x1b>" * self._has_keypad, b"\x1b(B" * self._has_lines]
        parts.append(b"\x1b[m" * self._is_styled)
        # Setting margins moves the cursor: save and restore it (DECSC, DECRC).
        parts.append(b"\x1b7\x1b[r\x1b8" * self._has_margins)
        # The alternate screen last: what comes before belongs to it.
        for mode in sorted(self._modes, key=lambda mode: (mode in _ALTERNATE, mode)):
            parts.append(b"\x1b[?%d%c" % (mode, b"h" if mode in _ON_AT_FIRST else b"l"))
        return b"".join(parts)

    def _forget(self) -> None:
        self._modes: set[int] = set()  # that are not as at first
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
    """Let `left_by_child` tell what a child, forked from now on, has last told by `tell_parent`."""
    global _shared
    _shared = mmap.mmap(-1, _SHARED_BYTES)


def tell_parent(undoing: bytes) -> None:
    """Leave what the terminal needs, should this process be killed."""
    if _shared is not None and len(undoing) + 2 <= _SHARED_BYTES:
        _shared[: len(undoing) + 2] = len(undoing).to_bytes(2, "big") + undoing


def left_by_child() -> bytes:
    if _shared is None:
        return b""
    return _shared[2 : 2 + int.from_bytes(_shared[:2], "big")]
