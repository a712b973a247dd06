"""The lines of the keys in a file, for errors: `tomllib` does not keep them.

The scanner reads a text that tomllib has accepted, so it does not check anything.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Final

from httpprocessproxy.config.key_source import Keys

_SPACE: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANKS: Final = re.compile(r"[ \t]*")
_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
# A number, a date with a time behind a blank, or a boolean.
_BARE_VALUE: Final = re.compile(r"[^,\]}#\r\n]+")


def key_lines(text: str) -> Mapping[Keys, int]:
    """The line, from 1, where each table and each key of a TOML file first stands."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[Keys, int] = {}

    def scan(self) -> Mapping[Keys, int]:
        table: Keys = ()
        while self._next():
            if self._text[self._at] == "[":
                brackets = 2 if self._text.startswith("[[", self._at) else 1
                self._at += brackets
                table = self._key(())
                self._at += brackets
            else:
                self._pair(table)
        return self._lines

    def _next(self) -> str:
        """Skip space and comments; return the character behind them, or "" at the end."""
        self._skip(_SPACE)
        return self._text[self._at : self._at + 1]

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None, "tomllib has accepted the text"
        self._at = match.end()
        return match[0]

    def _pair(self, table: Keys) -> None:
        keys = self._key(table)
        self._skip(_BLANKS)
        self._at += 1  # =
        self._skip(_BLANKS)
        self._value(keys)

    def _key(self, table: Keys) -> Keys:
        """Read a key, dotted or not, and record it and the tables that it makes."""
        keys = table
        while True:
            self._skip(_BLANKS)
            is_quoted = self._text[self._at] in "\"'"
            written = self._skip(_STRING if is_quoted else _BARE_KEY)
            key = tomllib.loads(f"key = {written}")["key"] if is_quoted else written
            keys = (*keys, key)
            self._lines.setdefault(keys, self._text.count("\n", 0, self._at) + 1)
            self._skip(_BLANKS)
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _value(self, keys: Keys) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self._skip(_STRING)
        elif first == "[":
            self._members("]", keys)
        elif first == "{":
            self._members("}", keys)
        else:
            self._skip(_BARE_VALUE)

    def _members(self, end: str, keys: Keys) -> None:
        """Skip the members of an array or of an inline table; the keys of both are recorded."""
        self._at += 1
        while self._next() != end:
            if self._text[self._at] == ",":
                self._at += 1
            elif end == "}":
                self._pair(keys)
            else:
                self._value(keys)
        self._at += 1
