"""The freshness of a service, with watchers that report changes at once or late."""

import asyncio

import pytest

from httpprocessproxy.core.state import Machine
from httpprocessproxy.service.freshness import WatcherFreshness
from httpprocessproxy.service.inbox import Inbox
from test.loops import eventually, on_every_loop
from test.supervision import FakeWatcher


class FakeMarks:
    """Two changes, of which the first is judged."""

    def mark(self) -> int:
        return 2

    def is_past(self, mark: int) -> bool:
        return mark <= 1


def followed(
    watcher: FakeWatcher, marks: FakeMarks | None = None
) -> tuple[WatcherFreshness, Inbox]:
    inbox = Inbox(Machine(), 0.0)
    freshness = WatcherFreshness(inbox)
    freshness.follow(watcher, marks)
    return freshness, inbox


@on_every_loop
async def test_service_without_a_watcher_is_current_and_has_no_description() -> None:
    freshness = WatcherFreshness(Inbox(Machine(), 0.0))
    assert freshness.is_current()
    assert (freshness.description, freshness.fence) == ("", None)


@pytest.mark.parametrize(("is_caught_up", "is_handled"), [(False, True), (True, False)])
@on_every_loop
async def test_undecided_or_queued_change_is_not_current(
    is_caught_up: bool, is_handled: bool
) -> None:
    watcher = FakeWatcher()
    freshness, inbox = followed(watcher)
    assert freshness.is_current()
    watcher.is_caught_up = is_caught_up
    if not is_handled:
        inbox.put_changed(frozenset({"a.py"}))
    assert not freshness.is_current()


@on_every_loop
async def test_changes_have_numbers_only_with_marks() -> None:
    freshness, _ = followed(FakeWatcher())
    assert (freshness.mark(), freshness.is_past(0)) == (0, False)
    freshness, inbox = followed(FakeWatcher(), FakeMarks())
    assert (freshness.mark(), freshness.is_past(1), freshness.is_past(2)) == (2, True, False)
    inbox.put_changed(frozenset({"a.py"}))
    assert not freshness.is_past(1)


@on_every_loop
async def test_watcher_that_reports_late_needs_a_fence() -> None:
    watcher = FakeWatcher()
    freshness, inbox = followed(watcher)
    before = freshness.fence
    watcher.is_immediate = False
    freshness.choose_fence()
    assert before is None
    assert freshness.fence is not None
    inbox.put_changed(frozenset({"a.py"}))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(freshness.run(), name="fence")
        waiting = group.create_task(freshness.passed(), name="passed")
        await inbox.next()
        await eventually(lambda: watcher.fences > 0)
        assert not waiting.done()
        inbox.done()
        await waiting
        running.cancel()


@on_every_loop
async def test_fence_that_fails_is_awaited_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests go on if the watcher does not answer in time; a caller of `passed` waits on."""
    watcher = FakeWatcher()
    freshness, _ = followed(watcher)
    failures = iter([True, True, False])

    async def fence() -> None:
        watcher.fences += 1
        if next(failures):
            raise OSError("no descriptor is left")

    monkeypatch.setattr(watcher, "fence", fence)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(freshness.run(), name="fence")
        await freshness.passed()
        running.cancel()
    assert watcher.fences == 3


@on_every_loop
async def test_changes_that_wait_for_a_build_are_not_current() -> None:
    freshness, _ = followed(FakeWatcher(), FakeMarks())
    is_awaited = True
    freshness.awaits_build = lambda: is_awaited
    assert not freshness.is_current()
    assert not freshness.is_past(1)
    is_awaited = False
    assert freshness.is_current()
    assert freshness.is_past(1)
