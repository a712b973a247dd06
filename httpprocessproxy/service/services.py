"""All services of the program, by their names."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping

from httpprocessproxy.service.context import DataPlane
from httpprocessproxy.service.external import ExternalService
from httpprocessproxy.service.member import relate
from httpprocessproxy.service.service import Service
from httpprocessproxy.watch import Watcher


class Services(Mapping[str, Service]):
    """Runs services side by side; in the order of the configuration.

    `externals` are those that the proxy does not start, which always run for those that need them.
    """

    def __init__(
        self, services: Iterable[Service], externals: Iterable[ExternalService] = ()
    ) -> None:
        self._services = {service.name: service for service in services}
        self.externals = {service.name: service for service in externals}
        relate(
            [service.member for service in self.values()],
            {name: service.config.needs for name, service in self.items()},
            {name: service.config.follow for name, service in self.items()},
        )
        for service in self.values():
            if len(self.every) > 1:
                service.member.title = service.name
            for source in service.member.relations.sources:
                service.follow_changes_of(self[source.name])
        self._running: dict[str, asyncio.Task[None]] = {}
        self._is_ending = False

    @property
    def every(self) -> Mapping[str, Service | ExternalService]:
        """All services, with those that the proxy does not start."""
        return {**self._services, **self.externals}

    def __getitem__(self, name: str) -> Service:
        return self._services[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._services)

    def __len__(self) -> int:
        return len(self._services)

    async def run(self, watcher: Watcher, planes: Mapping[str, DataPlane]) -> None:
        """Supervise all services until cancelled. On return, no process of theirs is left.

        `planes` has the connections to each, by its name. At the end, each service stops once
        those that need it have ended.
        """
        async with asyncio.TaskGroup() as group:
            for service in self.values():
                service.member.begin_restart()  # all starts are one reload
            for service in self.values():
                run = service.run(watcher, planes[service.name])
                task = group.create_task(run, name=f"service {service.name}")
                self._running[service.name] = task
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await self._end()

    async def _end(self) -> None:
        """Cancel all services, each once those that need it have ended."""
        self._is_ending = True
        left, stopping = dict(self._running), set[str]()
        while left:
            for name in left.keys() - stopping:
                dependents = self[name].member.relations.dependents
                if not any(each.name in left for each in dependents):
                    left[name].cancel()
                    stopping.add(name)
            ending = [task for name, task in left.items() if name in stopping]
            await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
            left = {name: task for name, task in left.items() if not task.done()}

    def changed(self, paths: frozenset[str]) -> None:
        """Report changed files, as a watcher does, to the services that they concern."""
        if len(self) == 1:
            (only,) = self.values()
            only.changed(paths)
            return
        for service in self.values():
            if concerned := service.scope.among(paths):
                service.changed(concerned)

    def settled(self) -> None:
        """Report that no change is undecided any more."""
        for service in self.values():
            service.settled()

    def restart(self, requested_by: str) -> None:
        """Restart all servers but those that are stopped or idle."""
        for service in self.values():
            if service.member.pause is None:
                service.restart(requested_by)

    def kill(self) -> None:
        """Kill all servers at once, without the grace period."""
        if self._is_ending:
            for task in self._running.values():
                task.cancel()
        for service in self.values():
            service.kill()

    def report_wait(self) -> None:
        """Print a line for each service whose graceful end the program waits for."""
        for service in self.values():
            service.report_wait()
