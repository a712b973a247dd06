"""The working directory, which may be removed and made again (a git worktree, a fresh clone).

A process keeps the directory that it had, although its path leads to another one by now.
"""

import errno
import os


class WorkingDirectory:
    """The one of this process at the time that this is made."""

    def __init__(self) -> None:
        self._path = os.getcwd()

    def enter(self) -> bool:
        """Be in the one that its path leads to now, and return whether that is another one.

        Raises FileNotFoundError if there is none.
        """
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            self._check()
            return False  # it was renamed
        if os.path.samestat(there, os.stat(".")):
            return False
        os.chdir(self._path)
        return True

    def _check(self) -> None:
        # posix_spawn does not mind one that is gone. The backend will, and say it less clearly.
        try:
            os.getcwd()
        except FileNotFoundError as error:
            why = f"the working directory is gone: make {self._path} again, and save a file"
            raise FileNotFoundError(errno.ENOENT, why) from error
