"""The gate's page for a long start: navigations get it, other requests go on waiting."""

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.service.gate import Gate, GateLimits
from httpprocessproxy.service.waiter import Target
from test.crowd import FakeWaiter
from test.deadline import PATIENCE_S
from test.fakes import ENDED, OVERDUE
from test.gates import STARTING, new_gate
from test.loops import eventually, on_every_loop, turn

FIRST = Target(GenerationId("web", 1), "127.0.0.1", 8001)


def navigation(log: list[FakeWaiter]) -> FakeWaiter:
    waiter = FakeWaiter(log)
    waiter.is_navigation = True
    return waiter


def gate_after(seconds: float) -> Gate:
    return new_gate(OVERDUE, GateLimits(PATIENCE_S, starting_page_s=seconds))


@on_every_loop
async def test_held_navigation_gets_the_starting_page_and_other_requests_wait() -> None:
    gate, log = gate_after(0.01), list[FakeWaiter]()
    data, page = FakeWaiter(log), navigation(log)
    gate.enter_unfenced(data)
    gate.enter_unfenced(page)
    await eventually(lambda: bool(page.outcomes))
    assert page.outcomes == [STARTING]
    assert (data.outcomes, gate.held) == ([], 1)
    gate.open(FIRST)
    assert data.outcomes == [FIRST]


@on_every_loop
async def test_decided_navigation_does_not_get_the_starting_page() -> None:
    gate, log = gate_after(0.0), list[FakeWaiter]()
    pages = [navigation(log) for _ in range(3)]
    gate.enter_unfenced(pages[0])
    gate.refuse(lambda: ENDED)
    gate.hold()
    gate.enter_unfenced(pages[1])
    gate.exit(pages[1])
    gate.open(FIRST)
    gate.enter_unfenced(pages[2])
    for _ in range(10):
        await turn()
    assert [page.outcomes for page in pages] == [[ENDED], [], [FIRST]]
