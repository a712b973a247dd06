"""What the backend left behind: finding it, and ending all of it.

As a subreaper we inherit every orphan of the backend, however it hid (`setsid`, a double fork).
A process is the backend's when it descends from us and is in a session other than ours, for
the backend begins in one of its own and there is no way back. So children that a library of
ours started are not touched; nor is the Watchman daemon, which others use too, nor a browser
that we opened, which has a mark in its environment.

Where there is no /proc, or no pidfd, nothing is found: there the process group has to do.
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

# A process dies in about 10 ms per 100 MB of its memory. What takes longer than this hangs in
# the kernel (a dead network drive), and nobody can end it.
END_TIMEOUT_S = 10.0
_REAP_INTERVAL_S = 1.0
# Where there is no pidfd there is nothing to wait with.
_GROUP_POLL_S = 0.01

# The mark of what was started for the user, and goes on without us: a variable.
NOT_OURS = "HTTP_PROCESS_PROXY_SPARES_THIS"

# Every living `Child`: it reaps itself, and its tree is no leftover.
living: set[int] = set()


class StopError(Exception):
    """Processes that could not be ended; the text says which, and why."""


def leftovers() -> list[Process]:
    """The running processes of earlier generations."""
    return [process for process in _strays() if not process.is_zombie]


def members(pid: int) -> list[Process]:
    """The processes of the child `pid` and all leftovers, that is: whatever is the backend's."""
    own = linux.find(pid)
    return ([own] if own else []) + linux.descendants(pid, may_be_ended) + leftovers()


def backend() -> list[Process]:
    """The running processes of the backend, of whichever generation."""
    session = os.getsid(0)

    def counts(process: Process) -> bool:
        return process.session != session and may_be_ended(process)

    found = linux.descendants(os.getpid(), counts)
    return [process for process in found if not process.is_zombie]


async def sweep() -> list[str]:
    """End all leftovers, and return what was ended, each as "pid (command line)".

    Returns when they are gone. Cancelled, it goes on in its thread. Raises StopError.
    """
    if not linux.has_proc() or not linux.has_children():
        return []
    return await asyncio.to_thread(end_all)


async def group_end(group: int) -> None:
    """Wait until a process group whose leader is reaped has no running process."""
    while linux.has_proc():
        running = [process for process in leftovers() if process.group == group]
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
    """`sweep`, blocking. `keep` is spared; `everything` includes processes of our session."""
    ended: dict[int, str] = {}
    deadline = time.monotonic() + END_TIMEOUT_S
    quiet = 0
    # One look can miss a process whose parent ends at that moment: two must see nothing.
    while quiet < 2 and linux.has_children():
        strays = [process for process in _strays(everything) if process.pid not in keep]
        running = [process for process in strays if not process.is_zombie]
        quiet = 0 if running else quiet + 1
        if time.monotonic() > deadline:
            raise StopError(f"cannot end {', '.join(map(str, running))}")
        for process in strays:
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
    # Not for ever: the caller looks at the clock.
    deadline = time.monotonic() + 1.0
    for pidfd in pidfds:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll(max(0.0, deadline - time.monotonic()) * 1000)


def _strays(everything: bool = False) -> list[Process]:
    session = os.getsid(0)

    def counts(process: Process) -> bool:
        if process.pid in living or (process.session == session and not everything):
            return False
        return may_be_ended(process)

    return linux.descendants(os.getpid(), counts)


def may_be_ended(process: Process) -> bool:
    """Whether a process of the backend is not spared: others use it, or the user does."""
    return process.is_zombie or not (process.is_watchman or NOT_OURS in process.environment)


async def reap_adopted() -> NoReturn:
    """Reap orphans that ended, at most two seconds late, for as long as the program runs.

    Only those: waiting for any child would steal the exit status from its owner.
    """
    seen: set[int] = set()
    while True:
        ended = {p.pid for p in _strays() if p.is_zombie} if linux.has_ended_child() else set()
        # Seen twice: a library's child in a session of its own had the time to be waited for.
        for pid in ended & seen:
            linux.reap(pid)
        seen = ended - seen
        await asyncio.sleep(_REAP_INTERVAL_S)
