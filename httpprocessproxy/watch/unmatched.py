"""Globs of the user's that match no file: most often, a mistake in a name.

The look is bounded: in a huge project, where no file is found soon, nothing is said.
"""

import asyncio
import difflib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from httpprocessproxy.config import Config
from httpprocessproxy.core.change.patterns import Patterns
from httpprocessproxy.watch.scope import Scope
from httpprocessproxy.watch.tree import walk

# A tenth of a second, beside the start of the server.
MAX_ENTRIES = 20_000


async def say_unmatched(config: Config, root: Path, say: Callable[[str], None]) -> None:
    """Say of each glob that no file matches, with a folder that may be meant."""
    for line in await asyncio.to_thread(lambda: list(unmatched(config, root))):
        say(line)


def unmatched(config: Config, root: Path) -> Iterator[str]:
    """A line for each glob that matches no file below `root`."""
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
    """The name at which the glob leaves what is there, and one that is alike."""
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
