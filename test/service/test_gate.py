"""The gate: who waits, who goes, in which order, and how long an unsafe request is waited for."""

import asyncio
from collections.abc import Callable

import pytest

from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.service import gate as gate_module
from httpprocessproxy.service.gate import FEW_REQUESTS, FIRST_REQUESTS, Gate, Target
from test.crowd import Crowd, FakeWaiter
from test.deadline import PATIENCE_S
from test.fakes import ENDED, OVERDUE
from test.loops import eventually, on_every_loop

FIRST = Target(1, "127.0.0.1", 8001)
SECOND = Target(2, "127.0.0.1", 8001)


@on_every_loop
async def test_it_holds_at_first() -> None:
    crowd = Crowd()
    (waiter,) = crowd.ask()
    assert (waiter.outcomes, crowd.gate.held) == ([], 1)


@on_every_loop
async def test_an_open_gate_lets_all_through_at_once() -> None:
    crowd = Crowd()
    crowd.gate.open(FIRST)
    waiters = crowd.ask(100)
    assert [waiter.outcomes for waiter in waiters] == [[FIRST]] * 100
    assert crowd.gate.generation == 1


@on_every_loop
async def test_a_closed_gate_refuses_those_that_wait_and_those_that_come() -> None:
    crowd = Crowd()
    waiting = crowd.ask(3)
    crowd.gate.refuse(lambda: ENDED)
    coming = crowd.ask(2)
    assert [waiter.outcomes for waiter in waiting + coming] == [[ENDED]] * 5
    assert crowd.gone == [1, 2, 3, 4, 5]


@on_every_loop
async def test_every_refusal_is_made_anew() -> None:
    """The tail of the output grows after the end."""
    crowd = Crowd()
    details = iter("abc")
    crowd.gate.refuse(lambda: Problem(503, "Ended", next(details)))
    assert [waiter.outcomes for waiter in crowd.ask(2)] == [
        [Problem(503, "Ended", "a")],
        [Problem(503, "Ended", "b")],
    ]


@on_every_loop
async def test_after_a_refusal_it_may_hold_and_open() -> None:
    crowd = Crowd()
    crowd.gate.refuse(lambda: ENDED)
    crowd.gate.hold()
    (waiter,) = crowd.ask()
    assert waiter.outcomes == []
    crowd.gate.open(SECOND)
    assert waiter.outcomes == [SECOND]
    assert crowd.gate.generation == 2


# Those that waited


@on_every_loop
async def test_one_goes_at_first_and_one_more_for_each_answer() -> None:
    crowd = Crowd()
    waiters = crowd.ask(100)
    crowd.gate.open(FIRST)
    assert crowd.gone == [1]
    crowd.gate.answered(waiters[0])
    # One for the answer, and one because the backend keeps up.
    assert crowd.gone == [1, 2, 3]


@on_every_loop
async def test_few_are_with_the_backend_at_once() -> None:
    """As many as a listen backlog of 10 holds; then one more for a whole round of answers."""
    crowd = Crowd()
    waiters = crowd.ask(100)
    crowd.gate.open(FIRST)
    for answers in range(1, 60):
        crowd.gate.answered(waiters[answers - 1])
        with_backend = len(crowd.gone) - answers
        assert with_backend <= FEW_REQUESTS + answers / FEW_REQUESTS
    assert with_backend > FEW_REQUESTS


@on_every_loop
async def test_nobody_overtakes() -> None:
    crowd = Crowd()
    crowd.ask(20)
    crowd.gate.open(FIRST)
    crowd.ask(5)
    await eventually(lambda: crowd.gate.held == 0)
    assert crowd.gone == list(range(1, 26))
    (late,) = crowd.ask()
    assert late.outcomes == [FIRST]


@on_every_loop
async def test_long_polls_do_not_keep_the_others_waiting() -> None:
    """Nobody answers, and all go in time."""
    crowd = Crowd()
    waiters = crowd.ask(FIRST_REQUESTS + 5)
    crowd.gate.open(FIRST)
    await eventually(lambda: crowd.gate.held == 0)
    assert [waiter.outcomes for waiter in waiters] == [[FIRST]] * len(waiters)


@on_every_loop
async def test_one_that_leaves_makes_room() -> None:
    crowd = Crowd()
    waiters = crowd.ask(FIRST_REQUESTS + 2)
    crowd.gate.open(FIRST)
    crowd.gate.leave(waiters[0])
    assert len(crowd.gone) == FIRST_REQUESTS + 1


@on_every_loop
async def test_an_answer_counts_once() -> None:
    crowd = Crowd()
    waiters = crowd.ask(FIRST_REQUESTS + 20)
    crowd.gate.open(FIRST)
    for _ in range(5):
        crowd.gate.answered(waiters[0])
        crowd.gate.leave(waiters[0])
    assert len(crowd.gone) == FIRST_REQUESTS + 2


@on_every_loop
async def test_a_new_backend_begins_with_a_few_again() -> None:
    crowd = Crowd()
    waiters = crowd.ask(100)
    crowd.gate.open(FIRST)
    for waiter in waiters[:FIRST_REQUESTS]:
        crowd.gate.answered(waiter)
    gone = len(crowd.gone)
    crowd.gate.hold()
    crowd.gate.answered(waiters[FIRST_REQUESTS])  # of the old one: nothing now
    assert len(crowd.gone) == gone
    crowd.gate.open(SECOND)
    assert len(crowd.gone) == gone + FIRST_REQUESTS
    assert crowd.log[-1].outcomes == [SECOND]


# Those that leave


@on_every_loop
async def test_one_that_leaves_never_hears_again() -> None:
    crowd = Crowd()
    waiters = crowd.ask(3)
    crowd.gate.leave(waiters[1])
    crowd.gate.leave(waiters[1])
    crowd.gate.open(FIRST)
    crowd.gate.answered(waiters[0])
    assert crowd.gone == [1, 3]


@on_every_loop
async def test_one_that_asks_again_when_it_goes_waits_for_the_next() -> None:
    """As an exchange does whose connection is lost in the call that admits it."""
    crowd = Crowd()

    class Again(FakeWaiter):
        def admitted(self, target: Target) -> None:
            super().admitted(target)
            if target is FIRST:
                crowd.gate.leave(self)
                crowd.gate.hold()
                crowd.gate.ask(self)

    waiter = Again(crowd.log)
    crowd.gate.ask(waiter)
    crowd.gate.open(FIRST)
    assert (waiter.outcomes, crowd.gate.held) == ([FIRST], 1)
    crowd.gate.open(SECOND)
    assert waiter.outcomes == [FIRST, SECOND]


# Waiting for too long


@on_every_loop
async def test_who_waits_too_long_is_told_so() -> None:
    crowd = Crowd(queue_timeout_s=0.02)
    waiters = crowd.ask(3)
    await eventually(lambda: crowd.gate.held == 0)
    later = crowd.ask(2)
    await eventually(lambda: crowd.gate.held == 0)
    assert [waiter.outcomes for waiter in waiters + later] == [[OVERDUE]] * 5
    crowd.gate.open(FIRST)
    assert crowd.gone == [1, 2, 3, 4, 5]


@on_every_loop
async def test_the_first_that_leaves_does_not_keep_the_next_from_being_told() -> None:
    crowd = Crowd(queue_timeout_s=0.02)
    first, second = crowd.ask(2)
    crowd.gate.leave(first)
    await eventually(lambda: crowd.gate.held == 0)
    assert (first.outcomes, second.outcomes) == ([], [OVERDUE])


@on_every_loop
async def test_who_went_in_time_is_not_told_later() -> None:
    crowd = Crowd(queue_timeout_s=0.02)
    (waiter,) = crowd.ask()
    crowd.gate.open(FIRST)
    crowd.gate.hold()
    (other,) = crowd.ask()
    await eventually(lambda: other.outcomes == [OVERDUE])
    assert waiter.outcomes == [FIRST]


@on_every_loop
async def test_a_queue_timeout_of_nothing_refuses_soon() -> None:
    crowd = Crowd(queue_timeout_s=0)
    (waiter,) = crowd.ask()
    await eventually(lambda: waiter.outcomes == [OVERDUE])


# Suspects


@pytest.mark.parametrize(
    ("news", "outcome"),
    [
        (lambda gate: gate.hold(), None),
        (lambda gate: gate.refuse(lambda: ENDED), ENDED),
        (lambda gate: gate.open(SECOND), SECOND),
    ],
)
@on_every_loop
async def test_a_suspect_waits_for_news(
    news: Callable[[Gate], None], outcome: Target | Problem | None
) -> None:
    crowd = Crowd()
    crowd.gate.open(FIRST)
    waiter = crowd.waiter()
    crowd.gate.hold_unconfirmed(waiter)
    assert waiter.outcomes == []
    news(crowd.gate)
    assert waiter.outcomes == ([] if outcome is None else [outcome])
    assert crowd.gate.held == (outcome is None)


@on_every_loop
async def test_without_news_a_suspect_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "SUSPICION_S", 0.02)
    crowd = Crowd()
    crowd.gate.open(FIRST)
    waiter = crowd.waiter()
    crowd.gate.hold_unconfirmed(waiter)
    await eventually(lambda: waiter.outcomes == [FIRST])
    crowd.gate.hold()
    assert waiter.outcomes == [FIRST]


@on_every_loop
async def test_a_suspect_of_a_backend_that_is_known_to_have_ended_waits_like_all() -> None:
    crowd = Crowd()
    crowd.gate.hold_unconfirmed(crowd.waiter())
    assert crowd.gate.held == 1


@on_every_loop
async def test_a_suspect_may_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "SUSPICION_S", 0.02)
    crowd = Crowd()
    crowd.gate.open(FIRST)
    leaves, stays = crowd.waiter(), crowd.waiter()
    crowd.gate.hold_unconfirmed(leaves)
    crowd.gate.hold_unconfirmed(stays)
    crowd.gate.leave(leaves)
    await eventually(lambda: stays.outcomes == [FIRST])
    assert leaves.outcomes == []


# Unsafe requests


@on_every_loop
async def test_nothing_to_wait_for() -> None:
    gate = Crowd().gate
    await gate.drained(PATIENCE_S * 2)
    await gate.drained(0)


@on_every_loop
async def test_drained_waits_for_the_last_of_them() -> None:
    gate = Crowd().gate
    gate.pending_began()
    gate.pending_began()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(gate.drained(PATIENCE_S * 2), name="drained")
        gate.pending_ended()
        await asyncio.sleep(0)
        assert not waiting.done()
        gate.pending_ended()
    gate.pending_began()
    gate.pending_ended()
    await gate.drained(PATIENCE_S * 2)


@on_every_loop
async def test_drained_waits_for_an_answer_that_begins_as_the_last_one_ends() -> None:
    """Both may come in one turn of the loop, before the task that waits is resumed."""
    gate = Crowd().gate
    gate.pending_began()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(gate.drained(PATIENCE_S * 2), name="drained")
        await asyncio.sleep(0)
        gate.pending_ended()
        gate.pending_began()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        gate.pending_ended()


@pytest.mark.parametrize("timeout_s", [0, 0.01])
@on_every_loop
async def test_drained_does_not_wait_for_ever(timeout_s: float) -> None:
    gate = Crowd().gate
    gate.pending_began()
    await gate.drained(timeout_s)
