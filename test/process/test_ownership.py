"""The owner of a process: tables of processes, registered pids, marks and sessions."""

from collections.abc import Collection, Mapping

import pytest

from httpprocessproxy.process.linux import Process, by_parent
from httpprocessproxy.process.ownership import Claims, Family, families

PROGRAM, OUR_SESSION = 10, 1


def process(pid: int, parent: int, session: int | None = None) -> Process:
    """A process, by default in a session of its own."""
    session = pid if session is None else session
    return Process(pid, parent, session, session, 0, "sh", is_zombie=False)


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
