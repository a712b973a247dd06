"""The working directory, which may be removed and made again (a git worktree, a fresh clone).

A process keeps the directory that it had, although its path leads to another one by now; and the
kernel tells no watcher that a directory is gone as long as a process is in it.
"""

import errno
import os


class WorkingDirectory:
    """The one of this process at the time that this is made."""

    def __init__(self) -> None:
        self._path = os.getcwd()
        self._has_left = False

    def enter(self) -> bool:
        """Be in the one that its path leads to now, and return whether that is another one.

        Raises FileNotFoundError if there is none.
        """
        try:
            there = os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            self._leave_if_gone()
            return False  # it was renamed
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
        # posix_spawn does not mind one that is gone. The backend will, and say it less clearly.
        why = f"the working directory is gone: make {self._path} again, and save a file"
        raise FileNotFoundError(errno.ENOENT, why)


def _exists() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True
