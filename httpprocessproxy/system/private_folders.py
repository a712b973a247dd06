"""Private folders in the system's temporary one, and the removal of those that a dead run left.

A run holds a lock on each of its own (flock(2)), which ends with it, however it ends; and
systemd-tmpfiles does not clean what is locked so.
"""

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Short, for the path of a Unix socket has at most 107 bytes (unix(7)).
_PREFIX: Final = "hpp-"
# Others may use such a name: a folder without this file in it is not touched.
_MARK: Final = ".http-process-proxy"
# A folder is locked a moment after it is made.
_MIN_AGE_S: Final = 60.0


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder that only this user may enter; it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, contextlib.ExitStack() as stack:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, fd)
        # Without locks (some network file systems) there is no mark, and nothing is cleaned up.
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Path(name, _MARK).touch()
        yield Path(name)


@contextlib.contextmanager
def lasting_name(path: Path) -> Iterator[str]:
    """A name by which this process connects to the Unix socket at `path`, within the context.

    With /proc the name is that of a descriptor and not of a file: it holds after a cleanup of the
    temporary folder, by a user or by systemd-tmpfiles. Elsewhere it is the path.
    """
    if sys.platform != "linux":
        yield str(path)
        return
    # O_PATH: a socket cannot be opened otherwise (open(2): ENXIO).
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        name = f"/proc/self/fd/{fd}"
        yield name if os.path.exists(name) else str(path)
    finally:
        os.close(fd)


def remove_dead_folders() -> None:
    """Remove what runs of this user have left that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            _remove_if_dead(path)


def _remove_if_dead(path: Path) -> None:
    """Raises OSError, also if a run that lives has locked it."""
    about = (path / _MARK).lstat()
    if about.st_uid != os.getuid() or time.time() - about.st_mtime < _MIN_AGE_S:
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    finally:
        os.close(fd)
