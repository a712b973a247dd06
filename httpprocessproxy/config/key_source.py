"""A file of keys, and errors that name the lines of these keys."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from httpprocessproxy.core.errors import UserError

# The path of a key in the tables of a file.
Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeySource:
    """A file of keys; `prefix` is the path of the program's table in it.

    `lines` returns the line of each key by its path in the tables of the file. Only an error needs
    them.
    """

    path: Path
    lines: Callable[[], Mapping[Keys, int]]
    prefix: Keys = ()

    def error(self, keys: Sequence[str], text: str) -> UserError:
        """An error of the key, in a line of text."""
        name = f"{'.'.join(keys)}: " if keys else ""
        return UserError(f"{self.place(keys)}: {name}{text}")

    def place(self, keys: Sequence[str]) -> str:
        """The file, and the line of the key or of its table."""
        where: Keys = (*self.prefix, *keys)
        lines = self.lines()
        while where and where not in lines:
            where = where[:-1]
        return f"{self.path}:{lines[where]}" if where else str(self.path)
