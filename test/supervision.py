"""A service for tests, with fakes for everything except time and sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from pathlib import Path

from httpprocessproxy.config import ServiceConfig, WatchConfig
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.silence import Silence
from httpprocessproxy.events import EventBus, Notice, RestartReport, ServiceStatus, StateChanged
from httpprocessproxy.service.context import Preload
from httpprocessproxy.service.service import Service
from httpprocessproxy.service.waiter import Target
from httpprocessproxy.watch import Scope
from test.children import FakeChild, FakeLauncher, configured
from test.loops import eventually


class FakePlane:
    """Records the calls to the data plane."""

    def __init__(self) -> None:
        self.ended: list[GenerationId] = []
        self.given_up: list[Problem] = []
        self.bug = ""  # raised once
        self.superseded: list[GenerationId] = []
        self.taken_back: Collection[tuple[str, int]] = ()
        self.is_used = False

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        self.taken_back = ends

    def give_up(self, problem: Problem) -> None:
        self.given_up.append(problem)

    def supersede(self, generation: GenerationId) -> None:
        self.superseded.append(generation)

    def end_generation(self, generation: GenerationId) -> None:
        self.ended.append(generation)
        if self.bug:
            bug, self.bug = self.bug, ""
            raise RuntimeError(bug)

    @property
    def silence(self) -> Silence | None:
        return None


class FakeWaiter:
    """A request at the supervisor's gate, with its outcome."""

    is_safe = True
    is_navigation = False
    wants_fence = False

    def __init__(self) -> None:
        self.target: Target | None = None
        self.problem: Problem | None = None

    def admitted(self, target: Target) -> None:
        self.target = target

    def refused(self, problem: Problem) -> None:
        self.problem = problem


class FakeWatcher:
    """A watcher of a project in which no file changes."""

    description = "a fake"

    def __init__(self) -> None:
        self.is_immediate = True
        self.is_caught_up = True
        self.fences = 0

    def catch_up(self) -> bool:
        return self.is_caught_up

    async def fence(self) -> None:
        self.fences += 1


class Life:
    """A service with fakes for everything except time and sockets."""

    def __init__(self, config: ServiceConfig, preload: Preload | None = None) -> None:
        self.config = config
        self.launcher = FakeLauncher(config.address)
        self.output = self.launcher.output
        self.plane = FakePlane()
        self.bus = EventBus()
        scope = Scope.of(config.watch, Path.cwd())
        self.service = Service(config, self.launcher, scope, self.bus, preload)

    async def run(self) -> None:
        await self.service.run(FakeWatcher(), self.plane)

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.bus.recent(Notice)]

    @property
    def reloads(self) -> int:
        """The number of reloads of browsers."""
        return sum(event.reloads for event in self.bus.recent(StateChanged))

    @property
    def children(self) -> list[FakeChild]:
        return self.launcher.children

    def ask(self) -> FakeWaiter:
        waiter = FakeWaiter()
        self.service.gate.enter_unfenced(waiter)
        return waiter

    def change(self, *paths: str) -> None:
        self.service.inbox.changed(frozenset(paths or ("app.py",)))

    def status(self) -> ServiceStatus:
        return self.service.status()

    def last_restart(self) -> RestartReport:
        restart = self.status().last_restart
        assert restart is not None
        return restart

    async def reached(self, state: str, generation: int) -> None:
        await eventually(
            lambda: (self.status().state, self.status().generation) == (state, generation)
        )

    async def spawned(self, count: int) -> FakeChild:
        await eventually(lambda: len(self.children) == count)
        return self.children[-1]

    @property
    def states(self) -> list[str]:
        """The published states, including the first."""
        return [event.state for event in self.bus.recent(StateChanged)]

    @property
    def reasons(self) -> list[str]:
        """The reasons of the transitions, in order."""
        return [event.why for event in self.bus.recent(StateChanged)]


@contextlib.asynccontextmanager
async def supervised(
    config: ServiceConfig | None = None, *, listens: bool = True
) -> AsyncIterator[Life]:
    """Run a service; with `listens` its backend answers."""
    life = Life(config or configured())
    life.launcher.listens = listens
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.run(), name="service")
        yield life
        running.cancel()
    assert all(child.ended.is_set() for child in life.children), "a backend was left behind"


def watching(watch: WatchConfig) -> ServiceConfig:
    """A configured service with other options for its files."""
    return replace(configured(), watch=watch)


def is_in_burst(life: Life) -> bool:
    """Whether `quiet` would wait: the end of a burst is not an event."""
    waiting = life.service.inbox.quiet()
    try:
        waiting.send(None)
    except StopIteration:
        return False
    waiting.close()
    return True
