"""Two services in one program, which restart and stop at random; their processes hide.

    python -m test.process.two_services NUMBER SEED

starts both under the guard, prints its pid, and restarts them until it is killed.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from httpprocessproxy.process import (
    Child,
    Launcher,
    LaunchSpec,
    Output,
    OutputCopier,
    ProcessTree,
    ProcessTrees,
    become_subreaper,
    guarded,
    seal_descriptors,
)
from test.process.generations import until

# A wrapper around a server, with helpers: a daemon, programs that clear their environment, in the
# wrapper's session and in others, below the wrapper, as daemons, and below one another.
SCRIPT = """
(setsid sleep {tag} 1 &)
env -i sleep {tag} 2 &
env -i setsid sleep {tag} 3 &
(env -i setsid sleep {tag} 4 &)
(env -i setsid sh -c 'setsid sleep {tag} 5 & sleep {tag} 6' &)
sleep {tag} 7
true
"""
HELPERS = 7
GRACE_S = 0.2


def tag_of(number: str) -> str:
    """The first argument of each `sleep`."""
    return f"1000.{number}"


def tagged(tag: str) -> dict[int, list[str]]:
    """The words of all running processes whose command contains the tag, by pid."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):  # it ended during the scan
            line = Path(f"/proc/{name}/cmdline").read_bytes().decode()
            if tag in line:
                found[int(name)] = line.split("\0")
    return found


def sleeping(tag: str) -> set[int]:
    """The pids of those that have executed `sleep`."""
    return {pid for pid, words in tagged(tag).items() if words[0] == "sleep"}


class Service:
    """A service whose generations start and end at random, each with a tag of its own."""

    def __init__(self, tree: ProcessTree, output: Output, tag: str, seed: int) -> None:
        self._tree = tree
        self._output = output
        self._prefix = tag
        self._chance = random.Random(f"{tree.service} {seed}")
        self._generation = 0
        self._child: Child | None = None
        self._complete: set[int] = set()

    @property
    def _tag(self) -> str:
        return f"{self._prefix}{self._generation:05}"

    async def start(self) -> None:
        assert await self._tree.sweep() == []
        self._generation += 1
        self._complete = set()
        spec = LaunchSpec(("sh", "-c", SCRIPT.format(tag=self._tag)))
        self._child = Launcher(spec, self._output, self._tree).spawn()

    async def complete(self) -> None:
        """Wait until all helpers run, and remember them."""
        await until(lambda: len(sleeping(self._tag)) == HELPERS)
        self._complete = sleeping(self._tag)

    async def step(self) -> None:
        """End the generation, if any, and start the next, or none."""
        if self._child is None:
            await self.start()
            return
        if self._chance.random() < 0.5:
            await self.complete()
        # Meanwhile, the other service restarts.
        await asyncio.sleep(self._chance.choice([0.0, 0.01, 0.03]))
        await self.end()
        if self._chance.random() < 0.75:
            await self.start()

    async def end(self) -> None:
        """End the generation in one of three ways; no process of it is left."""
        if self._child is None:
            return
        assert self._complete <= sleeping(self._tag), "the other service has ended a process"
        match self._chance.choice(["kill", "terminate", "crash"]):
            case "kill":
                await self._child.stop()
            case "terminate":
                await self._child.stop(signal.SIGTERM, GRACE_S)
            case _:
                os.kill(self._child.pid, signal.SIGKILL)
                await self._child.wait()
                await self._tree.sweep()
        self._child = None
        assert tagged(self._tag) == {}, "processes are left"


@contextmanager
def two_services(tag: str, seed: int) -> Iterator[tuple[Service, Service]]:
    trees = ProcessTrees()
    with OutputCopier() as copier:
        yield (
            Service(trees.add("web"), copier.add("web"), f"{tag}1", seed),
            Service(trees.add("api"), copier.add("api"), f"{tag}2", seed),
        )


async def restarted(service: Service, steps: int) -> None:
    for _ in range(steps):
        await service.step()
    await service.end()


async def _until_killed(tag: str, seed: int) -> int:
    with two_services(tag, seed) as services:
        for service in services:
            await service.start()
            await service.complete()
        os.write(1, b"%d\n" % os.getpid())
        async with asyncio.TaskGroup() as group:
            for service in services:
                group.create_task(restarted(service, sys.maxsize), name="restarts")
    return 0


def main() -> int:
    seal_descriptors()
    become_subreaper()
    return asyncio.run(_until_killed(tag_of(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    sys.exit(guarded(main))
