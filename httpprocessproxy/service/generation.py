"""One generation: a run of the backend from START until its whole process tree is gone.

It is a single task, so two backends never run at once, and every end takes the same path.
"""

import asyncio
import signal
import socket
import time
from collections.abc import Collection, Coroutine
from dataclasses import dataclass
from typing import Protocol, TypeVar

from httpprocessproxy.config import Address, Readiness, ServiceConfig
from httpprocessproxy.core.change.reloaders import own_reloader
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.silence import Silence
from httpprocessproxy.process import (
    Child,
    Holder,
    Launcher,
    ProcessTree,
    SpawnError,
    StopError,
    listens_in_tree,
    wait_until_free,
)
from httpprocessproxy.service.diagnosis import SILENCE_PING_S, diagnose, looks, watch_for_silence
from httpprocessproxy.service.readiness import Probe, wait_until_ready
from httpprocessproxy.service.reports import Reports
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


class GenerationHost(Protocol):
    """The interface of the service to its generations."""

    @property
    def reports(self) -> Reports: ...

    async def quiet(self) -> None:
        """Wait until the burst of changes is over."""

    def started(self, start: Start) -> None:
        """Record that the backend's process runs."""

    def first_request(self, target: Target) -> "asyncio.Future[bool] | None":
        """Send a held request to the backend before it is known to be ready.

        The future's result is whether it was answered; None without such a request.
        """

    def ready(self, target: Target) -> None:
        """Record that the backend answers."""

    async def drained(self) -> None:
        """Wait until no unsafe request is in flight, or until a timeout."""

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        """Queue again the requests sent from these addresses: no backend has accepted them."""

    def silence(self) -> Silence | None:
        """The time that requests have waited without any response; None if none waits."""

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
        # Another change of the same burst would end the start at once.
        await self._unless_stopped(self._host.quiet())
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
        if obstacle := await self._unless_stopped(self._clear_obstacles()):
            return GenerationOutcome(None, obstacle)
        return outcome if self.stop.is_set() else await self._run_process()

    async def _run_process(self) -> GenerationOutcome:
        began_at = time.monotonic()
        try:
            child = self.child = await self._launcher.start()
        except SpawnError as error:
            return GenerationOutcome(None, str(error))
        self._is_warm = child.is_warm
        self._report_reloader(own_reloader(self._launcher.launch_spec.words))
        self._host.started(Start(began_at, child.is_warm))
        returncode: int | None = None
        try:
            async with asyncio.TaskGroup() as group:
                probe = group.create_task(self._probe(child), name=f"probe {self.id}")
                returncode = await self._unless_stopped(child.wait())
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

    async def _probe(self, child: Child) -> None:
        backend, ping = self._launcher.launch_spec.address, self._config.readiness

        def send_first_request(host: str, connection: socket.socket) -> asyncio.Future[bool] | None:
            return self._host.first_request(Target(self.id, host, backend.port, connection))

        # An explicit --ping or --ping-path defines readiness; otherwise any response will do.
        any_response_will_do = ping == Readiness()
        inherited = self._launcher.launch_spec.inherited
        async with asyncio.TaskGroup() as group:
            diagnosing = group.create_task(self._diagnose(child), name=f"diagnosis {self.id}")
            probe = await wait_until_ready(
                [Probe(host, backend.port, ping) for host in backend.hosts],
                send_first_request if any_response_will_do else None,
                inherited.has_waiting if inherited is not None else None,
            )
            diagnosing.cancel()
        self._answered = True
        self._host.ready(Target(self.id, probe.host, probe.port))
        # The look-ups take milliseconds, and held requests come first.
        await asyncio.sleep(self._limits.owner_check_s)
        tree = self._launcher.tree
        self._report_reloader(await asyncio.to_thread(_reloader_in_tree, tree, child.pid))
        is_in_tree: bool | None = True  # no other process can listen on an inherited socket
        if inherited is None:
            is_in_tree = await asyncio.to_thread(listens_in_tree, backend, tree, child.pid)
        if is_in_tree is False:
            # For example a container's published port: its server is not in the process tree.
            self._reports.say(f"{backend} is served by a process outside --exec's")
        await watch_for_silence(
            self._host.silence,
            lambda: probe.still_answers(SILENCE_PING_S),
            self._reports.report,
        )

    async def _diagnose(self, child: Child) -> None:
        """Report from time to time why the backend does not answer yet."""
        launch_spec, tree = self._launcher.launch_spec, self._launcher.tree
        async for passed_s in looks():
            tail, inherited = self._reports.tail, launch_spec.inherited
            why = await diagnose(launch_spec.address, tree, child.pid, inherited, tail)
            self._reports.report(f"no answer after {passed_s:g} s: {why}")
            self._report_reloader(await asyncio.to_thread(_reloader_in_tree, tree, child.pid))

    def _report_reloader(self, text: str) -> None:
        if text:
            self._reports.report_reloader(text)

    async def _unless_stopped(self, work: Coroutine[None, None, T]) -> T | None:
        """Return the result of `work`; cancel it and return None when `stop` is set."""
        async with asyncio.TaskGroup() as group:
            working = group.create_task(work, name=f"generation {self.id} works")
            stopping = group.create_task(self.stop.wait(), name=f"generation {self.id} stops")
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            working.cancel()
            stopping.cancel()
        return None if working.cancelled() else working.result()


def _reloader_in_tree(tree: ProcessTree, pid: int) -> str:
    found = (own_reloader(one.words, one.environment) for one in tree.members(pid))
    return next((text for text in found if text), "")


def _in_use(address: Address, holder: Holder) -> str:
    who = f"pid {holder.pid}: {holder.command}" if holder.pid else "another process"
    return f"{address} is in use by {who}"


def _reason(returncode: int, tree: ProcessTree) -> str:
    """The reason of the end, for the terminal and the error page."""
    if returncode < 0:
        return f"ended by signal {_signal_name(-returncode)}"
    left = tree.orphans()
    if left:
        names = ", ".join(map(str, left))
        return (
            f"exited with status {returncode}, but left {names} running: "
            "let --exec's command stay in the foreground"
        )
    return f"exited with status {returncode}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)  # a real-time signal has only a number
