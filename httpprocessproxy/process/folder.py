"""The working directory, which may be removed and created again (a git worktree, a fresh clone).

A process stays in its old directory, even when the path names a new one; and as long as a process
is in a directory, inotify does not report its removal.
"""

import errno
import os


class WorkingDirectory:
    """The path of this process's working directory, as it was when this object was created."""

    def __init__(self) -> None:
        self._path = os.getcwd()
        self._has_left = False

    def enter(self) -> bool:
        """Change to the directory that the path names now; return whether it is a new one.

        Raises FileNotFoundError if the directory was removed and does not exist again.
        """
        try:
            there = os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            self._leave_if_gone()
            return False  # the directory was renamed, and the process is still in it
        self._has_left = False
        if os.path.samestat(there, os.stat(".")):
            return False
        os.chdir(self._path)
        return True

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
