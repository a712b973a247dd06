"""Needs: the treatment of requests by the conditions of several services, and waits of starts."""

import itertools

import pytest

from httpprocessproxy.core.needs import (
    Condition,
    Pause,
    Treatment,
    requests_while,
    treatment,
    waits_for,
)
from httpprocessproxy.core.state import (
    TRANSITIONS,
    Changed,
    Event,
    Exited,
    Impossible,
    Machine,
    Ready,
    Requests,
    State,
)

LOADING, RUNNING, ERROR, KILLING = State
STOPPED, IDLE = Pause
HOLD, FORWARD, REFUSE = Requests


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"api": RUNNING}, Treatment(FORWARD, "api")),
        ({"api": LOADING}, Treatment(HOLD, "api")),
        ({"api": KILLING}, Treatment(HOLD, "api")),
        ({"api": ERROR}, Treatment(REFUSE, "api")),
        ({"api": STOPPED}, Treatment(REFUSE, "api")),
        ({"api": IDLE}, Treatment(HOLD, "api")),
        # A migration that runs again holds the requests of the services that need it.
        ({"api": RUNNING, "migrate": LOADING}, Treatment(HOLD, "migrate")),
        ({"api": RUNNING, "migrate": KILLING}, Treatment(HOLD, "migrate")),
        ({"api": RUNNING, "migrate": RUNNING}, Treatment(FORWARD, "api")),
        # A failure is named, whether the service itself runs, waits or is on its way.
        ({"api": RUNNING, "db": ERROR}, Treatment(REFUSE, "db")),
        ({"api": LOADING, "db": ERROR}, Treatment(REFUSE, "db")),
        ({"api": KILLING, "db": STOPPED}, Treatment(REFUSE, "db")),
        ({"api": LOADING, "db": ERROR, "migrate": LOADING}, Treatment(REFUSE, "db")),
        ({"api": RUNNING, "db": IDLE}, Treatment(HOLD, "db")),
        # The service's own failure comes first.
        ({"api": ERROR, "db": ERROR}, Treatment(REFUSE, "api")),
        ({"api": STOPPED, "db": KILLING}, Treatment(REFUSE, "api")),
    ],
)
def test_requests_are_treated_by_the_service_and_all_that_it_needs(
    conditions: dict[str, Condition], expected: Treatment
) -> None:
    assert treatment(conditions) == expected


@pytest.mark.parametrize(
    ("needed", "followed", "expected"),
    [
        ({}, {}, []),
        ({"db": RUNNING, "migrate": RUNNING}, {}, []),
        ({"db": LOADING, "migrate": LOADING}, {}, ["db", "migrate"]),
        ({"db": RUNNING, "migrate": KILLING}, {}, ["migrate"]),
        ({"db": ERROR}, {}, ["db"]),
        ({"db": STOPPED}, {}, ["db"]),
        ({"db": IDLE}, {}, ["db"]),
        ({}, {"db": LOADING}, ["db"]),
        ({}, {"db": KILLING}, ["db"]),
        ({}, {"db": RUNNING}, []),
        ({}, {"db": ERROR}, []),
        ({}, {"db": STOPPED}, []),
        ({}, {"db": IDLE}, []),
        ({"db": LOADING}, {"db": LOADING}, ["db"]),
    ],
)
def test_start_waits_for_needed_services_and_for_followed_ones_on_their_way(
    needed: dict[str, Condition], followed: dict[str, Condition], expected: list[str]
) -> None:
    assert waits_for(needed, followed) == expected


# Two machines side by side


def events_of(machine: Machine) -> list[Event]:
    """The events that the shells can send to a machine in its present state."""
    events: list[Event] = [Changed(frozenset({"a.py"}))]
    for event in (Ready(machine.generation), Exited(machine.generation, 1)):
        row = TRANSITIONS[machine.state][type(event)]
        if not isinstance(row, Impossible):
            events.append(event)
    return events


def copied(machine: Machine) -> Machine:
    copy = Machine()
    copy.state, copy.generation = machine.state, machine.generation
    return copy


def test_two_machines_take_events_in_any_order_without_a_cross_effect() -> None:
    """Walk all orders of five events; `api` needs `db`."""
    first = Machine(), Machine()
    for machine in first:
        machine.start()
    pairs = [first]
    seen = set()
    for _ in range(5):
        reached = []
        for pair, (number, other) in itertools.product(pairs, ((0, 1), (1, 0))):
            for event in events_of(pair[number]):
                after = copied(pair[0]), copied(pair[1])
                after[number].handle(event)
                # An event of one service leaves the other as it was.
                assert (after[other].state, after[other].generation) == (
                    pair[other].state,
                    pair[other].generation,
                )
                alone = copied(pair[number])
                alone.handle(event)
                assert after[number].state is alone.state
                check(*after)
                seen.add((after[0].state, after[1].state))
                reached.append(after)
        pairs = reached
    assert seen == set(itertools.product(State, State)), "each pair of states was reached"


def check(api: Machine, db: Machine) -> None:
    """The invariants of `api`, which needs `db`, and of `db`, which needs nothing."""
    of_api = treatment({"api": api.state, "db": db.state})
    of_db = treatment({"db": db.state})
    assert of_db == Treatment(db.requests, "db")
    assert (of_api.requests is FORWARD) == (api.state is RUNNING and db.state is RUNNING)
    assert (of_api.requests is REFUSE) == (ERROR in (api.state, db.state))
    assert of_api.cause == "api" or requests_while(db.state) is of_api.requests
    assert waits_for({"db": db.state}, {}) == ([] if db.state is RUNNING else ["db"])
