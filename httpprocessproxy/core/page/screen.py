"""A terminal screen of unlimited height: the final form of output that overwrites itself.

Progress bars and spinners move the cursor within the last lines and write or erase there (ECMA-48
section 8.3: BS, CR, LF, CUU, CUD, CUF, CUB, CHA, EL, ED). An absolute position, or clearing the
screen, begins a new line: earlier lines stay, as in a terminal's scrollback.

`client/screen.js` is the same in JavaScript; `test/core/page/screen.json` tests both. No I/O.
"""

from typing import Final, Generic, TypeVar

StyleT = TypeVar("StyleT")

# A terminal stops the cursor at its edge; here it bounds the blanks that a sequence can cause.
COLUMNS: Final = 200
_NEW_LINE: Final = frozenset("HfJ")


class Screen(Generic[StyleT]):
    """Lines of cells, each a character and its style. `blank` is the style of skipped cells."""

    def __init__(self, blank: StyleT) -> None:
        self.lines: list[list[tuple[str, StyleT]]] = [[]]
        self._blank = blank
        self._row = 0
        self._column = 0

    def write(self, text: str, style: StyleT) -> None:
        """Write text at the cursor, over existing cells; it may contain line feeds."""
        first, *others = text.split("\n")
        self._overwrite(first, style)
        for line in others:
            self._feed_line()
            self._overwrite(line, style)

    def execute(self, final: str, parameter: str) -> None:
        """Move the cursor or erase: execute the control `final` with its first parameter, or ""."""
        number = int(parameter[:4] or 0)
        count = max(1, number)
        if final == "\r":
            self._column = 0
        elif final == "\b":
            self._column = max(0, self._column - 1)
        elif final in ("A", "F"):
            self._row = max(0, self._row - count)
        elif final in ("B", "E"):
            self._row = min(len(self.lines) - 1, self._row + count)
        elif final == "C":
            self._column = max(self._column, min(COLUMNS, self._column + count))
        elif final == "D":
            self._column = max(0, self._column - count)
        elif final == "G":
            self._column = min(COLUMNS, count - 1)
        elif final == "K":
            self._erase(number)
        elif final in _NEW_LINE:
            self._erase_below() if final == "J" and number == 0 else self._begin_line()
        if final in ("E", "F"):
            self._column = 0

    def _feed_line(self) -> None:
        self._row += 1
        self._column = 0
        if self._row == len(self.lines):
            self.lines.append([])

    def _begin_line(self) -> None:
        self._row = len(self.lines) - 1
        if self.lines[self._row]:
            self._feed_line()
        self._column = 0

    def _overwrite(self, text: str, style: StyleT) -> None:
        if not text:
            return
        line = self.lines[self._row]
        self._pad(line, self._column)
        end = self._column + len(text)
        line[self._column : end] = [(character, style) for character in text]
        self._column = end

    def _erase(self, how: int) -> None:
        line = self.lines[self._row]
        if how == 0:
            del line[self._column :]
        elif how == 1:
            rest = line[self._column + 1 :]
            line.clear()
            if rest:
                self._pad(line, self._column + 1)
                line += rest
        elif how == 2:
            line.clear()

    def _erase_below(self) -> None:
        self._erase(0)
        del self.lines[self._row + 1 :]

    def _pad(self, line: list[tuple[str, StyleT]], column: int) -> None:
        line += [(" ", self._blank)] * (column - len(line))
