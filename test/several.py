"""Several services with fakes for everything except time and sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from httpprocessproxy.config import RestartConfig, ServiceConfig, WatchConfig
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.events import EventBus, StateChanged
from httpprocessproxy.service.service import Service
from httpprocessproxy.service.services import Services
from httpprocessproxy.watch import Scope
from test.children import FakeChild, FakeLauncher, configured
from test.loops import eventually
from test.supervision import FakePlane, FakeWaiter, FakeWatcher


def service(
    name: str,
    *,
    needs: Sequence[str] = (),
    follow: Sequence[str] = (),
    patterns: Sequence[str] = ("*.py",),
    idle_s: float | None = None,
    is_task: bool = False,
) -> ServiceConfig:
    """A service with a TCP readiness check, and without a drain."""
    return replace(
        configured(RestartConfig(drain_s=0)),
        name=name,
        needs=tuple(needs),
        follow=tuple(follow),
        watch=WatchConfig(patterns=tuple(patterns)),
        idle_s=idle_s,
        is_task=is_task,
    )


class Several:
    """Services that run side by side."""

    def __init__(self, *configs: ServiceConfig) -> None:
        self.bus = EventBus()
        self.plane = FakePlane()
        self.launchers: dict[str, FakeLauncher] = {}
        self.services = Services([self._new(config) for config in configs])

    def _new(self, config: ServiceConfig) -> Service:
        launcher = self.launchers[config.name] = FakeLauncher(config.address)
        return Service(config, launcher, Scope.of(config.watch, Path()), self.bus)

    async def reached(self, state: str, generation: int, *names: str) -> None:
        """Wait until the services, or all, are in a state."""
        for name in names or self.services:
            await eventually(partial(self._is_in, name, state, generation))

    def _is_in(self, name: str, state: str, generation: int) -> bool:
        status = self.services[name].status()
        return (status.state, status.generation) == (state, generation)

    def ask(self, name: str) -> FakeWaiter:
        waiter = FakeWaiter()
        self.services[name].gate.enter_unfenced(waiter)
        return waiter

    def child(self, name: str) -> FakeChild:
        """The last process of a service."""
        return self.launchers[name].children[-1]

    def states(self, name: str) -> list[str]:
        """The published states of a service, including the first."""
        return [event.state for event in self.bus.recent(StateChanged) if event.service == name]

    @property
    def reloads(self) -> list[str]:
        """The services whose transitions reloaded browsers."""
        return [event.service for event in self.bus.recent(StateChanged) if event.reloads]

    @property
    def ended(self) -> list[GenerationId]:
        """The generations whose connections were ended, in order."""
        return self.plane.ended


@contextlib.asynccontextmanager
async def running(several: Several) -> AsyncIterator[Several]:
    """Run services until the end of the context, which leaves no process."""
    async with asyncio.TaskGroup() as group:
        planes = dict.fromkeys(several.services, several.plane)
        task = group.create_task(several.services.run(FakeWatcher(), planes), name="services")
        yield several
        task.cancel()
    children = [child for each in several.launchers.values() for child in each.children]
    assert all(child.ended.is_set() for child in children), "a server was left behind"
