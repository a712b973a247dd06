"""The working directory, which may be removed and created again (a git worktree, a fresh clone).

A process stays in its old directory, even when the path names a new one; and as long as a process
is in a directory, inotify does not report its removal.
"""

import errno
import os
from pathlib import Path


class WorkingDirectory:
    """The path of this process's working directory, as it was when this object was created.

    `folder` is the directory of a service, an absolute path, if that is another one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._path = os.getcwd()
        self._has_left = False
        self._folder = folder
        self._identity = self._identify()

    def enter(self) -> bool:
        """Change to the directory that the path names now.

        Returns whether the service's directory is another one than at the last call. Raises
        FileNotFoundError if ours was removed and does not exist again.
        """
        before, self._identity = self._identity, None
        self._enter()
        self._identity = self._identify()
        return self._identity != before

    def _identify(self) -> tuple[int, int] | None:
        """The identity of the service's directory; None if it is missing."""
        try:
            found = os.stat(self._folder or ".")
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _enter(self) -> None:
        try:
            there = os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            self._leave_if_gone()
            return  # the directory was renamed, and the process is still in it
        self._has_left = False
        if not os.path.samestat(there, os.stat(".")):
            os.chdir(self._path)

    def _leave_if_gone(self) -> None:
        if not self._has_left and _exists():
            return
        os.chdir("/")
        self._has_left = True
        # posix_spawn(3) succeeds in a removed directory; the backend would fail less clearly.
        why = f"the working directory is gone: make {self._path} again, and save a file"
        raise FileNotFoundError(errno.ENOENT, why)


def _exists() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True
