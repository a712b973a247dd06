"""The gate, while known changes have not taken effect yet."""

import asyncio

from test.crowd import Crowd
from test.fakes import ENDED
from test.loops import on_every_loop
from test.service.test_gate import FIRST, SECOND


class Judge:
    """The gate's `is_current`, set by the test."""

    def __init__(self) -> None:
        self.is_current = True
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.is_current


@on_every_loop
async def test_request_after_a_save_is_held_until_the_save_proves_harmless() -> None:
    judge = Judge()
    crowd = Crowd(is_current=judge)
    crowd.gate.open(FIRST)
    judge.is_current = False
    waiting = crowd.ask(2)
    assert crowd.gone == []
    judge.is_current = True
    crowd.gate.resume()
    assert [waiter.outcomes for waiter in waiting] == [
        [FIRST],
        [],
    ]  # the second waits for the first
    crowd.gate.answered(waiting[0])
    assert crowd.gone == [1, 2]


@on_every_loop
async def test_resume_without_held_requests_admits_and_refuses_none() -> None:
    crowd = Crowd()
    crowd.gate.open(FIRST)
    crowd.gate.resume()
    crowd.gate.refuse(lambda: ENDED)
    crowd.gate.resume()
    assert crowd.log == []
    (waiter,) = crowd.ask()
    assert waiter.outcomes == [ENDED]


@on_every_loop
async def test_request_after_a_save_goes_to_the_next_generation() -> None:
    judge = Judge()
    crowd = Crowd(is_current=judge)
    crowd.gate.open(FIRST)
    judge.is_current = False
    (waiter,) = crowd.ask()
    crowd.gate.hold()
    judge.is_current = True
    crowd.gate.open(SECOND)
    assert waiter.outcomes == [SECOND]


@on_every_loop
async def test_held_request_stays_held_when_a_save_precedes_the_opening() -> None:
    judge = Judge()
    crowd = Crowd(is_current=judge)
    (waiter,) = crowd.ask()
    judge.is_current = False
    crowd.gate.open(FIRST)
    assert waiter.outcomes == []
    crowd.gate.hold()
    judge.is_current = True
    crowd.gate.open(SECOND)
    assert waiter.outcomes == [SECOND]


@on_every_loop
async def test_first_request_is_not_sent_after_a_save() -> None:
    judge = Judge()
    crowd = Crowd(is_current=judge)
    crowd.ask()
    judge.is_current = False
    assert crowd.gate.first_request(FIRST) is None
    assert crowd.gone == []


@on_every_loop
async def test_requests_are_not_refused_while_a_save_after_a_crash_is_judged() -> None:
    judge = Judge()
    crowd = Crowd(is_current=judge)
    early = crowd.ask()
    judge.is_current = False
    crowd.gate.refuse(lambda: ENDED)
    late = crowd.ask()
    assert crowd.gone == []
    judge.is_current = True
    crowd.gate.resume()
    assert [waiter.outcomes for waiter in early + late] == [[ENDED], [ENDED]]


@on_every_loop
async def test_navigations_unsafe_requests_and_wants_fence_wait_for_the_fence() -> None:
    crowd = Crowd()
    crowd.gate.open(FIRST)
    fences: list[asyncio.Future[bool]] = []

    def fence() -> asyncio.Future[bool]:
        fences.append(asyncio.get_running_loop().create_future())
        return fences[-1]

    crowd.freshness.fence = fence
    safe, page, unsafe, asking, gone = (crowd.waiter() for _ in range(5))
    page.is_navigation, unsafe.is_safe, asking.wants_fence, gone.is_safe = True, False, True, False
    assert crowd.gate.enter(safe)
    for waiter in (page, unsafe, asking, gone):
        assert not crowd.gate.enter(waiter)
    assert crowd.gone == [1]
    crowd.gate.exit(gone)
    for one in fences:
        one.set_result(True)
    await asyncio.sleep(0)
    assert crowd.gone == [1, 2, 3, 4]


@on_every_loop
async def test_requests_have_a_common_target_while_each_would_be_admitted_at_once() -> None:
    judge = Judge()
    crowd = Crowd(is_current=judge)
    targets = [crowd.gate.common_target()]  # not open
    waiters = crowd.ask(3)
    crowd.gate.open(FIRST)
    targets.append(crowd.gate.common_target())  # others are held
    for waiter in waiters:
        crowd.gate.answered(waiter)
    targets.append(crowd.gate.common_target())
    judge.is_current = False
    targets.append(crowd.gate.common_target())
    judge.is_current = True
    crowd.freshness.fence = asyncio.get_running_loop().create_future
    targets.append(crowd.gate.common_target())
    assert targets == [None, None, FIRST, None, None]


@on_every_loop
async def test_unsafe_request_is_admitted_at_once_without_a_fence() -> None:
    crowd = Crowd()
    crowd.gate.open(FIRST)
    waiter = crowd.waiter()
    waiter.is_safe = False
    assert crowd.gate.enter(waiter)
    assert waiter.outcomes == [FIRST]


@on_every_loop
async def test_request_waits_for_changes_before_it_but_not_for_later_ones() -> None:
    crowd = Crowd(is_current=lambda: False)
    crowd.gate.open(FIRST)
    freshness = crowd.freshness
    freshness.seen, freshness.judged = 1, 0
    early = crowd.ask()
    freshness.seen = 2
    late = crowd.ask()
    crowd.gate.resume()
    assert crowd.gone == []
    freshness.judged = 1
    crowd.gate.resume()
    crowd.gate.answered(early[0])
    assert [waiter.outcomes for waiter in early + late] == [[FIRST], []]
    freshness.judged = 2
    crowd.gate.resume()
    assert crowd.gone == [1, 2]


@on_every_loop
async def test_held_request_waits_for_the_changes_before_an_opening() -> None:
    crowd = Crowd(is_current=lambda: False)
    freshness = crowd.freshness
    freshness.seen, freshness.judged = 1, 1
    crowd.ask()
    freshness.seen = 2
    crowd.gate.open(FIRST)
    assert crowd.gone == []
    freshness.seen, freshness.judged = 3, 2
    crowd.gate.resume()
    assert crowd.gone == [1]


@on_every_loop
async def test_held_request_is_refused_once_changes_before_the_crash_are_judged() -> None:
    crowd = Crowd(is_current=lambda: False)
    freshness = crowd.freshness
    freshness.seen, freshness.judged = 1, 0
    (waiter,) = crowd.ask()
    crowd.gate.refuse(lambda: ENDED)
    assert waiter.outcomes == []
    freshness.judged = 1
    crowd.gate.resume()
    assert waiter.outcomes == [ENDED]
