"""The gate: held requests, and the order of their release."""

from collections.abc import Callable

import pytest

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.service import gate as gate_module
from httpprocessproxy.service.gate import FEW_REQUESTS, FIRST_REQUESTS, Gate
from httpprocessproxy.service.waiter import Target
from test.crowd import Crowd, FakeWaiter
from test.deadline import PATIENCE_S
from test.fakes import ENDED, OVERDUE
from test.loops import eventually, on_every_loop

FIRST = Target(GenerationId("web", 1), "127.0.0.1", 8001)
SECOND = Target(GenerationId("web", 2), "127.0.0.1", 8001)


@on_every_loop
async def test_new_gate_holds_requests() -> None:
    crowd = Crowd()
    (waiter,) = crowd.ask()
    assert (waiter.outcomes, crowd.gate.held) == ([], 1)


@on_every_loop
async def test_open_gate_admits_all_requests_at_once() -> None:
    crowd = Crowd()
    crowd.gate.open(FIRST)
    waiters = crowd.ask(100)
    assert [waiter.outcomes for waiter in waiters] == [[FIRST]] * 100
    assert crowd.gate.generation == FIRST.generation


@on_every_loop
async def test_closed_gate_refuses_held_and_arriving_requests() -> None:
    crowd = Crowd()
    waiting = crowd.ask(3)
    crowd.gate.refuse(lambda: ENDED)
    coming = crowd.ask(2)
    assert [waiter.outcomes for waiter in waiting + coming] == [[ENDED]] * 5
    assert crowd.gone == [1, 2, 3, 4, 5]


@on_every_loop
async def test_each_refusal_calls_for_a_new_problem() -> None:
    """The output, whose tail is in the problem, grows after the server's end."""
    crowd = Crowd()
    details = iter("abc")
    crowd.gate.refuse(lambda: Problem(503, "Ended", next(details)))
    assert [waiter.outcomes for waiter in crowd.ask(2)] == [
        [Problem(503, "Ended", "a")],
        [Problem(503, "Ended", "b")],
    ]


@on_every_loop
async def test_gate_holds_and_opens_after_a_refusal() -> None:
    crowd = Crowd()
    crowd.gate.refuse(lambda: ENDED)
    crowd.gate.hold()
    (waiter,) = crowd.ask()
    assert waiter.outcomes == []
    crowd.gate.open(SECOND)
    assert waiter.outcomes == [SECOND]
    assert crowd.gate.generation == SECOND.generation


# Held requests


@on_every_loop
async def test_held_request_goes_first_alone_then_two_after_its_answer() -> None:
    crowd = Crowd()
    waiters = crowd.ask(100)
    crowd.gate.open(FIRST)
    assert crowd.gone == [1]
    crowd.gate.answered(waiters[0])
    # One in place of the answered request, and one because the window grew.
    assert crowd.gone == [1, 2, 3]


@on_every_loop
async def test_few_requests_are_in_flight_at_once() -> None:
    """Fewer than a listen backlog of 10; then one more for each round of answers."""
    crowd = Crowd()
    waiters = crowd.ask(100)
    crowd.gate.open(FIRST)
    for answers in range(1, 60):
        crowd.gate.answered(waiters[answers - 1])
        with_backend = len(crowd.gone) - answers
        assert with_backend <= FEW_REQUESTS + answers / FEW_REQUESTS
    assert with_backend > FEW_REQUESTS


@on_every_loop
async def test_arriving_request_does_not_overtake_held_ones() -> None:
    crowd = Crowd()
    crowd.ask(20)
    crowd.gate.open(FIRST)
    crowd.ask(5)
    await eventually(lambda: crowd.gate.held == 0)
    assert crowd.gone == list(range(1, 26))
    (late,) = crowd.ask()
    assert late.outcomes == [FIRST]


@on_every_loop
async def test_unanswered_requests_do_not_block_the_others() -> None:
    """The backend answers none, as with long polls; all are released in time."""
    crowd = Crowd()
    waiters = crowd.ask(FIRST_REQUESTS + 5)
    crowd.gate.open(FIRST)
    await eventually(lambda: crowd.gate.held == 0)
    assert [waiter.outcomes for waiter in waiters] == [[FIRST]] * len(waiters)


@on_every_loop
async def test_exit_of_a_released_request_releases_the_next() -> None:
    crowd = Crowd()
    waiters = crowd.ask(FIRST_REQUESTS + 2)
    crowd.gate.open(FIRST)
    crowd.gate.exit(waiters[0])
    assert len(crowd.gone) == FIRST_REQUESTS + 1


@on_every_loop
async def test_repeated_answer_of_a_request_releases_once() -> None:
    crowd = Crowd()
    waiters = crowd.ask(FIRST_REQUESTS + 20)
    crowd.gate.open(FIRST)
    for _ in range(5):
        crowd.gate.answered(waiters[0])
        crowd.gate.exit(waiters[0])
    assert len(crowd.gone) == FIRST_REQUESTS + 2


@on_every_loop
async def test_new_backend_starts_with_the_smallest_window() -> None:
    crowd = Crowd()
    waiters = crowd.ask(100)
    crowd.gate.open(FIRST)
    for waiter in waiters[:FIRST_REQUESTS]:
        crowd.gate.answered(waiter)
    gone = len(crowd.gone)
    crowd.gate.hold()
    crowd.gate.answered(waiters[FIRST_REQUESTS])  # an answer of the old backend: without effect
    assert len(crowd.gone) == gone
    crowd.gate.open(SECOND)
    assert len(crowd.gone) == gone + FIRST_REQUESTS
    assert crowd.log[-1].outcomes == [SECOND]


@on_every_loop
async def test_step_of_time_widens_the_window_unless_responses_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate_module, "STEP_S", 0.0)
    answering, silent = Crowd(), Crowd()
    waiters, _ = answering.ask(100), silent.ask(100)
    answering.gate.open(FIRST)
    silent.gate.open(FIRST)
    monkeypatch.setattr(gate_module, "STEP_S", PATIENCE_S)  # for all steps but the first
    answering.gate.answered(waiters[0])
    await eventually(lambda: len(silent.gone) > FIRST_REQUESTS)
    assert len(silent.gone) == 2 * FIRST_REQUESTS
    assert len(answering.gone) == FIRST_REQUESTS + 2, "as at the response"


# Exits


@on_every_loop
async def test_request_that_exits_is_never_admitted() -> None:
    crowd = Crowd()
    waiters = crowd.ask(3)
    crowd.gate.exit(waiters[1])
    crowd.gate.exit(waiters[1])
    crowd.gate.open(FIRST)
    crowd.gate.answered(waiters[0])
    assert crowd.gone == [1, 3]


@on_every_loop
async def test_request_that_enters_again_on_admission_waits_for_the_next_backend() -> None:
    """An exchange does so if its connection is lost in the call that admits it."""
    crowd = Crowd()

    class Again(FakeWaiter):
        def admitted(self, target: Target) -> None:
            super().admitted(target)
            if target is FIRST:
                crowd.gate.exit(self)
                crowd.gate.hold()
                crowd.gate.enter_unfenced(self)

    waiter = Again(crowd.log)
    crowd.gate.enter_unfenced(waiter)
    crowd.gate.open(FIRST)
    assert (waiter.outcomes, crowd.gate.held) == ([FIRST], 1)
    crowd.gate.open(SECOND)
    assert waiter.outcomes == [FIRST, SECOND]


# Timeouts


@on_every_loop
async def test_request_held_beyond_the_timeout_is_refused() -> None:
    crowd = Crowd(queue_timeout_s=0.02)
    waiters = crowd.ask(3)
    await eventually(lambda: crowd.gate.held == 0)
    later = crowd.ask(2)
    await eventually(lambda: crowd.gate.held == 0)
    assert [waiter.outcomes for waiter in waiters + later] == [[OVERDUE]] * 5
    crowd.gate.open(FIRST)
    assert crowd.gone == [1, 2, 3, 4, 5]


@on_every_loop
async def test_exit_of_the_first_does_not_stop_the_timeout_of_the_next() -> None:
    crowd = Crowd(queue_timeout_s=0.02)
    first, second = crowd.ask(2)
    crowd.gate.exit(first)
    await eventually(lambda: crowd.gate.held == 0)
    assert (first.outcomes, second.outcomes) == ([], [OVERDUE])


@on_every_loop
async def test_request_admitted_in_time_is_not_refused_later() -> None:
    crowd = Crowd(queue_timeout_s=0.02)
    (waiter,) = crowd.ask()
    crowd.gate.open(FIRST)
    crowd.gate.hold()
    (other,) = crowd.ask()
    await eventually(lambda: other.outcomes == [OVERDUE])
    assert waiter.outcomes == [FIRST]


@on_every_loop
async def test_queue_timeout_of_zero_refuses_soon() -> None:
    crowd = Crowd(queue_timeout_s=0)
    (waiter,) = crowd.ask()
    await eventually(lambda: waiter.outcomes == [OVERDUE])


# Unconfirmed requests: their connections broke


@pytest.mark.parametrize(
    ("news", "outcome"),
    [
        (lambda gate: gate.hold(), None),
        (lambda gate: gate.refuse(lambda: ENDED), ENDED),
        (lambda gate: gate.open(SECOND), SECOND),
    ],
)
@on_every_loop
async def test_unconfirmed_request_waits_for_the_next_command(
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
async def test_unconfirmed_request_enters_again_after_a_while() -> None:
    crowd = Crowd(suspicion_s=0.02)
    crowd.gate.open(FIRST)
    waiter = crowd.waiter()
    crowd.gate.hold_unconfirmed(waiter)
    await eventually(lambda: waiter.outcomes == [FIRST])
    crowd.gate.hold()
    assert waiter.outcomes == [FIRST]


@on_every_loop
async def test_unconfirmed_request_is_held_if_the_backend_has_ended() -> None:
    crowd = Crowd()
    crowd.gate.hold_unconfirmed(crowd.waiter())
    assert crowd.gate.held == 1


@on_every_loop
async def test_unconfirmed_request_that_exits_is_never_admitted() -> None:
    crowd = Crowd(suspicion_s=0.02)
    crowd.gate.open(FIRST)
    leaves, stays = crowd.waiter(), crowd.waiter()
    crowd.gate.hold_unconfirmed(leaves)
    crowd.gate.hold_unconfirmed(stays)
    crowd.gate.exit(leaves)
    await eventually(lambda: stays.outcomes == [FIRST])
    assert leaves.outcomes == []


@on_every_loop
async def test_exit_of_an_answered_request_leaves_the_gate_as_it_is() -> None:
    crowd = Crowd()
    crowd.gate.open(FIRST)
    (waiter,) = crowd.ask()
    crowd.gate.answered(waiter)
    crowd.gate.exit(waiter)
    (other,) = crowd.ask()
    assert (other.outcomes, crowd.gate.held, crowd.gate.answers) == ([FIRST], 0, 1)
