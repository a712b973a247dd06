"""Decides which service a process belongs to. No I/O: it gets a table of processes.

The children of the program are processes that it spawned, which are registered until it reaps them,
and orphans, which it adopted. All processes of a family, an orphan and its descendants, come from
one start of one service, so one piece of evidence decides for all of them: a mark, else a session
or a process that was seen below the service. With a single service, no evidence is needed.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from httpprocessproxy.process.linux import Process, below

# The pid and the start of a process.
Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Family:
    """A child of the program, which leads it, and the child's descendants.

    `marked` is the service that the mark of one of them names.
    """

    processes: tuple[Process, ...]
    is_orphan: bool
    marked: str | None = None

    @property
    def pid(self) -> int:
        return self.processes[0].pid

    @property
    def sessions(self) -> set[int]:
        return {process.session for process in self.processes}

    @property
    def identities(self) -> set[Identity]:
        return {(process.pid, process.started) for process in self.processes}


def families(
    children: Mapping[int, Sequence[Process]],
    program: int,
    session: int,
    registered: AbstractSet[int],
    may_be_ended: Callable[[Process], bool],
) -> list[Family]:
    """The families of the program's children in other sessions than its own.

    `children` are lists of processes by their parent. An orphan that must not be ended has no
    family, and below an orphan such a process hides its descendants.
    """
    found = []
    for child in children.get(program, ()):
        if child.session == session:
            continue
        if child.pid in registered:
            found.append(Family((child, *below(children, child.pid, lambda _: True)), False))
        elif may_be_ended(child):
            found.append(Family((child, *below(children, child.pid, may_be_ended)), True))
    return found


class Claims:
    """The services, the pids that are registered for them, and what was seen of their processes."""

    def __init__(self) -> None:
        self.services: list[str] = []
        self.registered: dict[int, str] = {}
        self.sessions: dict[int, str] = {}
        self._unseen: set[int] = set()
        self._seen: dict[Identity, str] = {}  # in the last table

    def register(self, pid: int, service: str) -> None:
        """Claim a child that leads a session of its own, or is about to do so."""
        self.registered[pid] = self.sessions[pid] = service

    def release(self, pid: int) -> None:
        """Forget a child that was reaped. Its session may have further processes."""
        self.registered.pop(pid, None)

    def owner(self, family: Family) -> str | None:
        """The service of a family, if that is known."""
        if family.pid in self.registered:
            return self.registered[family.pid]
        if len(self.services) == 1:
            return self.services[0]
        if family.marked is not None:
            return family.marked
        by_session = (self.sessions.get(session) for session in family.sessions)
        by_process = (self._seen.get(identity) for identity in family.identities)
        return next(filter(None, itertools.chain(by_session, by_process)), None)

    def orphans(self, found: Iterable[Family]) -> Mapping[str | None, list[Process]]:
        """The processes of all orphans' families by their service.

        Remembers the sessions and the processes of all families with a known service.
        """
        orphans: defaultdict[str | None, list[Process]] = defaultdict(list)
        seen: dict[Identity, str] = {}
        for family in found:
            owner = self.owner(family)
            if owner is not None:
                self.sessions |= dict.fromkeys(family.sessions, owner)
                seen |= dict.fromkeys(family.identities, owner)
            # A child that was spawned after the families were listed is registered by now.
            if family.is_orphan and family.pid not in self.registered:
                orphans[owner] += family.processes
        self._seen = seen
        return orphans

    def forget(self, sessions: AbstractSet[int]) -> None:
        """Forget the sessions that are missing in two tables in a row: their ids may be reused.

        One table can miss a process whose parent ended meanwhile. `sessions` are those of a table.
        """
        ended = self.sessions.keys() - sessions - self.registered.keys()
        for session in ended & self._unseen:
            del self.sessions[session]
        self._unseen = ended - self._unseen
