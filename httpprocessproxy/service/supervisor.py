"""The supervisor: the shell around `core/state.py`. Events in through the inbox, commands out.

On each transition it opens or closes the gate for requests, and records the transition in the
history, which publishes it.
"""

import asyncio
from dataclasses import dataclass
from typing import assert_never

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.needs import Treatment
from httpprocessproxy.core.state import Changed, Command, Event, Exited, Requests, State
from httpprocessproxy.process import Child
from httpprocessproxy.service.context import DataPlane, ServiceContext
from httpprocessproxy.service.freshness import WatcherFreshness
from httpprocessproxy.service.generation import Generation, GenerationOutcome
from httpprocessproxy.service.host import Host
from httpprocessproxy.service.outages import Outages

BUG = GenerationOutcome(None, "ended by a bug in http-process-proxy, see its log")


@dataclass(frozen=True, slots=True)
class _Run:
    """The parts of one call of `Supervisor.run`; each task of the call is in `group`."""

    group: asyncio.TaskGroup
    plane: DataPlane


class Supervisor:
    """Starts, stops and restarts one server."""

    def __init__(
        self, context: ServiceContext, outages: Outages, freshness: WatcherFreshness
    ) -> None:
        self._context = context
        self._outages = outages
        self._freshness = freshness
        self._due: Command | None = None  # decided, and not obeyed yet
        self._generation: Generation | None = None
        self._start_timeout: asyncio.TimerHandle | None = None
        self._treatment: Treatment | None = None
        context.member.treat = self._treat_again

    @property
    def child(self) -> Child | None:
        """The server's process, if it runs."""
        return self._generation.child if self._generation is not None else None

    def begin(self) -> None:
        """Enter the first state, in which `run` starts the server."""
        context = self._context
        self._due = context.machine.start()
        context.history.began()
        context.member.begin_restart()
        self._inform()

    async def run(self, plane: DataPlane) -> None:
        """Supervise until cancelled. On return, no process of the server is left.

        After an exception, call `recover` before the next run.
        """
        inbox, gate = self._context.inbox, self._context.gate
        async with asyncio.TaskGroup() as group:
            run = _Run(group, plane)
            self._watch_start(run)
            if self._due is not None:
                self._obey(self._due, run)
            group.create_task(self._freshness.run(), name="fence")
            try:
                while True:
                    event = await inbox.next()
                    try:
                        self._step(event, run)
                    finally:
                        inbox.done()
            finally:
                # Requests that lose their connections now must wait, not open new ones.
                gate.hold()

    def recover(self) -> None:
        """Enter ERROR after a bug, or begin the start that was due after a stop."""
        context = self._context
        context.inbox.keep_changes()
        self._generation = None
        before, event = context.machine.state, Exited(context.machine.generation, None)
        context.history.outcome = BUG
        self._due = None if before is State.ERROR else context.machine.handle(event)
        self._treat_requests()
        self._record(before, event, self._due)

    def _step(self, event: Event, run: _Run) -> None:
        before = self._context.machine.state
        command = self._context.machine.handle(event)
        if command is not None:
            if isinstance(event, Changed):
                self._context.member.goes_down()
            self._watch_start(run)
            self._treat_requests()
            self._record(before, event, command)
            self._obey(command, run)

    # Effects of a transition

    def _treat_requests(self) -> None:
        """Open or close the gate by the states of the service and of those that it needs."""
        context = self._context
        self._freshness.choose_fence()
        self._treatment = treatment = context.member.treatment()
        match treatment.requests:
            case Requests.HOLD:
                context.gate.hold()
            case Requests.REFUSE:
                context.gate.refuse(self._outages.refusal)
            case Requests.FORWARD if context.inbox.target is not None:
                context.gate.open(context.inbox.target)
            case Requests.FORWARD:
                pass  # a service without a port gets no requests
            case _:
                assert_never(treatment.requests)

    def _treat_again(self) -> None:
        """Open or close the gate after a change of this service or of others."""
        if self._context.member.treatment() != self._treatment:
            self._treat_requests()

    def _record(self, before: State, event: Event, command: Command | None) -> None:
        context = self._context
        reloads = context.member.settled(command)
        inbox = context.inbox
        context.history.entered(before, event, inbox.paths, inbox.why, reloads=reloads)
        self._inform()

    def _inform(self) -> None:
        """Pass the new state to the parts that act on it."""
        context = self._context
        if context.preload is not None:
            context.preload.entered(context.machine.state, context.history.last_start)
        context.changes.entered(context.machine.state)
        if context.builds is not None:
            context.builds.entered(context.machine.state)
        context.member.moved()

    def _obey(self, command: Command, run: _Run) -> None:
        self._due = None
        match command:
            case Command.START:
                self._start(run)
            case Command.STOP:
                assert self._generation is not None, "STOP comes after START"
                self._generation.stop.set()
            case Command.RELOAD_BROWSERS:
                pass  # the published transition says so to all who serve browsers
            case _:
                assert_never(command)

    def _start(self, run: _Run) -> None:
        context = self._context
        id_ = GenerationId(context.config.name, context.machine.generation)
        host = Host(context, run.plane, lambda: self._watch_start(run))
        self._generation = Generation(id_, context.config, context.launcher, host)
        run.group.create_task(self._run_generation(self._generation), name=f"generation {id_}")

    async def _run_generation(self, generation: Generation) -> None:
        outcome = await generation.run()
        self._context.history.outcome = outcome
        self._context.inbox.exited(generation.id.number, outcome.returncode)

    # The time limit of a start

    def _watch_start(self, run: _Run) -> None:
        """Set the timer that refuses requests when a start takes too long; the start goes on."""
        if self._start_timeout is not None:
            self._start_timeout.cancel()
            self._start_timeout = None
        if self._context.machine.state is State.LOADING and not self._context.has_to_wait:
            loop = asyncio.get_running_loop()
            timeout_s = self._context.config.restart.start_timeout_s
            self._start_timeout = loop.call_later(timeout_s, self._refuse_until_it_answers, run)

    def _refuse_until_it_answers(self, run: _Run) -> None:
        context = self._context
        timeout_s = context.config.restart.start_timeout_s
        text = f"the start takes longer than --start-timeout ({timeout_s:g} s)"
        if context.config.has_port:
            address = context.launcher.launch_spec.address
            text += f": requests get 503 until the server answers at {address}"
        context.reports.report(text)
        context.gate.refuse(self._outages.overdue)
        # The first request is with the server already, which may send interim responses only.
        run.plane.give_up(self._outages.overdue())
