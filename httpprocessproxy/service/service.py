"""A service: one supervised server, from its configuration to its gate for requests."""

import asyncio
import signal
from functools import partial
from pathlib import Path

from httpprocessproxy.config import ServiceConfig
from httpprocessproxy.core.needs import Pause
from httpprocessproxy.core.state import Machine, State
from httpprocessproxy.events import EventBus, Notice, Refreshed, ServiceStatus
from httpprocessproxy.process import Launcher, open_for_writing
from httpprocessproxy.service.before import BuiltParts, builds_of
from httpprocessproxy.service.change_handler import ChangeEffects, ChangeHandler, ServerWrites
from httpprocessproxy.service.content_filter import ContentFilter
from httpprocessproxy.service.context import DataPlane, Preload, ServiceContext
from httpprocessproxy.service.freshness import WatcherFreshness
from httpprocessproxy.service.gate import Gate, GateLimits
from httpprocessproxy.service.history import History
from httpprocessproxy.service.idleness import stop_when_idle
from httpprocessproxy.service.inbox import Inbox
from httpprocessproxy.service.member import Member
from httpprocessproxy.service.outages import Outages
from httpprocessproxy.service.reports import Reports
from httpprocessproxy.service.signs import sign_of
from httpprocessproxy.service.supervisor import Supervisor
from httpprocessproxy.system.faults import contained
from httpprocessproxy.watch import Scope, Watcher


class Service:
    """A server that is started, watched and restarted. `gate` admits requests to it.

    Until `run` is called, the gate holds all requests, and the inbox collects changes.
    """

    def __init__(
        self,
        config: ServiceConfig,
        launcher: Launcher,
        scope: Scope,
        bus: EventBus,
        preload: Preload | None = None,
    ) -> None:
        self.name = config.name
        self.config = config
        self.scope = scope
        self._bus = bus
        self._preload = preload
        self._output = launcher.output
        self._reports = Reports(launcher.output, self._say)
        self._machine = machine = Machine()
        cold_ms = preload.cold_ms if preload is not None else None
        self._history = History(self.name, bus, machine, cold_ms)
        self.inbox = Inbox(machine, config.watch.settle_s)
        self.member = Member(self.name, machine, self.inbox, self._history)
        self._freshness = WatcherFreshness(self.inbox)
        outages = Outages(launcher, self._history, self.member)
        limits = GateLimits(config.restart.queue_timeout_s, config.restart.starting_page_s)
        self.gate = Gate(limits, outages, self._freshness)
        self.gate.on_held = self.member.wanted
        self._builds = None
        if config.before:
            parts = BuiltParts(
                *(config, launcher, machine, self.member, self.gate, self._history),
                *(self._freshness, outages, self._reports, bus),
            )
            self._builds = builds_of(parts)
        changed = self.member.changed if self._builds is None else self._builds.changed
        changes = ChangeHandler(
            ChangeEffects(changed, self._refresh, self._say),
            scope.refreshes,
            ServerWrites(
                lambda: self.gate.has_pending,
                partial(open_for_writing, launcher.tree.processes),
                lambda: self._builds is not None and self._builds.is_running,
            ),
        )
        self._filter = None
        if config.watch.ignore_unchanged:
            self._filter = ContentFilter(Path.cwd(), changes.changed, self._resume_gates)
        self._filters_before: list[ContentFilter] = []  # those of services that this one depends on
        self._gates = [self.gate]  # their requests wait until changes here are judged
        # The watcher calls these: for each report, and when no change is undecided any more.
        self.changed = changes.changed if self._filter is None else self._filter.changed
        self.settled = self.gate.resume
        self._sign = sign_of(config, launcher)
        context = ServiceContext(
            config=config,
            launcher=launcher,
            preload=preload,
            machine=machine,
            inbox=self.inbox,
            gate=self.gate,
            history=self._history,
            member=self.member,
            changes=changes,
            builds=self._builds,
            reports=self._reports,
            sign=self._sign,
        )
        self._supervisor = Supervisor(context, outages, self._freshness)

    def follow_changes_of(self, source: "Service") -> None:
        """Let requests wait until changes of the source are judged. Called before `run`."""
        if source._filter is not None:
            self._filters_before.append(source._filter)
            source._gates.append(self.gate)

    async def run(self, watcher: Watcher, plane: DataPlane) -> None:
        """Supervise until cancelled. On return, no process of the server is left.

        `watcher` is the one that calls `changed` and `settled`. A bug puts this service into ERROR,
        until the next change.
        """
        filters = [*self._filters_before, *([] if self._filter is None else [self._filter])]
        for each in filters:
            watcher = each.judging(watcher)
        # The numbers of one filter say nothing about the changes of another one.
        self._freshness.follow(watcher, None if self._filters_before else self._filter)
        self._supervisor.begin()
        while True:
            with contained(f"service {self.name}"), self._sign.open():
                await self._run_parts(plane)
            self._supervisor.recover()

    async def _run_parts(self, plane: DataPlane) -> None:
        async with asyncio.TaskGroup() as group:
            if self._filter is not None:
                comparing = self._filter.run(self.scope.copy())
                group.create_task(comparing, name=f"compare contents for {self.name}")
            if self._preload is not None:
                group.create_task(self._preload.run(), name=f"preload {self.name}")
            # Without a route, no request would start it again.
            if (idle_s := self.config.idle_s) is not None and self.config.routes:
                stopping = stop_when_idle(self.member, self.gate, plane, idle_s)
                group.create_task(stopping, name=f"stop {self.name} when idle")
            if self._builds is not None:
                group.create_task(self._builds.run(plane), name=f"builds of {self.name}")
            await self._supervisor.run(plane)

    def status(self) -> ServiceStatus:
        child, history = self._supervisor.child, self._history
        return ServiceStatus(
            state=history.state,
            generation=self._machine.generation,
            pid=child.pid if child is not None else None,
            watcher=self._freshness.description,
            returncode=history.returncode,
            reason=history.reason,
            since=history.since,
            last_start=history.last_start,
            last_restart=history.last_restart,
            preload=self._preload.status() if self._preload is not None else None,
            task=self.config.is_task,
            waits_for=self.member.waits_for(),
            build=self._builds.last if self._builds is not None else None,
        )

    def tail(self) -> str:
        """The end of the present generation's output, as text."""
        return self._output.text()

    def restart(self, requested_by: str) -> None:
        """Restart the server, as if a file had changed; `requested_by` is its source.

        Starts a server that is stopped.
        """
        if self.member.pause is None:
            (self._builds or self.inbox).restart(requested_by)
        else:
            self.start(requested_by)

    def stop(self, requested_by: str) -> None:
        """Stop the server until `start` or `restart`; meanwhile, no file starts it."""
        self.member.suspend(Pause.STOPPED, f"stop asked for by {requested_by}")

    def start(self, requested_by: str) -> None:
        """Start the server, unless it runs or is on its way."""
        why = f"start asked for by {requested_by}"
        if self.member.pause is not None:
            self.member.resume(why)
        elif self._machine.state is State.ERROR and self._builds is not None:
            self._builds.restart(requested_by)
        elif self._machine.state is State.ERROR:
            self.inbox.interrupt(why)

    async def fence(self) -> None:
        """Return once all writes before the call have taken effect on the status."""
        await self._freshness.passed()
        if self._builds is not None:
            await self._builds.verdict()
            await self.inbox.handled()

    def kill(self) -> None:
        """Kill the server's process at once, without the grace period."""
        if (child := self._supervisor.child) is not None:
            child.kill()

    def report_wait(self) -> None:
        """Print a line if the end of the program waits for the server's graceful end."""
        restart = self.config.restart
        if self._supervisor.child is not None and restart.kill_signal is not signal.SIGKILL:
            self._say(
                f"waiting for the server to end after {restart.kill_signal.name}, "
                f"{restart.kill_timeout_s:g} s at most: Ctrl+C kills it now"
            )

    def _resume_gates(self) -> None:
        for gate in self._gates:
            gate.resume()

    def _refresh(self, paths: list[str]) -> None:
        self._bus.publish(Refreshed(service=self.name, paths=paths), keep=False)

    def _say(self, text: str) -> None:
        self._bus.publish(Notice(service=self.name, text=text))
