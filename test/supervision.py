"""A supervisor for tests, with fakes for everything except time and sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection

from httpprocessproxy.config import ServiceConfig
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.silence import Silence
from httpprocessproxy.events import EventBus, RestartReport, ServiceStatus, StateChanged
from httpprocessproxy.service.supervisor import Supervisor
from httpprocessproxy.service.waiter import Target
from test.children import FakeChild, FakeLauncher, FakeOutput, configured
from test.loops import eventually


class FakeFront:
    """Records the calls to the data plane and the reloads of browsers."""

    def __init__(self) -> None:
        self.ended: list[GenerationId] = []
        self.given_up: list[Problem] = []
        self.taken_back: Collection[tuple[str, int]] = ()
        self.reloads = 0

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        self.taken_back = ends

    def give_up(self, problem: Problem) -> None:
        self.given_up.append(problem)

    def end_generation(self, generation: GenerationId) -> None:
        self.ended.append(generation)

    def silence(self) -> Silence | None:
        return None

    def reload_browsers(self) -> None:
        self.reloads += 1


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


class Life:
    """A supervisor with fakes for everything except time and sockets."""

    def __init__(self, config: ServiceConfig) -> None:
        self.config = config
        self.launcher = FakeLauncher(config.address)
        self.output = FakeOutput()
        self.front = FakeFront()
        self.said: list[str] = []
        self.bus = EventBus()
        self.supervisor = Supervisor(config, self.launcher, self.output, self.bus, self.said.append)

    @property
    def children(self) -> list[FakeChild]:
        return self.launcher.children

    def ask(self) -> FakeWaiter:
        waiter = FakeWaiter()
        self.supervisor.gate.enter_unfenced(waiter)
        return waiter

    def change(self, *paths: str) -> None:
        self.supervisor.changed(frozenset(paths or ("app.py",)))

    def status(self) -> ServiceStatus:
        return self.supervisor.status()

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
    """Run a supervisor; with `listens` its backend answers."""
    life = Life(config or configured())
    life.launcher.listens = listens
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.supervisor.run(life.front), name="supervisor")
        yield life
        running.cancel()
    assert all(child.ended.is_set() for child in life.children), "a backend was left behind"


def is_in_burst(life: Life) -> bool:
    """Whether `quiet` would wait: the end of a burst is not an event."""
    waiting = life.supervisor.quiet()
    try:
        waiting.send(None)
    except StopIteration:
        return False
    waiting.close()
    return True
