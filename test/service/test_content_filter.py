"""The content filter: which changes it forwards, with real files and the test as the watcher."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path

import pytest

from httpprocessproxy.core.change.patterns import ANYTHING, Patterns
from httpprocessproxy.service import content_filter
from httpprocessproxy.service.content_filter import ContentFilter
from httpprocessproxy.watch import Contents, ContentVerdict, Scope
from test.loops import eventually, on_every_loop

SCOPE = Scope(Patterns([], [], True))


class Desk:
    """A filter and the changes it forwards; `saved` writes or removes a file and reports it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.changes: list[set[str]] = []
        self.numbers = itertools.count()
        self.unchanged = ContentFilter(root, lambda paths: self.changes.append(set(paths)))

    def saved(self, name: str, text: str | None) -> None:
        if text is None:
            (self.root / name).unlink()
        else:
            (self.root / name).write_text(text)
        self.unchanged.changed(frozenset({name}))

    async def seen(self, *changes: set[str]) -> None:
        """Wait until all earlier changes are judged; check that exactly these were forwarded."""
        await eventually(lambda: self.unchanged.is_idle)
        self.saved("the last of all", str(next(self.numbers)))
        await eventually(lambda: {"the last of all"} in self.changes)
        assert self.changes == [*changes, {"the last of all"}]
        self.changes.clear()


@contextlib.asynccontextmanager
async def desk_at(root: Path) -> AsyncIterator[Desk]:
    desk = Desk(root)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(desk.unchanged.run(SCOPE), name="unchanged")
        yield desk
        running.cancel()


@on_every_loop
async def test_save_of_the_same_content_is_not_forwarded(project: Path) -> None:
    async with desk_at(project) as desk:
        desk.saved("a.py", "1")
        await desk.seen({"a.py"})
        desk.saved("a.py", "1")
        await desk.seen()
        desk.saved("a.py", "2")
        await desk.seen({"a.py"})


@on_every_loop
async def test_truncation_or_removal_before_the_same_content_is_not_forwarded(
    project: Path,
) -> None:
    async with desk_at(project) as desk:
        desk.saved("a.py", "1")
        await desk.seen({"a.py"})
        for half in ("", None):
            desk.saved("a.py", half)
            desk.saved("a.py", "1")
            await desk.seen()


@on_every_loop
async def test_file_that_stays_empty_or_removed_is_forwarded(project: Path) -> None:
    async with desk_at(project) as desk:
        for end in ("", None):
            desk.saved("a.py", f"not yet {end}")
            await desk.seen({"a.py"})
            desk.saved("a.py", end)
            await eventually(lambda: desk.changes == [{"a.py"}])
            desk.changes.clear()


@on_every_loop
async def test_anything_is_forwarded_and_clears_the_digests(project: Path) -> None:
    async with desk_at(project) as desk:
        desk.saved("a.py", "1")
        await desk.seen({"a.py"})
        desk.unchanged.changed(frozenset({ANYTHING}))
        desk.saved("a.py", "1")
        await desk.seen({ANYTHING}, {"a.py"})


@on_every_loop
async def test_wait_for_earlier_changes_ends_while_new_ones_arrive(project: Path) -> None:
    async with desk_at(project) as desk:
        desk.saved("a.py", "1")
        await desk.seen({"a.py"})
        reports = 0

        def report_again() -> None:
            nonlocal reports
            reports += 1
            desk.unchanged.changed(frozenset({"a.py"}))
            loop.call_soon(report_again)

        loop = asyncio.get_running_loop()
        report_again()
        for _ in range(20):
            await desk.unchanged.judged()
            assert not desk.unchanged.is_idle
        assert reports > 20
        assert desk.changes == []


class FakeWatcher:
    """A watcher whose state the test sets."""

    description = "a fake"
    is_immediate = False
    has_caught_up = True
    fences = 0

    def catch_up(self) -> bool:
        return self.has_caught_up

    async def fence(self) -> None:
        self.fences += 1


@on_every_loop
async def test_watcher_has_caught_up_once_its_changes_are_judged(project: Path) -> None:
    async with desk_at(project) as desk:
        watcher = FakeWatcher()
        judging = desk.unchanged.judging(watcher)
        assert (judging.description, judging.is_immediate) == ("a fake", False)
        caught_up = [judging.catch_up()]
        desk.saved("a.py", "1")
        caught_up.append(judging.catch_up())
        await judging.fence()
        assert desk.changes == [{"a.py"}]
        caught_up.append(judging.catch_up())
        watcher.has_caught_up = False
        caught_up.append(judging.catch_up())
        assert caught_up == [True, False, True, False]
        assert watcher.fences == 1


@on_every_loop
async def test_mark_is_past_once_the_changes_before_it_are_judged(project: Path) -> None:
    async with desk_at(project) as desk:
        before = desk.unchanged.mark()
        desk.saved("a.py", "1")
        after = desk.unchanged.mark()
        assert after > before
        past = [desk.unchanged.is_past(mark) for mark in (before, after)]
        assert past == [True, False]
        await desk.unchanged.judged()
        assert desk.unchanged.is_past(after)
        assert desk.unchanged.mark() == after


@on_every_loop
async def test_queued_changes_of_a_file_are_read_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    judge = Contents.judge

    def counting(
        self: Contents, paths: Iterable[str], *, is_final: bool
    ) -> Mapping[str, ContentVerdict]:
        paths = list(paths)
        reads.extend(paths)
        return judge(self, paths, is_final=is_final)

    monkeypatch.setattr(Contents, "judge", counting)
    async with desk_at(project) as desk:
        for _ in range(100):
            desk.saved("a.py", "1")
        await desk.unchanged.judged()
        assert reads == ["a.py"]


@on_every_loop
async def test_wait_includes_the_second_read_of_an_empty_file(project: Path) -> None:
    async with desk_at(project) as desk:
        desk.saved("a.py", "1")
        await desk.seen({"a.py"})
        desk.saved("a.py", "")
        await desk.unchanged.judged()
        assert desk.changes == [{"a.py"}]


@on_every_loop
async def test_second_read_of_an_empty_file_follows_in_the_next_run(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that a bug ends is followed by another, which forgets what the first one waited for."""
    monkeypatch.setattr(content_filter, "HALF_SAVED_S", 0.05)
    desk, batches = Desk(project), list[None]()
    desk.unchanged = ContentFilter(
        project, lambda paths: desk.changes.append(set(paths)), lambda: batches.append(None)
    )
    async with asyncio.TaskGroup() as group:
        first = group.create_task(desk.unchanged.run(SCOPE), name="first")
        desk.saved("a.py", "1")
        await eventually(lambda: len(batches) == 1)
        desk.saved("a.py", "")
        await eventually(lambda: len(batches) == 2)
        assert desk.changes == [{"a.py"}], "the empty file may be half of a save"
        first.cancel()
        second = group.create_task(desk.unchanged.run(SCOPE), name="second")
        await eventually(lambda: desk.changes == [{"a.py"}] * 2)
        second.cancel()
