"""Files that are being written: by the backend, and by redirections of the proxy's own output."""

import fcntl
import os
import stat
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from httpprocessproxy.process.linux import Process


def open_for_writing(
    processes: Callable[[], Collection[Process]], paths: Iterable[Path]
) -> frozenset[Path]:
    """Return those of `paths` that one of the processes has open for writing (Linux's /proc).

    Empty on other systems.
    """
    wanted = {identity: path for path in paths if (identity := _identity(path))}
    found = {one for process in processes() for one in _written_by(process.pid)}
    return frozenset(path for identity, path in wanted.items() if identity in found)


def _written_by(pid: int) -> set[tuple[int, int]]:
    folder = f"/proc/{pid}"
    try:
        numbers = os.listdir(f"{folder}/fd")
    except OSError:  # the process has ended, or belongs to another user
        return set()
    written = (number for number in numbers if _is_for_writing(f"{folder}/fdinfo/{number}"))
    identities = (_identity(Path(f"{folder}/fd/{number}")) for number in written)
    return {identity for identity in identities if identity}


def _is_for_writing(description: str) -> bool:
    try:
        with open(description) as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return False
    return int(fields["flags"], 8) & os.O_ACCMODE != os.O_RDONLY


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def redirected_output(root: Path) -> list[str]:
    """The files below `root` that the proxy's stdout and stderr are redirected to, relative to it.

    Each line of output changes such a file (`http-process-proxy ... > log`); if that counted as a
    change, the first line would restart the server for ever.
    """
    fds = [fd for fd in (1, 2) if stat.S_ISREG(os.fstat(fd).st_mode)]
    files = {path for fd in fds if (path := _path(fd)) is not None}
    return sorted(str(file.relative_to(root)) for file in files if file.is_relative_to(root))


def _path(fd: int) -> Path | None:
    """The path of an open file; None if it is unknown, as on Linux without /proc."""
    if hasattr(fcntl, "F_GETPATH"):  # macOS
        return Path(os.fsdecode(fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")))
    try:
        return Path(os.readlink(f"/proc/self/fd/{fd}"))
    except OSError:
        return None
