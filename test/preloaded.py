"""The program with --preload, in a project and with a cache of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from test.deadline import eventually
from test.harness import Preload, Proxy


@dataclass(frozen=True, slots=True)
class Preloaded:
    """A project, its command, and the folder for records of its imports."""

    project: Path
    cache: Path
    command: Sequence[str]

    def proxy(self, *options: str) -> Proxy:
        """The program, not entered yet."""
        environment = {"XDG_CACHE_HOME": str(self.cache)}
        return Proxy(self.project, self.command, "--preload", *options, environment=environment)


def preload_of(proxy: Proxy) -> Preload:
    status = proxy.status()["preload"]
    assert status is not None
    return status


def warmed(proxy: Proxy) -> Proxy:
    """Wait until the next start would be warm."""
    eventually(lambda: preload_of(proxy)["ready"])
    return proxy
