"""The fork server, from the proxy's side: start it with a record, fork processes, end it.

It never preloads some modules, because a fork would behave differently from a fresh process.
inside/preloading.py detects a module that starts a thread or a process at its import, opens a
descriptor, or imports a module of the project. The lists here, which the documentation repeats,
name modules that it cannot detect.
"""

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Self

from httpprocessproxy.process import ProcessTree, linux
from httpprocessproxy.warm.command import PythonCommand
from httpprocessproxy.warm.fork_process import ForkServerProcess, Request
from httpprocessproxy.warm.record import ImportRecord

# They replace parts of the standard library, and have to be imported before its users.
REPLACING: Final = frozenset({"eventlet", "gevent"})

# Tools that trace imports and code that is executed after them; modules that query the terminal and
# cache the results. The C library of gRPC does not survive a fork.
UNFORKABLE: Final = frozenset({"coverage", "debugpy", "pydevd", "readline", "_readline", "grpc"})

# The maximal duration of a fork; after it, the start is cold.
FORK_TIMEOUT_S: Final = 0.5
# The maximal duration of the end of a killed process.
_END_TIMEOUT_S: Final = 1.0
# The maximal number of starts of the server, each of which may find an unforkable module.
_MAX_ATTEMPTS: Final = 12


class ForkError(Exception):
    """A warm start is not possible now: start cold. The text is the reason, a line for the user."""


@dataclass(frozen=True, slots=True)
class Stdio:
    """The descriptors 0, 1 and 2 of a process; the caller keeps its own, and closes them.

    If `terminal` is set, that pty becomes all three and the controlling terminal; the numbers are
    ignored.
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

    It is a child process in our session, but in a process group of its own, so it is neither in
    the backend's tree nor signalled by Ctrl+C. It ends when the proxy ends by any means. It starts
    with `environment`: for another one, start another server. Needs Linux.
    """

    def __init__(
        self,
        command: PythonCommand,
        record: ImportRecord,
        environment: Mapping[str, str],
        tree: ProcessTree,
    ) -> None:
        """Processes that it forks are registered in `tree`; `environment` has its variable."""
        self._command = command
        self._record = record
        self._environment = {**environment, **command.environment}
        self._tree = tree
        # The module that is run must not be preloaded: runpy warns if it is in sys.modules.
        self._foreign = {*record.foreign, *UNFORKABLE, _run_as_main(command, record)}
        self._attempts: list[ForkServerProcess] = []
        self._changed = asyncio.Event()
        self._end = ""
        self._ready_after_s: float | None = None

    async def __aenter__(self) -> Self:
        """Start the server. Raises ForkError if that fails."""
        if replacing := REPLACING & {*self._record.modules}:
            raise ForkError(f"{sorted(replacing)[0]} has to be imported before all else")
        linux.become_subreaper()
        self._started = asyncio.get_running_loop().time()
        self._start()
        if self._end:
            raise ForkError(self._end)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the server, and wait until it is gone. Processes that it forked go on."""
        self._give_up("the fork server was ended")
        for attempt in self._attempts:
            await attempt.gone()

    @property
    def is_ready(self) -> bool:
        """Whether `fork` may be called; right after another fork, it waits for the next standby."""
        return not self._end and self._attempts[-1].is_ready

    async def ready(self) -> None:
        """Wait until it is ready. Unbounded: an import may hang. Raises ForkError if it ended."""
        while not self.is_ready:
            if self._end:
                raise ForkError(self._end)
            await self._change()

    async def ended(self) -> str:
        """Wait until the server has ended or was given up; return the reason."""
        while not self._end:
            await self._change()
        return self._end

    @property
    def ready_after_s(self) -> float | None:
        """The seconds from its start until it was first ready, or None before."""
        return self._ready_after_s

    @property
    def skipped(self) -> Mapping[str, str]:
        """The recorded modules that were not preloaded, with reasons; complete once ready."""
        found = dict(pair for attempt in self._attempts for pair in attempt.skipped.items())
        return {name: why for name, why in found.items() if name in self._record.modules}

    def memory_bytes(self) -> int:
        """The memory of the server and its standby process (PSS). Takes milliseconds."""
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
        """Start the program, and return its pid: a child process that the caller waits for.

        It leads a session of its own, and is registered in the tree. `descriptors` maps the numbers
        of further descriptors there to our descriptors. `pid_variables` are set to its own pid
        (LISTEN_PID).
        Raises ForkError after at most `timeout_s` seconds; then the process does not exist.
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
            await _wait_until_gone(attempt)
            raise ForkError(self._end) from error
        except OSError as error:
            self._give_up(f"cannot send to the fork server: {error.strerror}")
            await _wait_until_gone(attempt)
            raise ForkError(self._end) from error
        except asyncio.CancelledError:
            self._give_up("a fork was interrupted")
            raise
        if not pid:
            await _wait_until_gone(attempt)
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
            attempt = ForkServerProcess(
                self._command, self._environment, given, self._tree, self._on_change
            )
        except OSError as error:
            self._give_up(f"cannot start {self._command.interpreter!r}: {error.strerror}")
        else:
            self._attempts.append(attempt)

    def _on_change(self) -> None:
        attempt = self._attempts[-1]
        if self.is_ready and self._ready_after_s is None:
            self._ready_after_s = asyncio.get_running_loop().time() - self._started
        if attempt.unforkable and not self._end and len(self._attempts) < _MAX_ATTEMPTS:
            self._foreign.add(attempt.unforkable)
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
    """The name of the module whose code is run: for a package, its __main__."""
    below = f"{command.module}."
    is_package = any(name.startswith(below) for name in (*record.modules, *record.foreign))
    return f"{below}__main__" if is_package else command.module


async def _wait_until_gone(attempt: ForkServerProcess) -> None:
    """Wait for the end of a failed fork before the next start: it may have begun to run."""
    # It was killed, or ends by itself; after this timeout it hangs in the kernel.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_TIMEOUT_S):
            await attempt.taken_is_gone()


def _pss_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return 0
    return int(fields["Pss"].split()[0]) * 1024 if "Pss" in fields else 0
