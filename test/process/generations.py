"""Run parts of the package inside a test: an event loop, an `Output`, a command."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TypeVar

from httpprocessproxy.process import (
    Child,
    Launcher,
    LaunchSpec,
    Output,
    OutputCopier,
    ProcessTrees,
    become_subreaper,
)
from httpprocessproxy.process.output import OutputReader
from test.deadline import PATIENCE_S

T = TypeVar("T")

# The tree of all processes that tests start, as in a program of one service.
TREES = ProcessTrees()
TREE = TREES.add("web")


def python(source: str, *arguments: str) -> tuple[str, ...]:
    """A command that runs this source in an interpreter that starts quickly."""
    return (sys.executable, "-S", "-c", source, *arguments)


@contextmanager
def one_output(reader: OutputReader | None = None) -> Iterator[Output]:
    """The output of the only service of a program."""
    with OutputCopier() as copier:
        yield copier.add("web", reader)


def with_output(test: Callable[[Output], Coroutine[None, None, T]]) -> T:
    """Run the test in a new event loop, with an `Output`, and within a deadline."""
    return with_copier(lambda _, output: test(output))


def with_copier(test: Callable[[OutputCopier, Output], Coroutine[None, None, T]]) -> T:
    """Do what `with_output` does, for a test that prints lines of the proxy."""
    become_subreaper()

    async def main() -> T:
        async with asyncio.timeout(PATIENCE_S):
            with OutputCopier() as copier:
                return await test(copier, copier.add("web"))

    return asyncio.run(main())


async def printed(output: Output, text: bytes) -> bytes:
    """Wait until the present generation has printed this, and return all of its output."""
    await until(lambda: text in output.tail)
    return output.tail


async def until(happened: Callable[[], bool]) -> None:
    """Poll every few milliseconds, for changes in other processes and threads."""
    async with asyncio.timeout(PATIENCE_S):
        while not happened():  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.005)


async def started(output: Output, *command: str) -> Child:
    """Spawn a command, and wait until it prints "up"."""
    child = Launcher(LaunchSpec(command), output, TREE).spawn()
    await printed(output, b"up")
    return child


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
