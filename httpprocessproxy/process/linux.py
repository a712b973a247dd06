"""Linux only: /proc, subreapers, and the parent-death signal (prctl(2)).

On other systems no process is listed and prctl(2) is not called; the callers then work with the
process group alone.
"""

import contextlib
import ctypes
import functools
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Inherit orphaned descendants from now on: they become children of this process, not PID 1."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(sig: signal.Signals) -> None:
    """Receive `sig` when the thread that forked this process ends. It may have ended already."""
    _prctl(_PR_SET_PDEATHSIG, sig)


def _prctl(option: int, value: int) -> None:
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@dataclass(frozen=True, slots=True)
class Process:
    """A snapshot of a process in /proc; `pid` and `started` together identify it uniquely."""

    pid: int
    parent: int
    group: int
    session: int
    started: int
    name: str
    is_zombie: bool

    @property
    def command(self) -> str:
        """The command line, or the name in brackets if there is none."""
        return " ".join(self.words) or f"[{self.name}]"

    @property
    def words(self) -> list[str]:
        """The words of the command line; empty if it cannot be read."""
        line = _read(f"/proc/{self.pid}/cmdline").rstrip(b"\0")
        return os.fsdecode(line).split("\0") if line else []

    @property
    def is_watchman(self) -> bool:
        """Whether this is the Watchman daemon: others use it too, even if the proxy started it."""
        program = _read(f"/proc/{self.pid}/cmdline").partition(b"\0")[0]
        return "watchman" in (self.name, os.path.basename(os.fsdecode(program)))

    @property
    def environment(self) -> set[str]:
        """The names of the environment variables that it was started with."""
        return {pair.partition("=")[0] for pair in self.environment_pairs}

    @property
    def environment_pairs(self) -> set[str]:
        """The environment variables that it was started with, each as NAME=VALUE."""
        return set(os.fsdecode(_read(f"/proc/{self.pid}/environ")).split("\0"))

    def __str__(self) -> str:
        return f"{self.pid} ({self.command})"


@functools.cache
def has_proc() -> bool:
    """Whether /proc shows the processes of our own PID namespace (not of one above it)."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def find(pid: int) -> Process | None:
    """The process with this pid, or None."""
    head, _, rest = _read(f"/proc/{pid}/stat").rpartition(b")")
    if not head:
        return None
    name = head.partition(b"(")[2].decode(errors="replace")
    fields = rest.split()
    state, (parent, group, session) = fields[0], map(int, fields[1:4])
    return Process(pid, parent, group, session, int(fields[19]), name, state in (b"Z", b"X"))


def descendants(root: int, matches: Callable[[Process], bool]) -> list[Process]:
    """The descendants of the process `root`; one that does not match hides its own descendants.

    A process whose parent ends during the scan may be missed: scan again.
    """
    return below(by_parent(processes()), root, matches)


def by_parent(table: Iterable[Process]) -> Mapping[int, Sequence[Process]]:
    """The children of each process in the table, by its pid."""
    children: defaultdict[int, list[Process]] = defaultdict(list)
    for process in table:
        children[process.parent].append(process)
    return children


def below(
    children: Mapping[int, Sequence[Process]], root: int, matches: Callable[[Process], bool]
) -> list[Process]:
    """Do what `descendants` does with the result of `by_parent`."""
    found: list[Process] = []
    parents = [root]
    while parents:
        matching = [child for child in children.get(parents.pop(), ()) if matches(child)]
        found += matching
        parents += [child.pid for child in matching]
    return found


def processes() -> Iterator[Process]:
    """All processes in /proc."""
    if has_proc():
        for name in os.listdir("/proc"):
            if name.isdigit() and (process := find(int(name))) is not None:
                yield process


def has_children() -> bool:
    """Whether this process has a child, including zombies. Linux only."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def has_ended_child() -> bool:
    """Whether this process has a zombie: a child that ended and was not reaped. Linux only."""
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False


def reap(pid: int) -> None:
    """Reap a child that has ended; return at once if it has not."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def send(process: Process, number: signal.Signals) -> None:
    """Send a signal, unless the process is gone, or another user's."""
    with contextlib.suppress(PermissionError):
        pidfd = _send(process, number)
        if pidfd is not None:
            os.close(pidfd)


def kill(process: Process) -> int | None:
    """Send SIGKILL, and return a pidfd to wait with; None if the process is gone.

    Raises PermissionError.
    """
    return _send(process, signal.SIGKILL)


def _send(process: Process, number: signal.Signals) -> int | None:
    """Send a signal, never to another process that reused the pid. Returns as `kill`."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    try:
        now = find(process.pid)
        if now is not None and now.started == process.started:
            signal.pidfd_send_signal(pidfd, number)
            return pidfd
    except ProcessLookupError:
        pass
    except PermissionError:
        os.close(pidfd)
        raise
    os.close(pidfd)
    return None


def open_sockets(pid: int) -> set[int]:
    """The inodes of the sockets that a process holds; empty without permission to look."""
    inodes: set[int] = set()
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return inodes
    for name in names:
        try:
            kind, _, number = os.readlink(f"/proc/{pid}/fd/{name}").partition(":")
        except OSError:
            continue
        if kind == "socket":
            inodes.add(int(number.strip("[]")))
    return inodes


def holder_of(inode: int) -> Process | None:
    """A process that holds this socket, among those that we have permission to inspect."""
    return next((p for p in processes() if inode in open_sockets(p.pid)), None)


def _read(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 64 * 1024)
    except OSError:
        return b""
    finally:
        os.close(fd)
