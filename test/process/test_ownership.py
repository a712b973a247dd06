"""The owner of a process: tables of processes, registered pids, marks and sessions."""

import itertools
import random
from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest

from httpprocessproxy.process.linux import Process, by_parent
from httpprocessproxy.process.ownership import Claims, Family, families

PROGRAM, OUR_SESSION = 10, 1


def process(pid: int, parent: int, session: int | None = None, started: int = 0) -> Process:
    """A process, by default in a session of its own."""
    session = pid if session is None else session
    return Process(pid, parent, session, session, started, "sh", is_zombie=False)


def orphan(*processes: Process, marked: str | None = None) -> Family:
    return Family(processes, is_orphan=True, marked=marked)


def claims(*services: str, **registered: int) -> Claims:
    """Claims of services, each of which has spawned one child."""
    made = Claims()
    made.services += services
    for service, pid in registered.items():
        made.register(pid, service)
    return made


def owners(made: Claims, *found: Family) -> Mapping[str | None, list[int]]:
    """The pids of orphans' families by their owner."""
    return {key: [one.pid for one in group] for key, group in made.orphans(found).items()}


# The families of a table

TABLE = [
    process(PROGRAM, 5, OUR_SESSION),
    process(20, PROGRAM),  # a child that was spawned, with a wrapper's grandchild in a new session
    process(21, 20, 20),
    process(22, 21),
    process(30, PROGRAM),  # an orphan, with a child
    process(31, 30, 30),
    process(40, PROGRAM, OUR_SESSION),  # the child of a library, with a child in a new session
    process(41, 40),
    process(50, 5),  # not below the program
]


def found_in(registered: Collection[int], spared: Collection[int] = ()) -> list[list[int]]:
    found = families(
        by_parent(TABLE), PROGRAM, OUR_SESSION, {*registered}, lambda one: one.pid not in spared
    )
    return [[one.pid for one in family.processes] for family in found if family.is_orphan]


@pytest.mark.parametrize(
    ("registered", "spared", "orphans"),
    [
        ({20}, (), [[30, 31]]),
        (set(), (), [[20, 21, 22], [30, 31]]),
        ({20, 30}, (), []),
        ({20}, {30}, []),
        ({20}, {31}, [[30]]),
        (set(), {21}, [[20], [30, 31]]),
    ],
)
def test_orphans_are_children_in_other_sessions_that_are_not_registered(
    registered: set[int], spared: Collection[int], orphans: list[list[int]]
) -> None:
    assert found_in(registered, spared) == orphans


def test_family_of_registered_child_has_its_whole_tree() -> None:
    found = families(by_parent(TABLE), PROGRAM, OUR_SESSION, {20}, lambda one: one.pid == 30)
    assert [family.is_orphan for family in found] == [False, True]
    assert found[0].pid == 20
    assert found[0].sessions == {20, 22}


# The owner of a family


@pytest.mark.parametrize(
    ("family", "owner"),
    [
        (orphan(process(30, PROGRAM), marked="api"), "api"),
        (orphan(process(30, PROGRAM), marked="web"), "web"),
        (orphan(process(30, PROGRAM, 20)), "web"),  # it cleared its environment
        (orphan(process(30, PROGRAM, 25)), "api"),
        (orphan(process(30, PROGRAM)), None),  # and left its session
        (orphan(process(30, PROGRAM), process(31, 30, 20)), "web"),  # by its child
        (orphan(process(30, PROGRAM), process(31, 30)), None),
        (orphan(process(30, PROGRAM, 20), marked="api"), "api"),
    ],
)
def test_mark_then_session_decides_for_the_family(family: Family, owner: str | None) -> None:
    made = claims("web", "api", web=20, api=25)
    assert made.owner(family) == owner
    assert owners(made, family) == {owner: [one.pid for one in family.processes]}


def test_single_service_owns_every_orphan() -> None:
    families_ = orphan(process(30, PROGRAM)), orphan(process(40, PROGRAM, 25), marked="api")
    assert owners(claims("web", web=20), *families_) == {"web": [30, 40]}


def test_no_service_owns_an_orphan_before_the_first_is_added() -> None:
    assert owners(claims(), orphan(process(30, PROGRAM))) == {None: [30]}


def test_registered_child_is_no_orphan_although_the_table_is_older() -> None:
    made = claims("web", "api")
    spawned = orphan(process(30, PROGRAM), process(31, 30, 30))
    made.register(30, "api")
    assert owners(made, spawned) == {}
    # It ended before its family was judged: it still belongs to its service.
    made.release(30)
    assert owners(made, spawned) == {"api": [30, 31]}


def test_child_that_is_released_after_the_table_was_read_is_an_orphan_in_the_next() -> None:
    made = claims("web", web=20)
    child = Family((process(20, PROGRAM), process(21, 20, 20)), is_orphan=False)
    made.release(20)
    assert owners(made, child) == {}


class Model:
    """Two services whose processes fork, hide and end at random, with ids that are reused.

    The kernel does not reuse the id of a session that has processes; here it is free once two
    tables were read without it.
    """

    def __init__(self, seed: int) -> None:
        self.claims = claims("web", "api")
        self.table = {PROGRAM: process(PROGRAM, 5, OUR_SESSION)}
        self._chance = random.Random(seed)
        self._service: dict[int, str] = {}
        self._marked: set[int] = set()
        self._used: dict[int, int] = {}  # the number of the last table in which an id was in use
        self._tables = 2
        self._starts = itertools.count()

    def step(self) -> None:
        below = [pid for pid in self.table if pid != PROGRAM]
        act = self._chance.choice(["spawn", "fork", "fork", "session", "clear", "end", "end"])
        pid = self._chance.choice(below or [0])
        if act == "spawn" or not below:
            self._spawn(self._chance.choice(["web", "api"]))
        elif act == "fork" and len(below) < 20:
            self._add(process(self._free(), pid, self.table[pid].session), like=pid)
        elif act == "session":
            self.table[pid] = replace(self.table[pid], session=pid)
        elif act == "clear":
            self._marked.discard(pid)
        elif act == "end":
            self._end(pid)

    def _spawn(self, service: str) -> None:
        if service not in self.claims.registered.values():
            pid = self._free()
            self._service[pid] = service
            self._add(process(pid, PROGRAM), like=pid)
            self._marked.add(pid)
            self.claims.register(pid, service)

    def _add(self, new: Process, like: int) -> None:
        self.table[new.pid] = replace(new, started=next(self._starts))
        self._service[new.pid] = self._service[like]
        if like in self._marked:
            self._marked.add(new.pid)

    def _end(self, pid: int) -> None:
        del self.table[pid]
        self._marked.discard(pid)
        self.claims.release(pid)
        for child in [one for one in self.table.values() if one.parent == pid]:
            self.table[child.pid] = replace(child, parent=PROGRAM)

    def _free(self) -> int:
        ids = {number for one in self.table.values() for number in (one.pid, one.session)}
        self._used |= dict.fromkeys(ids, self._tables)
        return next(
            pid for pid in itertools.count(20) if self._tables - self._used.get(pid, 0) >= 2
        )

    def judged(self) -> list[tuple[str | None, str]]:
        """Read a table; return the owner of each orphan's family, and the real one."""
        ids = {number for one in self.table.values() for number in (one.pid, one.session)}
        self._tables += 1
        self._used |= dict.fromkeys(ids, self._tables)
        registered = self.claims.registered.keys()
        found = families(
            by_parent(self.table.values()), PROGRAM, OUR_SESSION, registered, lambda _: True
        )
        found = [replace(family, marked=self._mark(family)) for family in found]
        owner = {
            one.pid: owner for owner, group in self.claims.orphans(found).items() for one in group
        }
        self.claims.forget({one.session for one in self.table.values()})
        return [(owner[pid], self._service[pid]) for pid in owner]

    def _mark(self, family: Family) -> str | None:
        marked = [one.pid for one in family.processes if one.pid in self._marked]
        return self._service[marked[0]] if marked else None


@pytest.mark.parametrize("seed", range(20))
def test_family_that_was_seen_before_it_hides_has_the_right_owner(seed: int) -> None:
    model = Model(seed)
    judged = []
    for _ in range(300):
        model.step()
        judged += model.judged()
    # Each step is followed by a look: a process that hides was seen before.
    assert judged
    assert all(owner == service for owner, service in judged)


def test_family_that_hides_between_two_tables_has_no_owner_at_worst() -> None:
    judged = []
    for seed in range(40):
        model = Model(seed)
        for number in range(300):
            model.step()
            judged += model.judged() if number % 7 == 0 else []
    assert all(owner in (None, service) for owner, service in judged)
    assert {owner for owner, _ in judged} == {"web", "api", None}


# Sessions


def test_sessions_below_a_registered_child_are_remembered() -> None:
    made = claims("web", "api", web=20, api=25)
    daemon = process(22, 20)
    made.orphans([Family((process(20, PROGRAM), daemon), is_orphan=False)])
    made.release(20)
    assert made.owner(orphan(process(22, PROGRAM))) == "web"


def test_sessions_of_marked_orphan_are_remembered() -> None:
    made = claims("web", "api")
    made.orphans([orphan(process(30, PROGRAM), process(31, 30), marked="api")])
    assert made.owner(orphan(process(32, PROGRAM, 31))) == "api"


def test_process_that_was_seen_below_a_child_keeps_its_service() -> None:
    made = claims("web", "api", web=20, api=25)
    helper = process(22, 20, 20, started=7)
    made.orphans([Family((process(20, PROGRAM), helper), is_orphan=False)])
    made.release(20)
    hidden = replace(helper, parent=PROGRAM, session=22)
    assert made.owner(orphan(hidden)) == "web"
    assert made.owner(orphan(replace(hidden, started=8))) is None, "another one with its pid"


def test_session_without_processes_is_forgotten_after_two_tables() -> None:
    made = claims("web", "api", web=20, api=25)
    made.release(20)
    later = orphan(process(90, PROGRAM, 20))
    made.forget({25})
    assert made.owner(later) == "web"
    made.forget({20, 25})
    made.forget({25})
    assert made.owner(later) == "web"
    made.forget({25})
    assert made.owner(later) is None, "another process may have this session id by now"


def test_session_of_registered_child_is_never_forgotten() -> None:
    made = claims("web", "api", web=20, api=25)
    for _ in range(3):
        made.forget(set())
    made.release(20)
    assert made.owner(orphan(process(30, PROGRAM, 20))) == "web"
