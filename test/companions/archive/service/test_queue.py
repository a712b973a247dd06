"""The queue: positions, promised slots, and wake-ups."""

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


def present(place: QueuePlace | None) -> QueuePlace:
    assert place is not None
    return place


def test_position_depends_on_order_and_running_downloads() -> None:
    queue = Queue(2, Time())
    with queue.waiting("a") as a, queue.waiting("b") as b:
        assert (present(a).position, present(b).position) == (-2, -1)
        with queue.downloading("x", "joe"), queue.downloading("y", "joe"):
            assert (present(a).position, present(b).position) == (0, 1)
            assert queue.running("joe") == 2
        assert queue.running("joe") == 0
        with queue.waiting("a") as again:
            assert again is None
        assert present(b).position == -1, "the first place of this id remains"
    with queue.waiting("b") as b:
        assert present(b).position == -2


def test_promise_counts_until_its_download_starts_or_it_expires() -> None:
    time = Time()
    queue = Queue(1, time)
    queue.promise("a")
    with queue.waiting("b") as b:
        assert present(b).position == 0
        with queue.downloading("a", "joe"):
            assert present(b).position == 0, "the promise and its download count once"
        assert present(b).position == -1
        queue.promise("c")
        time.now += PROMISE_S - 1
        assert present(b).position == 0
        time.now += 1
        assert present(b).position == -1


def test_each_change_wakes_waiting_tasks() -> None:
    async def main() -> None:
        queue = Queue(1, asyncio.get_running_loop().time)
        changes = events(queue)
        for _ in range(4):
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(queue.wait_for(queue.next_change), name="waits")
                await asyncio.sleep(0)
                assert not task.done()
                next(changes)

    run(main())


def events(queue: Queue) -> Iterator[None]:
    """All events that change positions, one after the other."""
    with queue.waiting("a") as place:
        present(place).leave()
        assert present(place).has_left
        yield
    yield
    with queue.downloading("x", "joe"):
        yield
    yield


def test_change_between_reading_and_waiting_wakes() -> None:
    async def main() -> None:
        queue = Queue(1, asyncio.get_running_loop().time)
        change = queue.next_change
        queue.change()
        async with asyncio.timeout(PATIENCE_S):
            await queue.wait_for(change)

    run(main())


def test_expired_promise_wakes() -> None:
    async def main() -> None:
        time = Time()
        queue = Queue(1, time)
        queue.promise("a")
        time.now += PROMISE_S
        await queue.wait_for(queue.next_change)

    run(main())
