"""The backend's process tree: find its orphans, and end all of them.

As a subreaper, this process inherits every orphan of the backend, even after `setsid` or a double
fork. A process belongs to the backend if it descends from us and is in another session: the
backend starts in a session of its own, and a process cannot return to an earlier one. So children
of a library that we use are not touched; nor is the Watchman daemon, which other programs use too,
nor a browser that we opened, which has a marker in its environment.

Without /proc or pidfd no orphan is found: there, only the process group is ended.
"""

import asyncio
import contextlib
import os
import select
import time
from typing import NoReturn

from httpprocessproxy.process import linux
from httpprocessproxy.process.linux import Process, become_subreaper

__all__ = ["Process", "become_subreaper"]

# A process dies in about 10 ms per 100 MB of its memory. One that takes longer than this hangs in
# the kernel (a dead network drive), and cannot be ended.
END_TIMEOUT_S = 10.0
_REAP_INTERVAL_S = 1.0
# Without pidfd, the end of a group has to be polled.
_GROUP_POLL_S = 0.01

# The environment variable of processes that we started for the user, and that outlive us.
NOT_OURS = "HTTP_PROCESS_PROXY_SPARES_THIS"

# The pids of all running `Child` objects: each reaps its own process, whose tree has no orphans.
children: set[int] = set()


class StopError(Exception):
    """Processes that could not be ended; the text names them and the reason."""


def orphans() -> list[Process]:
    """The running processes that earlier generations left behind."""
    return [process for process in _all_orphans() if not process.is_zombie]


def members(pid: int) -> list[Process]:
    """The process tree of the child `pid`, and all orphans: every process of the backend."""
    own = linux.find(pid)
    return ([own] if own else []) + linux.descendants(pid, may_be_ended) + orphans()


def backend() -> list[Process]:
    """The running processes of the backend, of all generations."""
    session = os.getsid(0)

    def matches(process: Process) -> bool:
        return process.session != session and may_be_ended(process)

    found = linux.descendants(os.getpid(), matches)
    return [process for process in found if not process.is_zombie]


async def sweep() -> list[str]:
    """Kill all orphans, wait until they are gone, and return each as "pid (command line)".

    After a cancellation it goes on in its thread. Raises StopError.
    """
    if not linux.has_proc() or not linux.has_children():
        return []
    return await asyncio.to_thread(end_all)


async def group_end(group: int) -> None:
    """Wait until a process group whose leader is reaped has no running process."""
    while linux.has_proc():
        running = [process for process in orphans() if process.group == group]
        if not running:
            return
        for process in running:
            await _end_of(process)
    while _group_exists(group):  # noqa: ASYNC110 - the system offers no event
        await asyncio.sleep(_GROUP_POLL_S)


async def _end_of(process: Process) -> None:
    try:
        pidfd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_all(keep: frozenset[int] = frozenset(), *, everything: bool = False) -> list[str]:
    """Do what `sweep` does, blocking, but spare the pids in `keep`.

    `everything` includes processes of our own session.
    """
    ended: dict[int, str] = {}
    deadline = time.monotonic() + END_TIMEOUT_S
    quiet = 0
    # A scan can miss a process whose parent ends at that moment: two must find none.
    while quiet < 2 and linux.has_children():
        found = [process for process in _all_orphans(everything) if process.pid not in keep]
        running = [process for process in found if not process.is_zombie]
        quiet = 0 if running else quiet + 1
        if time.monotonic() > deadline:
            raise StopError(f"cannot end {', '.join(map(str, running))}")
        for process in found:
            if process.is_zombie:
                linux.reap(process.pid)
        ended |= {process.pid: str(process) for process in running if process.pid not in ended}
        _end(running)
    return list(ended.values())


def _end(running: list[Process]) -> None:
    with contextlib.ExitStack() as pidfds:
        opened = [pidfd for process in running if (pidfd := _kill(process)) is not None]
        for pidfd in opened:
            pidfds.callback(os.close, pidfd)
        _wait_for_all(opened)


def _kill(process: Process) -> int | None:
    try:
        return linux.kill(process)
    except PermissionError as error:
        raise StopError(f"cannot end {process}: {error.strerror}") from error


def _wait_for_all(pidfds: list[int]) -> None:
    # For a second at most: the caller checks its own deadline.
    deadline = time.monotonic() + 1.0
    for pidfd in pidfds:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll(max(0.0, deadline - time.monotonic()) * 1000)


def _all_orphans(everything: bool = False) -> list[Process]:
    """The orphans, including zombies."""
    session = os.getsid(0)

    def matches(process: Process) -> bool:
        if process.pid in children or (process.session == session and not everything):
            return False
        return may_be_ended(process)

    return linux.descendants(os.getpid(), matches)


def may_be_ended(process: Process) -> bool:
    """Whether a process may be killed: not the Watchman daemon, nor started for the user."""
    return process.is_zombie or not (process.is_watchman or NOT_OURS in process.environment)


async def reap_adopted() -> NoReturn:
    """Reap orphans at most two seconds after their end, for as long as the program runs.

    Only orphans: waiting for any child would take the exit status away from its owner.
    """
    seen: set[int] = set()
    while True:
        ended = {p.pid for p in _all_orphans() if p.is_zombie} if linux.has_ended_child() else set()
        # Seen twice, so that a library had time to wait for a child in a session of its own.
        for pid in ended & seen:
            linux.reap(pid)
        seen = ended - seen
        await asyncio.sleep(_REAP_INTERVAL_S)
