"""Fork servers for tests, for a project in the working directory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from httpprocessproxy.warm import ForkServer, ImportRecord, Stdio
from test.deadline import PATIENCE_S
from test.warm.program import Program
from test.warm.starts import Project, new_tree

T = TypeVar("T")

SILENT = Stdio(0, 1, 2)


def project(folder: Path, main: str, **installed: str) -> Project:
    files = {f"site/{name}.py": text for name, text in installed.items()}
    return Project.make(folder, Program({"main.py": main, **files}))


@contextlib.asynccontextmanager
async def serving(project: Project, *modules: str) -> AsyncIterator[ForkServer]:
    server = ForkServer(project.command, ImportRecord(modules), project.environment, new_tree())
    async with asyncio.timeout(PATIENCE_S), server:
        yield server


def with_server(project: Project, body: Callable[[ForkServer], Awaitable[T]], *modules: str) -> T:
    async def main() -> T:
        async with serving(project, *modules) as server:
            return await body(server)

    return asyncio.run(main())


async def output(project: Project, server: ForkServer) -> str:
    return (await project.warm(server)).stdout


def pids_of(server: ForkServer) -> list[int]:
    """The pids of the server and of its standby process."""
    return [pid for attempt in server._attempts for pid in attempt.pids]
