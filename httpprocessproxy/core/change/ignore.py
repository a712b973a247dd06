"""Git's ignore rules in one file such as `.gitignore` (gitignore(5)).

The last line that names a path decides. Everything inside an ignored folder is ignored, whatever
other lines say; the caller checks the folders above a path, and reads the files. pathspec parses
the lines. No I/O.
"""

import functools
import re
from typing import Final

from pathspec.patterns.gitignore import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

# The group for the slash after a folder in pathspec's regular expressions.
_FOLDER: Final = "ps_d"

# Enough: a project has few different names of folders, and few files change at a time.
_CACHED_NAMES: Final = 4096

_UNDECIDED: Final = -1

# Lines that pathspec and git read differently: for all folders, and for the folders in a folder.
_ALL_FOLDERS: Final = re.compile(r"(!?)/?(?:\*\*/)+(?:\*/)?")
_FOLDERS_WITHIN: Final = "/**/"


class IgnoreRules:
    """The lines of one file. Lines that git does not accept as patterns are skipped."""

    def __init__(self, text: str) -> None:
        lines = [line for at, text in enumerate(_split(text)) if (line := _read(at, text))]
        # Most lines match a name at any depth, so the result for a name can be cached.
        self._names = [line for line in lines if line.is_name]
        self._paths = [line for line in lines if not line.is_name]
        self._ignoring = frozenset(line.number for line in lines if line.ignores)
        self._last_name = functools.lru_cache(_CACHED_NAMES)(self._find_name)

    def decide(self, path: str, is_folder: bool) -> bool | None:
        """Whether `path`, relative to the rules' folder, is ignored; None if no line names it."""
        last = self._last_name(path.rpartition("/")[2], is_folder)
        if self._paths:
            last = max(last, _last(self._paths, path, is_folder))
        return None if last == _UNDECIDED else last in self._ignoring

    def _find_name(self, name: str, is_folder: bool) -> int:
        return _last(self._names, name, is_folder)


class _IgnoreLine:
    """A line with a pattern: its number, and whether it ignores (`x`) or includes (`!x`)."""

    __slots__ = ("_search", "ignores", "is_name", "number")

    def __init__(self, number: int, text: str, pattern: GitIgnoreSpecPattern) -> None:
        assert pattern.regex is not None, "a line with a pattern has a regular expression"
        self.number = number
        self.ignores = bool(pattern.include)
        # A trailing slash alone does not anchor the pattern to the rules' folder.
        self.is_name = "/" not in text.rstrip("/")
        self._search = pattern.regex.search

    def names(self, path: str, is_folder: bool) -> bool:
        """Whether the pattern matches `path` itself, not only a folder above or files inside."""
        found = self._search(path)
        if found is not None and not found.groupdict().get(_FOLDER):
            return True
        found = self._search(f"{path}/") if is_folder else None
        if found is None or not found.groupdict().get(_FOLDER):
            return False
        return found.end(_FOLDER) > len(path)


def _last(lines: list[_IgnoreLine], path: str, is_folder: bool) -> int:
    """The number of the last line that names `path`, or _UNDECIDED."""
    for line in reversed(lines):
        if line.names(path, is_folder):
            return line.number
    return _UNDECIDED


def _split(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]


def _read(number: int, text: str) -> _IgnoreLine | None:
    """Parse a line; None for a comment, an empty line or an invalid pattern."""
    if found := _ALL_FOLDERS.fullmatch(text.rstrip()):
        text = f"{found[1]}*/"
    elif text.rstrip().endswith(_FOLDERS_WITHIN):
        text = f"{text.rstrip()}*/"
    try:
        pattern = GitIgnoreSpecPattern(text)
    except GitIgnorePatternError:
        return None
    return _IgnoreLine(number, text.rstrip(), pattern) if pattern.include is not None else None
