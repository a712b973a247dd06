"""Requests that wait for the verdict of a build: order, time limit, and leaving clients."""

import asyncio

from httpprocessproxy.service.verdict_queue import VerdictEffects, VerdictQueue
from httpprocessproxy.service.waiter import Waiter
from test.deadline import MS, PATIENCE_S
from test.fakes import OVERDUE
from test.loops import eventually, on_every_loop, turn
from test.supervision import FakeWaiter


class Bench:
    """A queue whose fences the test passes."""

    def __init__(self, limit_s: float = PATIENCE_S) -> None:
        self.is_building = True
        self.fences: list[asyncio.Future[bool]] = []
        self.admitted: list[Waiter] = []
        effects = VerdictEffects(
            fence=self._fence,
            is_building=lambda: self.is_building,
            admit=self.admitted.append,
            overdue=lambda: OVERDUE,
        )
        self.queue = VerdictQueue(limit_s, effects)

    def _fence(self) -> asyncio.Future[bool]:
        self.fences.append(asyncio.get_running_loop().create_future())
        return self.fences[-1]

    def ask(self) -> FakeWaiter:
        waiter = FakeWaiter()
        self.queue.enter(waiter)
        return waiter

    async def pass_fences(self) -> None:
        for fence in self.fences:
            fence.set_result(True)
        await turn()


@on_every_loop
async def test_requests_wait_for_the_fence_and_then_for_the_verdict_in_order() -> None:
    bench = Bench()
    waiters = [bench.ask(), bench.ask()]
    bench.queue.release()  # a verdict before the fence may be one of older files
    assert bench.admitted == []
    await bench.pass_fences()
    assert bench.admitted == []
    bench.is_building = False
    bench.queue.release()
    assert bench.admitted == waiters


@on_every_loop
async def test_request_is_admitted_after_the_fence_if_no_build_runs() -> None:
    bench = Bench()
    bench.is_building = False
    waiter = bench.ask()
    await bench.pass_fences()
    assert bench.admitted == [waiter]


@on_every_loop
async def test_request_that_has_left_is_not_admitted() -> None:
    bench = Bench()
    gone, stays = bench.ask(), bench.ask()
    bench.queue.exit(gone)
    await bench.pass_fences()
    bench.queue.exit(stays)
    bench.queue.exit(stays)
    bench.queue.release()
    assert bench.admitted == []


@on_every_loop
async def test_request_is_refused_after_the_time_limit() -> None:
    bench = Bench(20 * MS)
    waiter = bench.ask()
    await bench.pass_fences()
    await eventually(lambda: waiter.problem is OVERDUE)
    bench.queue.release()
    assert bench.admitted == []
