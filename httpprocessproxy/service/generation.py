"""One generation: a run of the backend from START until its whole process tree is gone.

It is a single task, so two backends never run at once, and every end takes the same path.
"""

import asyncio
import signal
import time
from collections.abc import Collection, Coroutine
from dataclasses import dataclass
from typing import Protocol, TypeVar

from httpprocessproxy.config import Address, ServiceConfig
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.process import (
    Child,
    Holder,
    Launcher,
    ProcessTree,
    SpawnError,
    StopError,
    signal_name,
    wait_until_free,
)
from httpprocessproxy.service.startup import Startup, StartupHost
from httpprocessproxy.service.waiter import Target

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GenerationLimits:
    """Times of a generation, in seconds.

    `port_s` is the timeout for the port to become free once the old process tree is gone;
    `owner_check_s` after readiness the owner of the port is looked up, for a line in the terminal.
    """

    port_s: float = 2.0
    owner_check_s: float = 0.1


@dataclass(frozen=True, slots=True)
class GenerationOutcome:
    """The end of a generation; `returncode` is None if it was not spawned, `reason` a message."""

    returncode: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Start:
    """A start of the backend's process, begun at `began_at` (monotonic seconds)."""

    began_at: float
    is_warm: bool = False


class GenerationHost(StartupHost, Protocol):
    """The interface of the service to its generations."""

    async def may_start(self) -> None:
        """Wait until the burst of changes is over, and nothing else prevents the start."""

    async def quiet(self) -> None:
        """Wait until the burst of changes is over."""

    async def before_start(self) -> str:
        """Wait for a build that the start includes; return the obstacle to the start, if any."""

    def started(self, start: Start) -> None:
        """Record that the backend's process runs."""

    def ready(self, generation: GenerationId, target: Target | None) -> None:
        """Record that the backend is ready, at `target` if it listens anywhere."""

    async def drained(self) -> None:
        """Wait until no unsafe request is in flight, or until a timeout."""

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        """Queue again the requests sent from these addresses: no backend has accepted them."""

    def end_connections(self, generation: GenerationId) -> None:
        """Close every connection to this generation."""


class Generation:
    """One run of the backend. `run` is called once; `stop` may be set at any time, and ends it."""

    def __init__(
        self,
        id_: GenerationId,
        config: ServiceConfig,
        launcher: Launcher,
        host: GenerationHost,
        limits: GenerationLimits = GenerationLimits(),
    ) -> None:
        self.id = id_
        self.stop = asyncio.Event()
        self.child: Child | None = None  # while its process runs
        self._config = config
        self._launcher = launcher
        self._host = host
        self._reports = host.reports
        self._limits = limits
        self._is_warm = False
        self._answered = False

    async def run(self) -> GenerationOutcome:
        """Start the backend, wait for its end, and clean up. Cancellation stops it as well."""
        await self._unless_stopped(self._host.may_start())
        obstacle = await self._unless_stopped(self._host.before_start())
        if not obstacle and not self.stop.is_set():
            obstacle = await self._unless_stopped(self._clear_obstacles())
        if self.stop.is_set():
            outcome = GenerationOutcome(None, "stopped before it was started")
        elif obstacle:
            outcome = GenerationOutcome(None, obstacle)
        else:
            outcome = await self._run_process_with_cold_retry()
        if self.stop.is_set():
            await self._host.quiet()
        return outcome

    async def _clear_obstacles(self) -> str:
        """End processes of the last start and wait for the port; return a remaining obstacle."""
        try:
            for orphan in await self._launcher.tree.sweep():
                self._reports.say(f"ended a process of the last start: {orphan}")
        except StopError as error:
            return str(error)
        launch_spec = self._launcher.launch_spec
        if launch_spec.inherited is not None:
            launch_spec.inherited.renew()
            return ""  # the proxy itself holds the port
        if not self._config.has_port:
            return ""
        holder = await wait_until_free(launch_spec.address, self._limits.port_s)
        if holder is None:
            return ""
        in_use = _in_use(launch_spec.address, holder)
        try:
            has_moved = launch_spec.move()
        except UserError as error:
            return f"{in_use}; {error}"
        if not has_moved:
            return f"{in_use}; end it, or choose another BACKEND"
        self._reports.say(f"{in_use}; BACKEND is {launch_spec.address} now")
        return ""

    async def _run_process_with_cold_retry(self) -> GenerationOutcome:
        """Run the process; start it again cold if a warm one crashes before it has answered."""
        outcome = await self._run_process()
        crashed = outcome.returncode is not None and outcome.returncode < 0
        if not (self._is_warm and crashed) or self._answered or self.stop.is_set():
            return outcome
        self._launcher.give_up_warm_starts(f"a warm server {outcome.reason} before it answered")
        obstacle = await self._unless_stopped(self._clear_obstacles())
        if self.stop.is_set():
            return outcome
        return GenerationOutcome(None, obstacle) if obstacle else await self._run_process()

    async def _run_process(self) -> GenerationOutcome:
        began_at = time.monotonic()
        self._host.sign.expect()
        try:
            child = self.child = await self._launcher.start()
        except SpawnError as error:
            return GenerationOutcome(None, str(error))
        self._is_warm = child.is_warm
        self._host.started(Start(began_at, child.is_warm))
        returncode: int | None = None
        try:
            async with asyncio.TaskGroup() as group:
                startup = Startup(self.id, self._config, self._launcher, self._host)
                probe = group.create_task(self._probe(startup, child), name=f"probe {self.id}")
                returncode = await self._unless_stopped(self._end_of_process(child))
                probe.cancel()
            self._reclaim_unaccepted()
            if returncode is None:
                await self._host.drained()
        finally:
            try:
                self._host.end_connections(self.id)
            finally:
                # A process that exited while it was being stopped may have left its tree.
                if returncode is None or self.stop.is_set():
                    stopped = await self._end(child)
            self._reclaim_unaccepted()
            self.child = None
        if returncode is None:
            return GenerationOutcome(stopped, "stopped")
        return GenerationOutcome(returncode, _reason(returncode, self._launcher.tree))

    async def _probe(self, startup: Startup, child: Child) -> None:
        if self._config.is_task:
            return
        target = await startup.ready(child)
        self._answered = True
        self._host.ready(self.id, target)
        # The look-ups take milliseconds, and held requests come first.
        await asyncio.sleep(self._limits.owner_check_s)
        await startup.check(child)
        await startup.watch()

    async def _end_of_process(self, child: Child) -> int:
        """Wait for the exit. A task that is done does not end the generation: `stop` does."""
        returncode = await child.wait()
        if self._config.is_task and returncode == 0:
            self.child, self._answered = None, True
            self._host.ready(self.id, None)
            await asyncio.get_running_loop().create_future()
        return returncode

    def _reclaim_unaccepted(self) -> None:
        """Remove requests from an inherited socket's queue, which the old server will not accept.

        Left in the queue, they would reach the next server in addition to their repetition.
        """
        inherited = self._launcher.launch_spec.inherited
        if inherited is not None:
            self._host.reclaim_unaccepted(inherited.reclaim_unaccepted())

    async def _end(self, child: Child) -> int:
        try:
            restart = self._config.restart
            return await child.stop(restart.kill_signal, restart.kill_timeout_s)
        except StopError as error:
            # The next start does not begin beside it, but reports it as an obstacle again.
            self._reports.say(str(error))
            return -signal.SIGKILL

    async def _unless_stopped(self, work: Coroutine[None, None, T]) -> T | None:
        """Return the result of `work`; cancel it and return None when `stop` is set."""
        async with asyncio.TaskGroup() as group:
            working = group.create_task(work, name=f"generation {self.id} works")
            stopping = group.create_task(self.stop.wait(), name=f"generation {self.id} stops")
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            working.cancel()
            stopping.cancel()
        return None if working.cancelled() else working.result()


def _in_use(address: Address, holder: Holder) -> str:
    who = f"pid {holder.pid}: {holder.command}" if holder.pid else "another process"
    return f"{address} is in use by {who}"


def _reason(returncode: int, tree: ProcessTree) -> str:
    """The reason of the end, for the terminal and the error page."""
    if returncode < 0:
        return f"ended by signal {signal_name(-returncode)}"
    left = tree.orphans()
    if left:
        names = ", ".join(map(str, left))
        return (
            f"exited with status {returncode}, but left {names} running: "
            "let --exec's command stay in the foreground"
        )
    return f"exited with status {returncode}"
