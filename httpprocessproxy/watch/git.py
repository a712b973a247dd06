"""Git's ignore rules in a work tree (gitignore(5)).

The nearest `.gitignore` that names a path decides, then those of the folders above, then
`.git/info/exclude`, then `core.excludesFile`. The files are read on demand and cached. Git's index
is not read: a file that matches a rule is ignored even if git tracks it.
"""

import copy
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from httpprocessproxy.system.checkout import git_folder

if TYPE_CHECKING:
    from httpprocessproxy.core.change.ignore import IgnoreRules

GITIGNORE: Final = ".gitignore"

# `git config` takes milliseconds; after a timeout, git's default path applies.
_GIT_TIMEOUT_S: Final = 2.0


class WorkTree:
    """The rules for `root`, the watched folder, and all below it. Paths are relative to it.

    Not thread-safe.
    """

    def __init__(self, root: Path, top: Path) -> None:
        self._top = top
        inside = root.relative_to(top).as_posix()
        self._prefix = "" if inside == "." else f"{inside}/"
        self._general = tuple((0, rules) for path in _general(root, top) if (rules := _read(path)))
        self._rules: dict[str, tuple[tuple[int, IgnoreRules], ...]] = {}
        self._folders: dict[str, bool] = {}

    @classmethod
    def around(cls, root: Path) -> Self | None:
        """The work tree that holds `root`; None if it ignores all of it.

        A home directory may be a work tree that ignores every project in it. Without a repository
        (in a container, in a mounted folder, before `git init`) `root` is taken for the top of
        one: its .gitignore names build output and logs all the same.
        """
        root = Path(os.path.realpath(root))
        for top in (root, *root.parents):
            if (top / ".git").exists():
                found = cls(root, top)
                return None if found._is_ignored() else found
        return cls(root, root)

    def copy(self) -> "WorkTree":
        """A copy for another thread."""
        found = copy.copy(self)
        found._rules, found._folders = {}, {}
        return found

    def ignores(self, path: str) -> bool:
        """Whether the file at `path` is ignored."""
        return self._ignores(self._prefix + path, is_folder=False)

    def ignores_folder(self, folder: str) -> bool:
        """Whether a folder, and so everything in it, is ignored."""
        return self._ignores_folder(self._prefix + folder)

    def forget(self) -> None:
        """Clear the cache: each .gitignore is read again."""
        self._rules.clear()
        self._folders.clear()

    def _is_ignored(self) -> bool:
        return self._prefix != "" and self._ignores_folder(self._prefix.rstrip("/"))

    # The methods below take paths relative to the top of the work tree, which is the folder "".

    def _ignores_folder(self, folder: str) -> bool:
        found = self._folders.get(folder)
        if found is None:
            found = self._folders[folder] = self._ignores(folder, is_folder=True)
        return found

    def _ignores(self, path: str, *, is_folder: bool) -> bool:
        above = path.rpartition("/")[0]
        if above and self._ignores_folder(above):
            return True
        for start, rules in self._rules_in(above):
            decision = rules.decide(path[start:], is_folder)
            if decision is not None:
                return decision
        return False

    def _rules_in(self, folder: str) -> tuple[tuple[int, "IgnoreRules"], ...]:
        """The rules for files in `folder`, each with the index at which its paths begin."""
        found = self._rules.get(folder)
        if found is None:
            found = self._rules_in(folder.rpartition("/")[0]) if folder else self._general
            start = len(folder) + 1 if folder else 0
            if own := _read(f"{self._top}/{folder}/{GITIGNORE}"):
                found = ((start, own), *found)
            self._rules[folder] = found
        return found


def _read(path: str | Path) -> "IgnoreRules | None":
    # Most folders have no .gitignore, and access(2) is much faster than an exception.
    if not os.access(path, os.R_OK):
        return None
    # Imported for the first file of rules: pathspec takes 12 ms at each start.
    from httpprocessproxy.core.change.ignore import IgnoreRules

    try:
        with open(path, errors="surrogateescape") as file:
            return IgnoreRules(file.read())
    except OSError:
        return None


def _general(root: Path, top: Path) -> list[Path]:
    """The files with rules for the whole work tree, highest precedence first."""
    found = [_common_folder(top) / "info" / "exclude"]
    if excludes := _excludes_file(root):
        found.append(excludes)
    return found


def _common_folder(top: Path) -> Path:
    """The git directory shared by all work trees."""
    folder = git_folder(top)
    with suppress(OSError):
        return folder / (folder / "commondir").read_text().strip()
    return folder


def _excludes_file(root: Path) -> Path | None:
    """The path of the user's rules: `core.excludesFile`, or git's default."""
    command = ["git", "config", "--path", "--get", "core.excludesFile"]
    with suppress(OSError, subprocess.TimeoutExpired):
        finished = subprocess.run(
            command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, timeout=_GIT_TIMEOUT_S
        )
        if finished.returncode == 0:
            return root / os.fsdecode(finished.stdout.rstrip(b"\n"))
    with suppress(RuntimeError):  # the user has no home directory
        settings = os.environ.get("XDG_CONFIG_HOME")
        return (Path(settings) if settings else Path.home() / ".config") / "git" / "ignore"
    return None
