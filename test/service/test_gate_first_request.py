"""The gate's first request: sent before the gate opens, while all others wait."""

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.service.gate import Gate
from httpprocessproxy.service.waiter import Target
from test.crowd import Crowd
from test.loops import on_every_loop

FIRST = Target(GenerationId("web", 1), "127.0.0.1", 8001)
SECOND = Target(GenerationId("web", 2), "127.0.0.1", 8001)


@on_every_loop
async def test_first_safe_request_is_sent_alone() -> None:
    crowd = Crowd()
    waiters = crowd.ask(3)
    waiters[0].is_safe = False
    answered = crowd.gate.first_request(FIRST)
    assert answered is not None
    assert crowd.gone == [2]
    assert crowd.gate.leads_to(FIRST)
    assert not crowd.gate.leads_to(SECOND)
    crowd.gate.answered(waiters[1])
    assert answered.result() is True
    assert crowd.gate.generation == FIRST.generation
    assert (crowd.gone, crowd.gate.held) == ([2], 2)  # the gate is not open yet
    crowd.gate.open(FIRST)
    assert crowd.gone == [2, 1]


@on_every_loop
async def test_first_request_is_none_without_a_safe_request() -> None:
    crowd = Crowd()
    assert crowd.gate.first_request(FIRST) is None
    (waiter,) = crowd.ask()
    waiter.is_safe = False
    assert crowd.gate.first_request(FIRST) is None
    assert (crowd.gone, crowd.gate.held) == ([], 1)


@on_every_loop
async def test_lost_first_request_waits_again() -> None:
    crowd = Crowd()
    (waiter,) = crowd.ask()
    answered = crowd.gate.first_request(FIRST)
    assert answered is not None
    crowd.gate.exit(waiter)
    assert answered.result() is False
    assert not crowd.gate.leads_to(FIRST)
    crowd.gate.enter_unfenced(waiter)
    crowd.gate.open(SECOND)
    assert waiter.outcomes == [FIRST, SECOND]


@on_every_loop
async def test_gate_may_open_or_hold_before_the_first_request_is_answered() -> None:
    for close in (Gate.hold, lambda gate: gate.open(FIRST)):
        crowd = Crowd()
        (waiter,) = crowd.ask()
        answered = crowd.gate.first_request(FIRST)
        assert answered is not None
        close(crowd.gate)
        assert answered.result() is False
        crowd.gate.answered(waiter)
