"""The change handler: restarts, refreshes and messages for changed files in each state."""

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest

from httpprocessproxy.core.change.outputs import PATIENCE
from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.core.change.restart_loop import SUSPICIOUS
from httpprocessproxy.core.state import State
from httpprocessproxy.service import change_handler
from httpprocessproxy.service.change_handler import ChangeEffects, ChangeHandler, ServerWrites
from test.loops import eventually, on_every_loop


class Desk:
    """A change handler and its effects; files that end in .css refresh browsers."""

    def __init__(self) -> None:
        self.restarts: list[set[str]] = []
        self.refreshes: list[object] = []
        self.said: list[str] = []
        self.written: set[Path] = set()
        self.looked = 0
        self.is_writing = False
        self.actions = ChangeHandler(
            ChangeEffects(
                lambda paths: self.restarts.append(set(paths)),
                self.refreshes.append,
                self.said.append,
            ),
            lambda path: path.endswith(".css"),
            ServerWrites(lambda: self.is_writing, self.open_for_writing),
        )
        self.enter("running")

    def open_for_writing(self, files: Collection[Path]) -> Collection[Path]:
        self.looked += 1
        return self.written.intersection(files)

    def enter(self, state: str) -> None:
        self.actions.entered(State(state))

    def change(self, *paths: str) -> None:
        self.actions.changed(frozenset(paths))

    def restart(self) -> None:
        for state in ("killing", "loading", "running"):
            self.enter(state)

    async def refreshed_next(self) -> object:
        """Change one more .css file; return the files of the next refresh."""
        before = len(self.refreshes)
        self.change("last.css")
        await eventually(lambda: len(self.refreshes) > before)
        return self.refreshes[-1]


@on_every_loop
async def test_refresh_files_refresh_and_others_restart() -> None:
    desk = Desk()
    desk.change("a.py", "a.css")
    assert desk.restarts == [{"a.py"}]
    await eventually(lambda: desk.refreshes == [["a.css"]])


@on_every_loop
async def test_burst_is_one_refresh() -> None:
    desk = Desk()
    for number in range(10):
        desk.change(f"{number}.css")
        await asyncio.sleep(0)
    await eventually(lambda: bool(desk.refreshes))
    assert desk.refreshes == [[f"{number}.css" for number in range(10)]]
    desk.change("b.css")
    await eventually(lambda: desk.refreshes[1:] == [["b.css"]])
    assert not desk.restarts


@on_every_loop
async def test_change_during_a_restart_does_not_refresh() -> None:
    desk = Desk()
    for state in ("killing", "loading"):
        desk.enter(state)
        desk.change("a.css")
    desk.enter("running")
    assert await desk.refreshed_next() == ["last.css"]
    assert len(desk.refreshes) == 1
    assert desk.restarts == []


@on_every_loop
async def test_restart_within_a_burst_drops_its_refresh() -> None:
    desk = Desk()
    desk.change("a.css")
    desk.restart()
    desk.change("b.css")
    assert await desk.refreshed_next() == ["b.css", "last.css"]
    assert len(desk.refreshes) == 1


@on_every_loop
async def test_refresh_file_restarts_a_crashed_server() -> None:
    desk = Desk()
    desk.enter("error")
    desk.change("a.css")
    assert desk.restarts == [{"a.css"}]


@on_every_loop
async def test_anything_restarts() -> None:
    desk = Desk()
    desk.change(ANYTHING)
    assert desk.restarts == [{ANYTHING}]


@on_every_loop
async def test_file_open_for_writing_at_each_start_is_ignored() -> None:
    desk = Desk()
    desk.written = {Path.cwd() / "logs/a[1].log"}
    for _ in range(SUSPICIOUS - 1):
        desk.restart()
        desk.change("logs/a[1].log")
    assert desk.looked == 0
    assert len(desk.restarts) == SUSPICIOUS - 1
    desk.restart()
    desk.change("logs/a[1].log", "a.py")
    assert desk.restarts.pop() == {"a.py"}
    (line,) = desk.said
    assert "logs/a[1].log" in line
    assert r"--exclude 'logs/a\[1\].log'" in line
    desk.restart()
    desk.change("logs/a[1].log")
    assert len(desk.restarts) == SUSPICIOUS - 1
    assert len(desk.said) == 1


@on_every_loop
async def test_file_that_a_user_saves_after_each_start_is_not_ignored() -> None:
    desk = Desk()
    for number in range(1, 200):
        desk.restart()
        desk.change("a.py")
        assert len(desk.restarts) == number
    assert 1 < desk.looked < 10
    assert not desk.said


@on_every_loop
async def test_anything_after_each_start_is_not_a_loop() -> None:
    desk = Desk()
    for number in range(1, 100):
        desk.restart()
        desk.change(ANYTHING)
        assert len(desk.restarts) == number
    assert not desk.looked


@on_every_loop
async def test_file_open_for_writing_while_a_post_is_in_flight_is_not_a_save() -> None:
    desk = Desk()
    desk.written = {Path.cwd() / "uploads/a.bin"}
    desk.change("uploads/a.bin")
    assert desk.restarts.pop() == {"uploads/a.bin"}, "without a request it may be a person's"
    desk.is_writing = True
    desk.change("uploads/a.bin", "a.py")
    assert desk.restarts == [{"a.py"}]
    desk.written.add(Path.cwd() / "uploads/b.bin")
    desk.change("uploads/b.bin")
    assert desk.restarts == [{"a.py"}]
    (line,) = desk.said  # one line for the folder
    assert "--exclude 'uploads/**'" in line
    # The file is closed, which is reported as a change.
    desk.written.clear()
    desk.is_writing = False
    desk.change("uploads/a.bin")
    assert desk.restarts == [{"a.py"}]


@on_every_loop
async def test_file_open_for_writing_during_the_start_is_not_a_save() -> None:
    desk = Desk()
    desk.enter("loading")
    desk.written = {Path.cwd() / "dist/a.js"}
    desk.change("dist/a.js")
    assert not desk.restarts
    desk.change("src/a.ts")
    assert desk.restarts == [{"src/a.ts"}]
    assert "--exclude 'dist/**'" in desk.said[0]


@pytest.mark.parametrize(("state", "is_output"), [("killing", True), ("running", False)])
@on_every_loop
async def test_output_is_a_save_if_it_changes_while_the_server_runs(
    state: str, is_output: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a start is killed, its own writes may still be reported."""
    monkeypatch.setattr(change_handler, "OWN_S", 0.0)
    desk = Desk()
    desk.enter("loading")
    desk.written = {Path.cwd() / "dist/a.js"}
    desk.change("dist/a.js")
    assert desk.restarts == [], "the server has it open"
    desk.written.clear()
    desk.enter(state)
    desk.change("dist/a.js")
    assert desk.restarts.pop() == {"dist/a.js"}
    desk.enter("loading")
    desk.change("dist/a.js")
    assert desk.restarts == ([] if is_output else [{"dist/a.js"}])


@on_every_loop
async def test_change_in_a_continued_start_is_judged_before_the_answer() -> None:
    desk = Desk()
    for _ in range(PATIENCE):
        desk.enter("loading")
        desk.change("missing.js")
    desk.enter("loading")
    desk.change("missing.js")
    assert len(desk.restarts) == PATIENCE
    assert desk.actions.is_pending
    assert desk.actions.answers() == {"missing.js"}
    assert not desk.actions.is_pending
