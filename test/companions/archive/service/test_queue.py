"""The queue by itself: places, promises, and who is woken when."""

import asyncio
from collections.abc import Iterator

from httpprocessproxy.companions.archive.service.queue import PROMISE_S, Queue, QueuePlace
from test.deadline import PATIENCE_S
from test.loops import run


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def there(place: QueuePlace | None) -> QueuePlace:
    assert place is not None
    return place


def test_positions() -> None:
    queue = Queue(2, Time())
    with queue.waiting("a") as a, queue.waiting("b") as b:
        assert (there(a).position, there(b).position) == (-2, -1)
        with queue.downloading("x", "joe"), queue.downloading("y", "joe"):
            assert (there(a).position, there(b).position) == (0, 1)
            assert queue.running("joe") == 2
        assert queue.running("joe") == 0
        with queue.waiting("a") as again:
            assert again is None
        assert there(b).position == -1, "the other one with this id is still there"
    with queue.waiting("b") as b:
        assert there(b).position == -2


def test_a_promise_counts_until_it_is_kept_or_forgotten() -> None:
    time = Time()
    queue = Queue(1, time)
    queue.promise("a")
    with queue.waiting("b") as b:
        assert there(b).position == 0
        with queue.downloading("a", "joe"):
            assert there(b).position == 0, "it does not count twice"
        assert there(b).position == -1
        queue.promise("c")
        time.now += PROMISE_S - 1
        assert there(b).position == 0
        time.now += 1
        assert there(b).position == -1


def test_whoever_waits_is_woken() -> None:
    async def main() -> None:
        queue = Queue(1, asyncio.get_running_loop().time)
        happening = events(queue)
        for _ in range(4):
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(queue.wait_for(queue.next_change), name="waits")
                await asyncio.sleep(0)
                assert not task.done()
                next(happening)

    run(main())


def events(queue: Queue) -> Iterator[None]:
    """All that changes places, one after the other."""
    with queue.waiting("a") as place:
        there(place).leave()
        assert there(place).has_left
        yield
    yield
    with queue.downloading("x", "joe"):
        yield
    yield


def test_what_changes_between_looking_and_waiting_is_seen() -> None:
    async def main() -> None:
        queue = Queue(1, asyncio.get_running_loop().time)
        change = queue.next_change
        queue.change()
        async with asyncio.timeout(PATIENCE_S):
            await queue.wait_for(change)

    run(main())


def test_a_promise_that_ends_wakes() -> None:
    async def main() -> None:
        time = Time()
        queue = Queue(1, time)
        queue.promise("a")
        time.now += PROMISE_S
        await queue.wait_for(queue.next_change)

    run(main())
