"""What git ignores, by the rules of one file such as `.gitignore` (gitignore(5)).

The rule: the last line that names a path decides. What is inside an ignored folder is ignored
whatever else says so; that, and which files there are, is for whoever asks. pathspec reads the
lines. No I/O.
"""

import functools
import re
from typing import Final

from pathspec.patterns.gitignore import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

# In pathspec's regular expressions, the slash behind a folder: what follows is inside of it.
_FOLDER: Final = "ps_d"

# A project has few names of folders, and files change a few at a time.
_REMEMBERED_NAMES: Final = 4096

_UNDECIDED: Final = -1

# Lines that pathspec reads otherwise than git: all folders; and those in a folder.
_ALL_FOLDERS: Final = re.compile(r"(!?)/?(?:\*\*/)+(?:\*/)?")
_FOLDERS_WITHIN: Final = "/**/"


class IgnoreRules:
    """The lines of one file. What git takes for no pattern is passed over here, too."""

    def __init__(self, text: str) -> None:
        lines = [line for at, text in enumerate(_split(text)) if (line := _read(at, text))]
        # Most lines are a name, wherever it is: a name asked once need not be asked again.
        self._names = [line for line in lines if line.is_name]
        self._paths = [line for line in lines if not line.is_name]
        self._ignoring = frozenset(line.number for line in lines if line.ignores)
        self._last_name = functools.lru_cache(_REMEMBERED_NAMES)(self._find_name)

    def decide(self, path: str, is_folder: bool) -> bool | None:
        """Whether `path`, relative to the folder of these rules, is ignored; None: not told."""
        last = self._last_name(path.rpartition("/")[2], is_folder)
        if self._paths:
            last = max(last, _last(self._paths, path, is_folder))
        return None if last == _UNDECIDED else last in self._ignoring

    def _find_name(self, name: str, is_folder: bool) -> int:
        return _last(self._names, name, is_folder)


class _IgnoreLine:
    """A line that names paths: its number, and whether it ignores or brings back."""

    __slots__ = ("_search", "ignores", "is_name", "number")

    def __init__(self, number: int, text: str, pattern: GitIgnoreSpecPattern) -> None:
        assert pattern.regex is not None, "a pattern names something"
        self.number = number
        self.ignores = bool(pattern.include)
        # A slash at its end alone does not bind it to a place.
        self.is_name = "/" not in text.rstrip("/")
        self._search = pattern.regex.search

    def names(self, path: str, is_folder: bool) -> bool:
        """Whether it names `path` itself, not only a folder above or what is inside."""
        found = self._search(path)
        if found is not None and not found.groupdict().get(_FOLDER):
            return True
        found = self._search(f"{path}/") if is_folder else None
        if found is None or not found.groupdict().get(_FOLDER):
            return False
        return found.end(_FOLDER) > len(path)


def _last(lines: list[_IgnoreLine], path: str, is_folder: bool) -> int:
    """The number of the last line that names `path`."""
    for line in reversed(lines):
        if line.names(path, is_folder):
            return line.number
    return _UNDECIDED


def _split(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]


def _read(number: int, text: str) -> _IgnoreLine | None:
    """The line, or None for one that names nothing: a comment, or no pattern."""
    if found := _ALL_FOLDERS.fullmatch(text.rstrip()):
        text = f"{found[1]}*/"
    elif text.rstrip().endswith(_FOLDERS_WITHIN):
        text = f"{text.rstrip()}*/"
    try:
        pattern = GitIgnoreSpecPattern(text)
    except GitIgnorePatternError:
        return None
    return _IgnoreLine(number, text.rstrip(), pattern) if pattern.include is not None else None
