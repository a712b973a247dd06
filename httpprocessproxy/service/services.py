"""All services of the program, by their names."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping

from httpprocessproxy.service.context import DataPlane
from httpprocessproxy.service.service import Service
from httpprocessproxy.watch import Watcher


class Services(Mapping[str, Service]):
    """Runs services side by side; in the order of the configuration."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._services = {service.name: service for service in services}

    def __getitem__(self, name: str) -> Service:
        return self._services[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._services)

    def __len__(self) -> int:
        return len(self._services)

    async def run(self, watcher: Watcher, planes: Mapping[str, DataPlane]) -> None:
        """Supervise all services until cancelled. On return, no process of theirs is left.

        `planes` has the connections to each, by its name.
        """
        async with asyncio.TaskGroup() as group:
            for service in self.values():
                run = service.run(watcher, planes[service.name])
                group.create_task(run, name=f"service {service.name}")

    def changed(self, paths: frozenset[str]) -> None:
        """Report changed files, as a watcher does."""
        for service in self.values():
            service.changed(paths)

    def settled(self) -> None:
        """Report that no change is undecided any more."""
        for service in self.values():
            service.settled()

    def restart(self, requested_by: str) -> None:
        """Restart all servers; `requested_by` is the source of the request."""
        for service in self.values():
            service.restart(requested_by)

    def kill(self) -> None:
        """Kill all servers at once, without the grace period."""
        for service in self.values():
            service.kill()

    def report_wait(self) -> None:
        """Print a line for each service whose graceful end the program waits for."""
        for service in self.values():
            service.report_wait()
