"""The fork server, seen from outside: started with a record, asked for processes, ended."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from httpprocessproxy.process.warm.command import PythonCommand
from httpprocessproxy.process.warm.record import Record

# What a fork may take. A cold start is always there instead.
FORK_TIMEOUT_S = 0.5


class ForkError(Exception):
    """There is no warm start now: start cold. The text says why, in a line for the user."""


@dataclass(frozen=True, slots=True)
class Stdio:
    """What the process has as 0, 1 and 2 (our descriptors; they stay ours, to be closed).

    `terminal` is the name of the pty that becomes its controlling terminal, and all three.
    """

    stdin_fd: int
    stdout_fd: int
    stderr_fd: int
    terminal: str = ""


class ForkServer:
    """An async context manager: entering starts the server, and does not wait until it is ready.

    It is a child of ours in our session, but in a process group of its own, so it is neither in
    the backend's tree nor hit by Ctrl+C. It ends when we end, however that comes about. It knows
    `environment` and `cwd`: for others start another one. Needs Linux.
    """

    def __init__(
        self, command: PythonCommand, record: Record, environment: Mapping[str, str], cwd: Path
    ) -> None: ...

    async def __aenter__(self) -> Self:
        """Start it. Raises ForkError if it cannot be started at all."""
        raise NotImplementedError

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, and wait until it is gone. Processes that it forked go on: they are ours."""
        raise NotImplementedError

    @property
    def is_ready(self) -> bool:
        """Whether a process can be had at once."""
        raise NotImplementedError

    async def ready(self) -> None:
        """Wait until it is. Not bounded: an import may hang. Raises ForkError if it ended."""
        raise NotImplementedError

    async def ended(self) -> str:
        """Wait until the server has ended by itself, or is of no use any more; return why."""
        raise NotImplementedError

    @property
    def ready_after_s(self) -> float | None:
        """How long it took from its start until it was ready the first time."""
        raise NotImplementedError

    @property
    def left_alone(self) -> Mapping[str, str]:
        """The modules that were not preloaded although recorded, and why; known once ready."""
        raise NotImplementedError

    def memory_bytes(self) -> int:
        """What the server and the process it holds in readiness take (PSS). Takes milliseconds."""
        raise NotImplementedError

    async def fork(
        self,
        command: PythonCommand,
        environment: Mapping[str, str],
        cwd: Path,
        stdio: Stdio,
        *,
        descriptors: Mapping[int, int] | None = None,
        pid_variables: Collection[str] = (),
        timeout_s: float = FORK_TIMEOUT_S,
    ) -> int:
        """Start the program, and return its process id: it is a child of ours, to be waited for.

        It leads a session of its own. `descriptors` are more that it gets: its number of each,
        and ours. `pid_variables` are set to its own process id (LISTEN_PID).
        Raises ForkError, after at most `timeout_s` seconds; then there is no such process.
        """
        raise NotImplementedError
