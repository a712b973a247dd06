"""Programs that preload, in a project and with a cache of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from test.deadline import eventually
from test.harness import Preload, Proxy


@dataclass(frozen=True, slots=True)
class Preloaded:
    """A project, its command, and where what it imports is kept."""

    project: Path
    cache: Path
    command: Sequence[str]

    def proxy(self, *options: str) -> Proxy:
        """The program, to be entered."""
        kept = {"XDG_CACHE_HOME": str(self.cache)}
        return Proxy(self.project, self.command, "--preload", *options, environment=kept)


def preload_of(proxy: Proxy) -> Preload:
    status = proxy.status()["preload"]
    assert status is not None
    return status


def warmed(proxy: Proxy) -> Proxy:
    """Wait until a start would be warm."""
    eventually(lambda: preload_of(proxy)["ready"])
    return proxy
