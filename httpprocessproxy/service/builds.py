"""The builds of a service: `before` succeeds before a change restarts the server.

`core/build.py` has the rules. A change begins a build beside the server, which serves on, and is
*superseded*. The first build holds back the first start.

A build may write files that count as changed. Its writes are judged like those of a server's start
by a change handler of its own, to which a build is a start: while it runs, a save ends it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, assert_never

from httpprocessproxy.core.build import Build, BuildState, Effect, consequence, effect_of
from httpprocessproxy.core.change.burst import Burst
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.state import Machine, State
from httpprocessproxy.events import BuildChanged
from httpprocessproxy.process import StopError
from httpprocessproxy.service.change_handler import (
    ChangedProgram,
    ChangeEffects,
    ChangeHandler,
    ServerWrites,
)
from httpprocessproxy.service.inbox import until_over

BUILD: Final = ChangedProgram("the build", "the build", "while it runs", saves_end=True)

Paths = frozenset[str]


class BuildCommand(Protocol):
    """The command of `before`."""

    @property
    def command(self) -> str:
        """The words, for the user."""

    @property
    def output(self) -> bytes:
        """The end of the output of the last run."""

    async def run(self, cancelled: asyncio.Event, *, is_alone: bool) -> str | None:
        """Run it; return "" after success, the reason of a failure, or None if `cancelled` is set.

        If it `is_alone`, no server runs beside it. Raises StopError.
        """

    async def end(self) -> None:
        """End all processes of builds. Raises StopError."""


class SupersededPlane(Protocol):
    """The connections to the server."""

    def supersede(self, generation: GenerationId) -> None:
        """Say in responses of this generation that newer files exist."""


@dataclass(frozen=True, slots=True)
class BuildEffects:
    """The effects of builds on the service.

    begin      record that a restart begins, which waits for the build
    give_up    record that it has no effect: the build has failed
    restart    pass on changed files, which are built
    request    pass on a requested restart, with its source
    include    add built files to the restart in progress
    refuse     record why the server cannot start, and refuse requests that were held
    release    let requests go on that have waited for the verdict
    publish    pass an event on
    say        print a line
    caught_up  wait until the watcher has reported all writes so far
    open_files those of the given files that a process has open for writing
    """

    begin: Callable[[], None]
    give_up: Callable[[str], None]
    restart: Callable[[Paths], None]
    request: Callable[[str], None]
    include: Callable[[Paths], None]
    refuse: Callable[[str], None]
    release: Callable[[], None]
    publish: Callable[[BuildChanged], None]
    say: Callable[[str], None]
    caught_up: Callable[[], Awaitable[object]]
    open_files: Callable[[Collection[Path]], Collection[Path]]


class Builds:
    """Runs the command at the start and after each change. For the event loop's thread only."""

    def __init__(
        self,
        service: str,
        command: BuildCommand,
        machine: Machine,
        settle_s: float,
        effects: BuildEffects,
    ) -> None:
        """A build begins `settle_s` seconds after the last file of a burst."""
        self.last = Build("running", command.command)
        self._service = service
        self._command = command
        self._machine = machine
        self._effects = effects
        self._changes = ChangeHandler(
            ChangeEffects(self._save, lambda _: None, effects.say),
            lambda _: False,
            ServerWrites(lambda: False, effects.open_files),
            BUILD,
        )
        self._changes.entered(State.RUNNING)
        self._burst = Burst(settle_s)
        self._is_due = asyncio.Event()
        self._verdict = asyncio.Event()
        self._plane: SupersededPlane | None = None
        self._paths: set[str] = set()  # changed since the last success
        self._requested_by = ""
        self._has_succeeded = False
        self._holds_start = True  # whether a start of the machine has yet to call `before_start`

    @property
    def is_running(self) -> bool:
        return not self._verdict.is_set()

    @property
    def holds_requests(self) -> bool:
        """Whether requests are held that are refused otherwise: the build may end the error."""
        return self.is_running and self._machine.state is State.ERROR

    async def run(self, plane: SupersededPlane) -> None:
        """Build until cancelled. On return, no process of a build is left."""
        self._plane = plane
        if self.is_running:
            self._is_due.set()  # the first build, or that of a call which a bug ended
            self._note(self.last)
        try:
            while True:
                await self._is_due.wait()
                await self._build()
        finally:
            try:
                await self._command.end()
            except StopError as error:
                self._effects.say(str(error))

    async def verdict(self) -> None:
        """Wait until no build runs."""
        await self._verdict.wait()

    @property
    def has_to_wait(self) -> bool:
        """Whether a start has to wait for the build that runs."""
        return self.is_running and self._holds_start

    async def before_start(self) -> str:
        """Wait for the build that runs; return the obstacle to the start, if any."""
        await self._verdict.wait()
        if not self._has_succeeded:
            return self.last.failure
        self._holds_start = False
        if self._paths:
            self._supersede()  # the last build has failed
        return ""

    def entered(self, state: State) -> None:
        """Record the machine's new state."""
        if state is not State.RUNNING:
            self._holds_start = True

    # Changes

    def changed(self, paths: Paths) -> None:
        """Build because of changed files, unless the build that runs has written them."""
        self._changes.changed(paths)

    def restart(self, requested_by: str) -> None:
        """Build, and restart the server afterwards; `requested_by` is the source of the request."""
        self._requested_by = requested_by
        self._begin()

    def _save(self, paths: Paths) -> None:
        self._burst.event(time.monotonic())
        self._paths |= paths
        self._begin()

    def _begin(self) -> None:
        self._is_due.set()  # ends the build that runs
        self._effects.begin()
        if not self.is_running:
            self._verdict.clear()
            self._supersede()
            self._note(Build("running", self._command.command))

    def _supersede(self) -> None:
        is_started = self._machine.state is State.RUNNING or not self._holds_start
        if self._plane is not None and is_started:
            self._plane.supersede(GenerationId(self._service, self._machine.generation))

    # Builds

    async def _build(self) -> None:
        """Run one build, and give its verdict unless another one is due."""
        await until_over(self._burst)
        self._is_due.clear()
        self._changes.entered(State.LOADING)
        began_at = time.monotonic()
        reason = await self._run_command()
        ms = round((time.monotonic() - began_at) * 1000, 1)
        if reason is not None:
            # A save that is reported late must not pass for one after the build, nor the reverse.
            await self._effects.caught_up()
            if saves := self._changes.answers():
                self._save(saves)
        if reason is not None and not self._is_due.is_set():
            self._end(reason, ms)

    async def _run_command(self) -> str | None:
        state = self._machine.state
        is_alone = state is State.ERROR or (state is State.LOADING and self._holds_start)
        try:
            return await self._command.run(self._is_due, is_alone=is_alone)
        except StopError as error:
            return str(error)

    def _end(self, reason: str, ms: float) -> None:
        """Give the verdict, and let it take effect."""
        state, is_held = self._machine.state, self._holds_start
        paths, requested_by = frozenset(self._paths), self._requested_by
        if not reason:
            self._has_succeeded = True
            self._paths, self._requested_by = set(), ""
        self._changes.entered(State.RUNNING)
        state_name: BuildState = "failed" if reason else "succeeded"
        self._note(Build(state_name, self._command.command, reason, ms), paths)
        self._verdict.set()
        effect = effect_of(state, is_held=is_held, has_succeeded=not reason)
        match effect:
            case Effect.CHANGE if paths:
                self._effects.restart(paths)
            case Effect.CHANGE:
                self._effects.request(requested_by or "a build")
            case Effect.INCLUDE:
                self._effects.include(paths)
            case Effect.REFUSE:
                self._effects.refuse(self.last.failure)
            case Effect.GO_ON:
                pass
            case _:
                assert_never(effect)
        if reason and state in (State.RUNNING, State.ERROR):
            self._effects.give_up(reason)
        # The transition to ERROR of a start that has waited has a line of its own.
        if reason and (self._has_succeeded or not is_held or state is not State.LOADING):
            self._say_failed(state, is_held=is_held)
        self._effects.release()

    def _say_failed(self, state: State, *, is_held: bool) -> None:
        generation, can_start = self._machine.generation, self._has_succeeded
        after = consequence(state, generation, is_held=is_held, can_start=can_start)
        self._effects.say(f"{self.last.failure}; {after}")

    def _note(self, build: Build, paths: Paths = frozenset()) -> None:
        self.last = build
        output = self._command.output.decode(errors="replace") if build.failure else ""
        self._effects.publish(
            BuildChanged(
                service=self._service,
                build=build,
                generation=self._machine.generation,
                paths=sorted(paths),
                output=output,
            )
        )
