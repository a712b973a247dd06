"""Changes that changed something, in order; real files, and a watcher that is the test."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path

import pytest

from httpprocessproxy.core.change.patterns import ANYTHING, Patterns
from httpprocessproxy.service.content_filter import ContentFilter
from httpprocessproxy.watch import Contents, ContentVerdict, Scope
from test.loops import eventually, on_every_loop

SCOPE = Scope(Patterns([], [], True))


class Desk:
    """`saved` reports a file that contains `text` now, or is gone."""

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
        """Wait until exactly these have been passed on, and what came before them."""
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
async def test_the_same_again_is_not_passed_on(project: Path) -> None:
    async with desk_at(project) as desk:
        desk.saved("a.py", "1")
        await desk.seen({"a.py"})
        desk.saved("a.py", "1")
        await desk.seen()
        desk.saved("a.py", "2")
        await desk.seen({"a.py"})


@on_every_loop
async def test_a_file_that_is_emptied_or_removed_before_it_is_written(project: Path) -> None:
    async with desk_at(project) as desk:
        desk.saved("a.py", "1")
        await desk.seen({"a.py"})
        for half in ("", None):
            desk.saved("a.py", half)
            desk.saved("a.py", "1")
            await desk.seen()


@on_every_loop
async def test_a_file_that_stays_away_counts_in_the_end(project: Path) -> None:
    async with desk_at(project) as desk:
        for end in ("", None):
            desk.saved("a.py", f"not yet {end}")
            await desk.seen({"a.py"})
            desk.saved("a.py", end)
            await eventually(lambda: desk.changes == [{"a.py"}])
            desk.changes.clear()


@on_every_loop
async def test_anything_counts_and_ends_what_was_known(project: Path) -> None:
    async with desk_at(project) as desk:
        desk.saved("a.py", "1")
        await desk.seen({"a.py"})
        desk.unchanged.changed(frozenset({ANYTHING}))
        desk.saved("a.py", "1")
        await desk.seen({ANYTHING}, {"a.py"})


@on_every_loop
async def test_wait_for_the_changes_so_far_ends_while_more_of_them_come(project: Path) -> None:
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


@on_every_loop
async def test_waiting_changes_of_a_file_are_read_once(
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
async def test_wait_includes_the_second_look_at_a_file_that_was_empty(project: Path) -> None:
    async with desk_at(project) as desk:
        desk.saved("a.py", "1")
        await desk.seen({"a.py"})
        desk.saved("a.py", "")
        await desk.unchanged.judged()
        assert desk.changes == [{"a.py"}]
