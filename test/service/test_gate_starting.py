"""The gate's page for a start that takes long: who gets it, and who goes on waiting."""

from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.service.gate import Gate, Starting, Target
from test.crowd import FakeWaiter
from test.deadline import PATIENCE_S
from test.fakes import ENDED, OVERDUE
from test.loops import eventually, on_every_loop, turn

FIRST = Target(1, "127.0.0.1", 8001)
LIVE = Problem(503, "Starting", "", is_live=True)


def navigation(log: list[FakeWaiter]) -> FakeWaiter:
    waiter = FakeWaiter(log)
    waiter.is_navigation = True
    return waiter


def gate_after(seconds: float) -> Gate:
    return Gate(PATIENCE_S, lambda: OVERDUE, Starting(seconds, lambda: LIVE))


@on_every_loop
async def test_a_navigation_that_waits_gets_it_and_nothing_else_does() -> None:
    gate, log = gate_after(0.01), list[FakeWaiter]()
    data, page = FakeWaiter(log), navigation(log)
    gate.ask(data)
    gate.ask(page)
    await eventually(lambda: bool(page.outcomes))
    assert page.outcomes == [LIVE]
    assert (data.outcomes, gate.held) == ([], 1)
    gate.open(FIRST)
    assert data.outcomes == [FIRST]


@on_every_loop
async def test_who_does_not_wait_any_more_does_not_get_it() -> None:
    gate, log = gate_after(0.0), list[FakeWaiter]()
    pages = [navigation(log) for _ in range(3)]
    gate.ask(pages[0])
    gate.refuse(lambda: ENDED)
    gate.hold()
    gate.ask(pages[1])
    gate.leave(pages[1])
    gate.open(FIRST)
    gate.ask(pages[2])
    for _ in range(10):
        await turn()
    assert [page.outcomes for page in pages] == [[ENDED], [], [FIRST]]
