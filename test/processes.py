"""Inspection of processes in /proc, and a search for all descendants of a test.

Descendants inherit the environment: a mark in it finds them in any session, under any parent.
"""

import os
import signal
from pathlib import Path

MARK = "HPP_TEST_MARK"


def marked(mark: str) -> dict[int, str]:
    """The running processes with this mark in their environment: pid -> command line."""
    needle = f"{MARK}={mark}\0".encode()
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if needle in (directory / "environ").read_bytes():
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(directory.name)] = command.decode(errors="replace").strip()
        except OSError:
            continue  # it ended during the scan
    return found


def kill_marked(mark: str) -> None:
    for pid in marked(mark):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def children(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in lists for child in path.read_text().split()]


def rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid: int) -> list[str]:
    """The targets of all open descriptors of a process."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(link))
        except FileNotFoundError:
            continue  # closed during the scan
    return sorted(found)


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
