"""The end of processes by SIGKILL: wait until each is gone, and reap those that are children."""

import contextlib
import os
import select
import time
from collections.abc import Callable

from httpprocessproxy.process import linux
from httpprocessproxy.process.linux import Process

# A process dies in about 10 ms per 100 MB of its memory. One that takes longer than this hangs in
# the kernel (a dead network drive), and cannot be ended.
END_TIMEOUT_S = 10.0


class StopError(Exception):
    """Processes that could not be ended; the text names them and the reason."""


def end_all(find: Callable[[], list[Process]]) -> list[str]:
    """Kill the processes that `find` returns until none is left, and reap its zombies.

    Blocks until they are gone. Returns each as "pid (command line)". Raises StopError.
    """
    ended: dict[int, str] = {}
    deadline = time.monotonic() + END_TIMEOUT_S
    quiet = 0
    # A scan can miss a process whose parent ends at that moment: two must find none.
    while quiet < 2 and linux.has_children():
        found = find()
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
