"""CPU time and memory of a process with its threads and descendants, from /proc."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
PACKAGE = "httpprocessproxy"
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat after the name (proc(5)): ppid, and utime stime cutime cstime.
PPID, TIMES = 1, slice(11, 15)


@dataclass(frozen=True, slots=True)
class Tree:
    """The process `pid` and its descendants, except subtrees whose command line has `without`.

    `without` excludes a backend that the proxy has started. A helper of http-process-proxy, whose
    command line names the backend as well, is recognised by the package's name.
    """

    pid: int
    without: str = ""

    def pids(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for pid, fields in _processes():
            children.setdefault(int(fields[PPID]), []).append(pid)
        return list(self._walk(self.pid, children))

    def cpu_s(self) -> float:
        """User and system time in seconds, of live processes and of reaped children."""
        return TICK_S * sum(sum(map(int, fields[TIMES])) for fields in map(_stat, self.pids()))

    def pss_bytes(self) -> int:
        """The present PSS in bytes: a page shared by n processes counts one n-th for each."""
        return sum(_field_bytes(pid, "smaps_rollup", "Pss:") for pid in self.pids())

    def peak_rss_bytes(self) -> int:
        """The sum of the peak resident memory of each process, in bytes."""
        return sum(_field_bytes(pid, "status", "VmHWM:") for pid in self.pids())

    def _walk(self, pid: int, children: dict[int, list[int]]) -> Iterator[int]:
        yield pid
        for child in children.get(pid, ()):
            if not self._is_other(_command(child)):
                yield from self._walk(child, children)

    def _is_other(self, command: str) -> bool:
        return bool(self.without) and self.without in command and PACKAGE not in command


def _processes() -> Iterator[tuple[int, list[str]]]:
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            yield int(entry.name), fields


def _read(pid: int, name: str) -> str:
    """The content of a file of /proc; empty for a process that has just ended."""
    try:
        return (PROC / str(pid) / name).read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _stat(pid: int) -> list[str]:
    # The name is in parentheses, and may itself contain spaces and parentheses.
    return _read(pid, "stat").rpartition(")")[2].split()


def _command(pid: int) -> str:
    return _read(pid, "cmdline").replace("\0", " ")


def _field_bytes(pid: int, name: str, field: str) -> int:
    for line in _read(pid, name).splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0
