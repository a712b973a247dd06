"""Where our own output goes, if that is a file of the project (`http-process-proxy ... > log`).

Each line of it is a change. It must not count, or the first line would restart the server for ever.
"""

import fcntl
import os
import stat
from pathlib import Path


def redirected_output(root: Path) -> list[str]:
    """The files below `root` that our stdout and stderr go to, relative to it."""
    fds = [fd for fd in (1, 2) if stat.S_ISREG(os.fstat(fd).st_mode)]
    files = {path for fd in fds if (path := _path(fd)) is not None}
    return sorted(str(file.relative_to(root)) for file in files if file.is_relative_to(root))


def _path(fd: int) -> Path | None:
    """The file's path; None if the system does not tell: Linux without /proc."""
    if hasattr(fcntl, "F_GETPATH"):  # macOS
        return Path(os.fsdecode(fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")))
    try:
        return Path(os.readlink(f"/proc/self/fd/{fd}"))
    except OSError:
        return None
