"""Builds for tests, with a command that the test ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from pathlib import Path

from httpprocessproxy.core.state import Machine, State
from httpprocessproxy.events import BuildChanged
from httpprocessproxy.process import StopError
from httpprocessproxy.service.builds import BuildEffects, Builds
from test.loops import eventually, turn
from test.supervision import FakePlane

APP = frozenset({"app.py"})


class FakeCommand:
    """A command that the test ends by `end_with`; `runs` has whether each run was alone."""

    command = "make all"
    output = b"main.go:3: no\n"

    def __init__(self) -> None:
        self.runs: list[bool] = []
        self.cancelled = 0
        self.has_ended = False
        self.stop_error = ""
        self._reasons: asyncio.Queue[str] = asyncio.Queue()

    async def run(self, cancelled: asyncio.Event, *, is_alone: bool) -> str | None:
        self.runs.append(is_alone)
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(self._reasons.get(), name="end")
            cancelling = group.create_task(cancelled.wait(), name="cancel")
            await asyncio.wait((ending, cancelling), return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            cancelling.cancel()
        if not ending.cancelled():
            return ending.result()
        self.cancelled += 1
        if self.stop_error:
            raise StopError(self.stop_error)
        return None

    async def end(self) -> None:
        self.has_ended = True
        if self.stop_error:
            raise StopError(self.stop_error)

    def end_with(self, reason: str = "") -> None:
        self._reasons.put_nowait(reason)


class BuildBench:
    """Builds whose effects are recorded."""

    def __init__(self, settle_s: float = 0.0) -> None:
        self.command = FakeCommand()
        self.machine = Machine()
        self.plane = FakePlane()
        self.restarts: list[set[str] | str] = []
        self.included: list[set[str]] = []
        self.refusals: list[str] = []
        self.events: list[BuildChanged] = []
        self.said: list[str] = []
        self.open: set[Path] = set()
        self.late: list[frozenset[str]] = []  # changes that the watcher reports late
        self.releases = 0
        effects = BuildEffects(
            begin=lambda: None,
            give_up=lambda _: None,
            restart=lambda paths: self.restarts.append(set(paths)),
            request=self.restarts.append,
            include=lambda paths: self.included.append(set(paths)),
            refuse=self.refusals.append,
            release=self._release,
            publish=self.events.append,
            say=self.said.append,
            caught_up=self._catch_up,
            open_files=self._open_files,
        )
        self.builds = Builds("web", self.command, self.machine, settle_s, effects)
        self.machine.start()
        self.builds.entered(State.LOADING)

    def _release(self) -> None:
        assert not self.builds.is_running
        self.releases += 1

    async def _catch_up(self) -> None:
        late, self.late = self.late, []
        for paths in late:
            self.builds.changed(paths)

    def _open_files(self, paths: Collection[Path]) -> Collection[Path]:
        return self.open & {*paths}

    def enter(self, state: State) -> None:
        self.machine.state = state
        self.builds.entered(state)

    async def began(self, count: int) -> None:
        await eventually(lambda: len(self.command.runs) == count)

    async def ended(self, reason: str = "") -> None:
        """End the build, and wait for its verdict."""
        self.command.end_with(reason)
        await eventually(lambda: not self.builds.is_running)

    async def start(self) -> None:
        """Build for the first start, and let the server run."""
        await self.began(1)
        await self.ended()
        assert await self.builds.before_start() == ""
        self.enter(State.RUNNING)

    async def write_in_build(self, *contents: tuple[str, str]) -> None:
        """Let the build that runs write files."""
        for name, content in contents:
            _write(name, content)
            self.builds.changed(frozenset({name}))
            await turn()

    @property
    def states(self) -> list[str]:
        return [event.build.state for event in self.events]


def _write(name: str, content: str) -> None:
    Path(name).write_text(content)


@contextlib.asynccontextmanager
async def building(settle_s: float = 0.0) -> AsyncIterator[BuildBench]:
    bench = BuildBench(settle_s)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(bench.builds.run(bench.plane), name="builds")
        yield bench
        running.cancel()
    assert bench.command.has_ended
