"""The fork server, seen from outside: started with a record, asked for processes, ended."""

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from httpprocessproxy.process import linux
from httpprocessproxy.warm.command import PythonCommand
from httpprocessproxy.warm.fork_process import ForkServerProcess, Request
from httpprocessproxy.warm.record import ImportRecord
from httpprocessproxy.warm.unforkable import REPLACING, UNFIT

# What a fork may take. A cold start is always there instead.
FORK_TIMEOUT_S: Final = 0.5
# What the end of a process that was killed may take.
_END_TIMEOUT_S: Final = 1.0
# How often it may be started anew because a module turned out unfit.
_MAX_ATTEMPTS: Final = 12


class ForkError(Exception):
    """There is no warm start now: start cold. The text says why, in a line for the user."""


@dataclass(frozen=True, slots=True)
class Stdio:
    """What the process has as 0, 1 and 2 (our descriptors; they stay ours, to be closed).

    `terminal` is the name of the pty that becomes its controlling terminal, and all three; then
    the numbers are not looked at.
    """

    stdin_fd: int = -1
    stdout_fd: int = -1
    stderr_fd: int = -1
    terminal: str = ""

    @property
    def descriptors(self) -> list[int]:
        return [] if self.terminal else [self.stdin_fd, self.stdout_fd, self.stderr_fd]


class ForkServer:
    """An async context manager: entering starts the server, and does not wait until it is ready.

    It is a child of ours in our session, but in a process group of its own, so it is neither in
    the backend's tree nor hit by Ctrl+C. It ends when we end, however that comes about. It knows
    `environment`: for another one start another server. Needs Linux.
    """

    def __init__(
        self, command: PythonCommand, record: ImportRecord, environment: Mapping[str, str]
    ) -> None:
        self._command = command
        self._record = record
        self._environment = {**environment, **command.environment}
        # Before it runs a module, Python complains of one that is imported already.
        self._foreign = {*record.foreign, *UNFIT, _run_as_main(command, record)}
        self._left_alone: dict[str, str] = {}
        self._attempts: list[ForkServerProcess] = []
        self._changed = asyncio.Event()
        self._end = ""
        self._ready_after_s: float | None = None

    async def __aenter__(self) -> Self:
        """Start it. Raises ForkError if it cannot be started at all."""
        if replacing := REPLACING & {*self._record.modules}:
            raise ForkError(f"{sorted(replacing)[0]} has to be imported before all else")
        linux.become_subreaper()
        self._started = asyncio.get_running_loop().time()
        self._start()
        if self._end:
            raise ForkError(self._end)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, and wait until it is gone. Processes that it forked go on: they are ours."""
        self._give_up("the fork server was ended")
        for attempt in self._attempts:
            await attempt.gone()

    @property
    def is_ready(self) -> bool:
        """Whether a process can be had at once, or as soon as the last one is on its way."""
        return not self._end and self._attempts[-1].is_ready

    async def ready(self) -> None:
        """Wait until it is. Not bounded: an import may hang. Raises ForkError if it ended."""
        while not self.is_ready:
            if self._end:
                raise ForkError(self._end)
            await self._change()

    async def ended(self) -> str:
        """Wait until the server has ended by itself, or is of no use any more; return why."""
        while not self._end:
            await self._change()
        return self._end

    @property
    def ready_after_s(self) -> float | None:
        """How long it took from its start until it was ready the first time."""
        return self._ready_after_s

    @property
    def left_alone(self) -> Mapping[str, str]:
        """The modules that were not preloaded although recorded, and why; known once ready."""
        found = dict(pair for attempt in self._attempts for pair in attempt.left_alone.items())
        return {name: why for name, why in found.items() if name in self._record.modules}

    def memory_bytes(self) -> int:
        """What the server and the process it holds in readiness take (PSS). Takes milliseconds."""
        return sum(_pss_bytes(pid) for attempt in self._attempts for pid in attempt.pids)

    async def fork(
        self,
        command: PythonCommand,
        environment: Mapping[str, str],
        stdio: Stdio,
        *,
        descriptors: Mapping[int, int] | None = None,
        pid_variables: Collection[str] = (),
        timeout_s: float = FORK_TIMEOUT_S,
    ) -> int:
        """Start the program, and return its process id: it is a child of ours, to be waited for.

        It leads a session of its own. `descriptors` are more that it gets: its number of each,
        and ours. `pid_variables` are set to its own process id (LISTEN_PID).
        Raises ForkError, `timeout_s` seconds later at most; then there is no such process.
        """
        if not self.is_ready:
            raise ForkError(self._end or "the fork server is not ready")
        attempt, more = self._attempts[-1], descriptors or {}
        request: Request = {
            "command": command.inside,
            "environment": {**environment, **command.environment},
            "terminal": stdio.terminal,
            "numbers": [*more],
            "pid_variables": [*pid_variables],
            "printed": attempt.printed,
        }
        try:
            async with asyncio.timeout(timeout_s):
                pid, why = await attempt.fork(request, [*stdio.descriptors, *more.values()])
        except TimeoutError as error:
            self._give_up(f"the fork server has not answered within {timeout_s:g} s")
            await _none_is_left(attempt)
            raise ForkError(self._end) from error
        except OSError as error:
            self._give_up(f"the fork server cannot be asked: {error.strerror}")
            await _none_is_left(attempt)
            raise ForkError(self._end) from error
        except asyncio.CancelledError:
            self._give_up("a fork was interrupted")
            raise
        if not pid:
            await _none_is_left(attempt)
            raise ForkError(why)
        return pid

    def _start(self) -> None:
        given: Request = {
            "environment": self._environment,
            "modules": [*self._record.modules],
            "foreign": [*self._foreign],
            "paths": [*self._record.paths],
        }
        try:
            attempt = ForkServerProcess(self._command, self._environment, given, self._on_change)
        except OSError as error:
            self._give_up(f"cannot start {self._command.interpreter!r}: {error.strerror}")
        else:
            self._attempts.append(attempt)

    def _on_change(self) -> None:
        attempt = self._attempts[-1]
        if self.is_ready and self._ready_after_s is None:
            self._ready_after_s = asyncio.get_running_loop().time() - self._started
        if attempt.unfit and not self._end and len(self._attempts) < _MAX_ATTEMPTS:
            self._foreign.add(attempt.unfit)
            self._start()
        elif attempt.end:
            self._give_up(attempt.end)
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _give_up(self, why: str) -> None:
        if not self._end:
            self._end = why
            self._changed.set()
            for attempt in self._attempts:
                attempt.give_up(why)


def _run_as_main(command: PythonCommand, record: ImportRecord) -> str:
    """The module whose code is run; of a package it is that of its __main__."""
    below = f"{command.module}."
    is_package = any(name.startswith(below) for name in (*record.modules, *record.foreign))
    return f"{below}__main__" if is_package else command.module


async def _none_is_left(attempt: ForkServerProcess) -> None:
    """Let it be gone before there is another: it may have begun to run."""
    # Killed, or about to end by itself: if not for so long, the kernel holds it.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_TIMEOUT_S):
            await attempt.asked_is_gone()


def _pss_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return 0
    return int(fields["Pss"].split()[0]) * 1024 if "Pss" in fields else 0
