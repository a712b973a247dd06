"""The process trees of services: find the processes of each, and end its orphans.

As a subreaper, this process inherits every orphan of a service, even after `setsid` or a double
fork. A process belongs to a service if it descends from us and is in another session: a service
starts in a session of its own, and a process cannot return to an earlier one. So children of a
library that we use are not touched; nor is the Watchman daemon, which other programs use too, nor a
browser that we opened. With several services, ownership.py decides which one an orphan belongs to.

Without /proc or pidfd no orphan is found: there, only the process group is ended.
"""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NoReturn

from httpprocessproxy.process import linux
from httpprocessproxy.process.ending import end_all
from httpprocessproxy.process.linux import Process
from httpprocessproxy.process.marks import RUN, Marks, may_be_ended, new_run
from httpprocessproxy.process.ownership import Claims, Family, families

_REAP_INTERVAL_S = 1.0
# Without pidfd, the end of a group has to be polled.
_GROUP_POLL_S = 0.01


class ProcessTrees:
    """The process trees of all services of a run, and orphans without a known service.

    Thread-safe: `ProcessTree.sweep` runs in a thread.
    """

    def __init__(self) -> None:
        self.marks = Marks(os.environ.get(RUN) or new_run())
        self.claims = Claims()
        # Held while a process is spawned and registered: to other threads it is registered at once.
        self.lock = threading.Lock()

    def add(self, service: str) -> "ProcessTree":
        """The tree of a further service; the name is new."""
        with self.lock:
            assert service not in self.claims.services, "each service has one tree"
            self.claims.services.append(service)
        return ProcessTree(self, service)

    def processes(self) -> list[Process]:
        """The running processes of all services."""
        session = os.getsid(0)

        def matches(process: Process) -> bool:
            return process.session != session and may_be_ended(process)

        found = linux.descendants(os.getpid(), matches)
        return [process for process in found if not process.is_zombie]

    def orphans(self) -> Mapping[str | None, list[Process]]:
        """The orphans of all services and their descendants, including zombies.

        The key is the service, or None if it is unknown.
        """
        with self.lock:
            registered = {*self.claims.registered}
        table = [*linux.processes()]
        children = linux.by_parent(table)
        found = families(children, os.getpid(), os.getsid(0), registered, may_be_ended)
        if len(self.claims.services) > 1:
            found = [self._marked(family) if family.is_orphan else family for family in found]
        with self.lock:
            orphans = self.claims.orphans(found)
            self.claims.forget({process.session for process in table})
        return orphans

    def _marked(self, family: Family) -> Family:
        services = tuple(self.claims.services)
        named = (self.marks.service_of(process, services) for process in family.processes)
        return replace(family, marked=next((one for one in named if one is not None), None))

    async def reap_adopted(self) -> NoReturn:
        """Reap orphans at most two seconds after their end, for as long as the program runs.

        Only orphans: waiting for any child would take the exit status away from its owner.
        """
        seen: set[int] = set()
        while True:
            ended = self._ended_orphans() if linux.has_ended_child() else set()
            # Seen twice, so that a library had time to wait for a child in a session of its own.
            for pid in ended & seen:
                linux.reap(pid)
            seen = ended - seen
            await asyncio.sleep(_REAP_INTERVAL_S)

    def _ended_orphans(self) -> set[int]:
        return {one.pid for group in self.orphans().values() for one in group if one.is_zombie}


class ProcessTree:
    """The processes of one service, of all its generations. Created by `ProcessTrees.add`."""

    def __init__(self, trees: ProcessTrees, service: str) -> None:
        self.service = service
        self._trees = trees
        self.variables: dict[str, str] = {}  # for processes that are started from now on
        self._number = trees.claims.services.index(service)

    def __repr__(self) -> str:
        return f"<ProcessTree {self.service}>"

    def beside(self, name: str) -> "ProcessTree":
        """The tree of processes that belong to the service, and are ended apart from its server."""
        return self._trees.add(f"{self.service}/{name}")

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that the processes of the service are started with."""
        return {**self._trees.marks.environment(self.service), **self.variables}

    def spawn(self, start: Callable[[], int]) -> int:
        """Call `start`, which returns the pid of a new child, and `register` that at once."""
        with self.marking():
            pid = start()
            self._trees.claims.register(pid, self.service)
        return pid

    @contextlib.contextmanager
    def marking(self) -> Iterator[None]:
        """Processes that are spawned meanwhile get the mark that programs do not clear."""
        with self._trees.lock, self._trees.marks.limited(self._number):
            yield

    def register(self, pid: int) -> None:
        """Claim a child that leads a session of its own, or is about to do so."""
        with self._trees.lock:
            self._trees.claims.register(pid, self.service)

    def release(self, pid: int) -> None:
        """Forget a registered child, which was reaped."""
        with self._trees.lock:
            self._trees.claims.release(pid)

    def processes(self) -> list[Process]:
        """The running processes of all services: each may write files that others watch."""
        return self._trees.processes()

    def orphans(self) -> list[Process]:
        """The running processes that earlier generations left behind."""
        return [process for process in self._all_orphans() if not process.is_zombie]

    def _all_orphans(self) -> list[Process]:
        return self._trees.orphans().get(self.service, [])

    def members(self, pid: int) -> list[Process]:
        """The process tree of the child `pid`, and all orphans: every process of the service."""
        own = linux.find(pid)
        return ([own] if own else []) + linux.descendants(pid, may_be_ended) + self.orphans()

    async def sweep(self) -> list[str]:
        """Kill all orphans, wait until they are gone, and return each as "pid (command line)".

        After a cancellation it goes on in its thread. Raises StopError.
        """
        if not linux.has_proc() or not linux.has_children():
            return []
        return await asyncio.to_thread(end_all, self._all_orphans)

    def signal_group(self, group: int, number: signal.Signals) -> None:
        """Send a signal to the running processes of a group whose leader is reaped."""
        if linux.has_proc():
            for process in self.orphans():
                if process.group == group:
                    linux.send(process, number)
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)

    async def group_end(self, group: int) -> None:
        """Wait until a process group whose leader is reaped has no running process."""
        while linux.has_proc():
            running = [process for process in self.orphans() if process.group == group]
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
