"""Private folders in the temporary folder, and the removal of those left by dead runs.

A run holds a lock on each of its folders (flock(2)). The kernel releases it when the process ends,
also by SIGKILL; and systemd-tmpfiles does not clean locked folders.
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

# Short, because the path of a unix socket has at most 107 bytes (unix(7)).
_PREFIX: Final = "hpp-"
# Other programs may use the prefix: a folder without this file is never removed.
_MARK: Final = ".http-process-proxy"
# A new folder is not locked yet for a moment, so younger ones are not removed.
_MIN_AGE_S: Final = 60.0


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder that only this user may enter, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, contextlib.ExitStack() as stack:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, fd)
        # Some network file systems have no locks. There the folder gets no mark, and is never
        # removed by another run.
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Path(name, _MARK).touch()
        yield Path(name)


@contextlib.contextmanager
def lasting_name(path: Path) -> Iterator[str]:
    """A name by which this process connects to the unix socket at `path`, within the context.

    With /proc the name is that of a descriptor: it stays valid after a cleanup of the temporary
    folder, by a user or by systemd-tmpfiles. Elsewhere it is the path.
    """
    if sys.platform != "linux":
        yield str(path)
        return
    # Without O_PATH, opening a socket fails with ENXIO (open(2)).
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        name = f"/proc/self/fd/{fd}"
        yield name if os.path.exists(name) else str(path)
    finally:
        os.close(fd)


def remove_dead_folders() -> None:
    """Remove the folders that killed runs of this user have left."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            _remove_if_dead(path)


def _remove_if_dead(path: Path) -> None:
    """Raises OSError, also if a live run has locked the folder."""
    about = (path / _MARK).lstat()
    if about.st_uid != os.getuid() or time.time() - about.st_mtime < _MIN_AGE_S:
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    finally:
        os.close(fd)
