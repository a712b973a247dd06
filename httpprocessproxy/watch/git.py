"""Which files git ignores in a work tree: its rules, from wherever they are (gitignore(5)).

The rule: the nearest `.gitignore` that names a path decides, then those of the folders above, then
`.git/info/exclude`, then `core.excludesFile`. They are read as they are asked for, and kept. That
git may track a file all the same does not matter: its index is not read.
"""

import copy
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from httpprocessproxy.core.change.ignore import IgnoreRules

GITIGNORE: Final = ".gitignore"

# It takes milliseconds, and without an answer there still is git's own default.
_GIT_TIMEOUT_S: Final = 2.0


class WorkTree:
    """The rules for `root`, the folder we work in, and all below. Paths are relative to it.

    To be used in one thread.
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

        A home directory may be a work tree that ignores every project in it. Where there is no
        repository, as in a container, in a mounted folder, before `git init`, `root` is taken
        for the top of one: a .gitignore says what is built and logged there as well.
        """
        root = Path(os.path.realpath(root))
        for top in (root, *root.parents):
            if (top / ".git").exists():
                found = cls(root, top)
                return None if found._is_ignored() else found
        return cls(root, root)

    def copy(self) -> "WorkTree":
        """The same for another thread."""
        found = copy.copy(self)
        found._rules, found._folders = {}, {}
        return found

    def ignores(self, path: str) -> bool:
        """Whether the file at `path` is ignored."""
        return self._ignores(self._prefix + path, is_folder=False)

    def ignores_folder(self, folder: str) -> bool:
        """Whether a folder is ignored, and so all that is in it."""
        return self._ignores_folder(self._prefix + folder)

    def forget(self) -> None:
        """Read each .gitignore anew."""
        self._rules.clear()
        self._folders.clear()

    def _is_ignored(self) -> bool:
        return self._prefix != "" and self._ignores_folder(self._prefix.rstrip("/"))

    # From here on paths are relative to the top of the work tree, which is the folder "".

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

    def _rules_in(self, folder: str) -> tuple[tuple[int, IgnoreRules], ...]:
        """Whose rules hold for what is in `folder`, and where the paths they name begin."""
        found = self._rules.get(folder)
        if found is None:
            found = self._rules_in(folder.rpartition("/")[0]) if folder else self._general
            start = len(folder) + 1 if folder else 0
            if own := _read(f"{self._top}/{folder}/{GITIGNORE}"):
                found = ((start, own), *found)
            self._rules[folder] = found
        return found


def _read(path: str | Path) -> IgnoreRules | None:
    # Most folders have none, and to ask first is much faster than an exception for each.
    if not os.access(path, os.R_OK):
        return None
    try:
        with open(path, errors="surrogateescape") as file:
            return IgnoreRules(file.read())
    except OSError:
        return None


def _general(root: Path, top: Path) -> list[Path]:
    """The files of rules that lie in no folder of the work tree, the most important first."""
    found = [_common_folder(top / ".git") / "info" / "exclude"]
    if excludes := _excludes_file(root):
        found.append(excludes)
    return found


def _common_folder(git: Path) -> Path:
    """What work trees of a repository share. In all but the first, `.git` is a file."""
    folder = git
    with suppress(OSError):
        folder = git.parent / git.read_text().strip().removeprefix("gitdir: ")
    with suppress(OSError):
        return folder / (folder / "commondir").read_text().strip()
    return folder


def _excludes_file(root: Path) -> Path | None:
    """Where the user's own rules are, as git's configuration says, or by default."""
    command = ["git", "config", "--path", "--get", "core.excludesFile"]
    with suppress(OSError, subprocess.TimeoutExpired):
        asked = subprocess.run(
            command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, timeout=_GIT_TIMEOUT_S
        )
        if asked.returncode == 0:
            return root / os.fsdecode(asked.stdout.rstrip(b"\n"))
    with suppress(RuntimeError):  # nobody has a home here
        settings = os.environ.get("XDG_CONFIG_HOME")
        return (Path(settings) if settings else Path.home() / ".config") / "git" / "ignore"
    return None
