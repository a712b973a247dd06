"""Warnings about the user's globs that match no file: most often a misspelt name.

The search is bounded: in a huge project, a glob without an early match gives no warning.
"""

import asyncio
import difflib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from httpprocessproxy.config import WatchConfig
from httpprocessproxy.core.change.patterns import Patterns
from httpprocessproxy.watch.scope import Scope
from httpprocessproxy.watch.tree import walk

# A tenth of a second of work while the server starts.
MAX_ENTRIES = 20_000


async def warn_unmatched(config: WatchConfig, root: Path, say: Callable[[str], None]) -> None:
    """Warn about each glob that matches no file, with the name that may be meant."""
    for line in await asyncio.to_thread(lambda: list(unmatched(config, root))):
        say(line)


def unmatched(config: WatchConfig, root: Path) -> Iterator[str]:
    """Yield a line for each glob that matches no file below `root`."""
    globs = [("--pattern", glob) for glob in config.patterns]
    globs += [("--refresh", glob) for glob in config.refresh]
    for option, glob in globs:
        patterns = Patterns((glob,), config.excludes, config.default_excludes)
        if _matches_none(root, Scope(patterns)):
            yield f"{option} '{glob}' matches no file here{_hint(root, glob)}"


def _matches_none(root: Path, scope: Scope) -> bool:
    left = MAX_ENTRIES
    seen: set[tuple[int, int]] = set()

    def enter(folder: str) -> bool:
        try:
            found = os.stat(root / folder)
        except OSError:
            return False
        identity = found.st_dev, found.st_ino
        is_new = identity not in seen
        seen.add(identity)
        return is_new

    for prefix, files in walk(root, scope, "", enter):
        left -= len(files) + 1
        if left < 0 or any(scope.matches(prefix + entry.name) for entry in files):
            return False
    return True


def _hint(root: Path, glob: str) -> str:
    """An existing path similar to the first missing name in the glob; "" if there is none."""
    if glob.startswith("!"):
        return f": --exclude '{glob[1:]}' leaves files out"
    above = ""
    for name in glob.split("/"):
        if any(sign in name for sign in "*?[{"):
            break
        if not os.path.lexists(root / above / name):
            alike = difflib.get_close_matches(name, _names(root / above), 1)
            return f": there is '{above}{alike[0]}'" if alike else ""
        above = f"{above}{name}/"
    return ""


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
