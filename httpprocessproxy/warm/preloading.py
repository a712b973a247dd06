"""Decides whether a start is warm.

A start never waits for the fork server, and a warm start behaves exactly like a cold one. Imports
are recorded from the start until the first response, and the fork server then preloads these
modules; a warm start adds the modules that it had to load itself.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from httpprocessproxy.config import NOWHERE
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.state import State
from httpprocessproxy.events import EventBus, Notice, PreloadStatus, StartReport
from httpprocessproxy.process import INHERITED_FD, LaunchSpec, ProcessTree
from httpprocessproxy.warm.command import PythonCommand
from httpprocessproxy.warm.fork_server import ForkError, Stdio
from httpprocessproxy.warm.manager import ForkServerManager, PreloadOptions
from httpprocessproxy.warm.record import ImportRecord, Recording
from httpprocessproxy.warm.record_cache import CachedRecord, RecordCache

# A program without a port, such as a worker, may be ready as soon as its process runs. Its imports
# are recorded for this time then.
IMPORTS_S: Final = 1.0

# The proxy sets these, and they may change from start to start; libraries do not depend on them.
_VARYING: Final = ("PORT", "LISTEN_FDS", "LISTEN_PID")


class Preloading:
    """A `spawn.WarmStarter`, and the service's `Preload`. Use it in the event loop's thread."""

    def __init__(
        self,
        command: PythonCommand,
        launch_spec: LaunchSpec,
        tree: ProcessTree,
        record_cache: RecordCache,
        bus: EventBus,
    ) -> None:
        cached = record_cache.load()
        self.cold_ms = cached.cold_ms if cached is not None else None
        self._record = cached.record if cached is not None else None
        self._command = command
        self._words = launch_spec.words
        self._launch_spec = launch_spec
        self._folder = launch_spec.folder
        self._record_cache = record_cache
        self._bus = bus
        self._tree = tree
        self._manager = ForkServerManager(tree, self._notify)
        self._recording: Recording | None = None
        self._recording_stack = contextlib.ExitStack()
        self._environment: Mapping[str, str] = {}  # of the last cold start

    async def run(self) -> None:
        """Run a fork server once the program's imports are known, until cancelled."""
        if self._record is not None:
            with contextlib.suppress(UserError):  # the first start reports it
                self._want(self._record, self._current_environment())
        with self._recording_stack:
            await self._manager.run()

    def status(self) -> PreloadStatus:
        manager = self._manager
        return PreloadStatus(
            ready=manager.server is not None,
            off=manager.off or None,
            modules=len(self._record.modules) if self._record is not None else None,
            memory_bytes=manager.memory_bytes,
        )

    # Called by the launcher (spawn.WarmStarter)

    async def fork(self, stdio: tuple[int, int, int], terminal: str) -> int | None:
        server = self._manager.server
        if server is None or not server.is_ready:
            return None
        environment = self._current_environment()
        if not self._is_preloaded_with(environment):
            assert self._record is not None, "there is a server"
            text = "the environment has changed: preloading again, this start is cold"
            self._notify(text, "info")
            self._want(self._record, environment)
            return None
        command, recording = self._current_command(environment), self._listen(environment)
        inherited = self._launch_spec.inherited
        sockets = {INHERITED_FD: inherited.fd} if inherited is not None else {}
        try:
            pid = await server.fork(
                command,
                environment,
                Stdio(*stdio, terminal),
                descriptors={**sockets, **recording.descriptors},
                pid_variables=("LISTEN_PID",) if self._launch_spec.needs_its_pid else (),
            )
        except ForkError as error:
            self._manager.failed(str(error))
            return None
        self._manager.worked()
        return pid

    def listen(self) -> Recording | None:
        self._recording_stack.close()
        return None if self._manager.off else self._listen(self._current_environment())

    def give_up(self, why: str) -> None:
        self._manager.give_up(why)

    def entered(self, state: State, start: StartReport | None) -> None:
        """Learn from a start that has answered, whose report is `start`."""
        if state is State.RUNNING and self._launch_spec.address == NOWHERE:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(IMPORTS_S, self._end_recording, start)
            self._recording_stack.callback(timer.cancel)
        elif state is State.RUNNING:
            self._end_recording(start)
        elif state is not State.LOADING:
            self._recording_stack.close()

    def _end_recording(self, start: StartReport | None) -> None:
        if self._recording is not None:
            cold_ms = _cold_ms(start)
            record = self._recording.read()
            if cold_ms is not None:
                self._learn(record, cold_ms)
            elif record is not None:
                self._learn_more(record)
        self._recording_stack.close()

    def _listen(self, environment: Mapping[str, str]) -> Recording:
        """Begin a new recording, which ends once the start has answered, or has failed."""
        self._recording_stack.close()
        self._environment = environment
        command = self._current_command(environment)
        recording = self._recording_stack.enter_context(Recording(command))
        self._recording_stack.callback(setattr, self, "_recording", None)
        self._recording = recording
        return recording

    def _learn_more(self, record: ImportRecord) -> None:
        """Add the modules that a warm start has loaded itself, for the next ones."""
        assert self._record is not None, "it was warm"
        if set(record.modules) - set(self._record.modules):
            self._learn(self._record | record, self.cold_ms)

    def _learn(self, record: ImportRecord | None, cold_ms: float | None) -> None:
        if record is None:
            self._manager.give_up("the imports of the server cannot be recorded")
            return
        self.cold_ms = cold_ms
        self._record_cache.save(CachedRecord(record, cold_ms))
        before, self._record = self._record, record
        is_more = before is None or not set(record.modules) <= set(before.modules)
        if is_more or self._manager.options is None:
            self._want(record, self._environment)

    # Helpers

    def _current_environment(self) -> Mapping[str, str]:
        """The environment of the next start. Raises UserError."""
        return {**self._launch_spec.environment(), **self._tree.environment}

    def _want(self, record: ImportRecord, environment: Mapping[str, str]) -> None:
        command = self._current_command(environment)
        self._manager.want(PreloadOptions(command, record, environment, self._folder))

    def _current_command(self, environment: Mapping[str, str]) -> PythonCommand:
        """The command of this start, which changes with the port."""
        words = self._launch_spec.words
        if words != self._words:
            parsed = PythonCommand.of(words, environment, self._folder)
            assert not isinstance(parsed, str), "another port makes no other program"
            self._command = replace(parsed, folder=self._command.folder)
            self._words = words
        return self._command

    def _is_preloaded_with(self, environment: Mapping[str, str]) -> bool:
        options = self._manager.options
        return options is not None and _stable(options.environment) == _stable(environment)

    def _notify(self, text: str, level: str) -> None:
        self._bus.publish(Notice(text=text, severity=level))


def _stable(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in environment.items() if name not in _VARYING}


def _cold_ms(start: StartReport | None) -> float | None:
    return None if start is None or start.warm else start.ms
