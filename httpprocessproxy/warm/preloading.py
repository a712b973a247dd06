"""Whether a start is warm. None waits for that, and none is warm that might differ from a cold one.

A start is listened to until its first answer, and what it has imported by then is what the fork
server imports; a warm one adds what it did not find there.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.state import State
from httpprocessproxy.events import EventBus, Notice, PreloadStatus, StartReport, StateChanged
from httpprocessproxy.process import INHERITED_FD, LaunchSpec
from httpprocessproxy.warm.command import PythonCommand
from httpprocessproxy.warm.fork_server import ForkError, Stdio
from httpprocessproxy.warm.manager import ForkServerManager, PreloadOptions
from httpprocessproxy.warm.record import ImportRecord, Recording
from httpprocessproxy.warm.record_cache import CachedRecord, RecordCache

# Ours to choose, and another at times: no library is led by them.
_PASSING: Final = ("PORT", "LISTEN_FDS", "LISTEN_PID")


class Preloading:
    """Use it on the event loop's thread only. A `spawn.Warmth` and a `supervisor.Preload`."""

    def __init__(
        self,
        command: PythonCommand,
        launch_spec: LaunchSpec,
        record_cache: RecordCache,
        bus: EventBus,
    ) -> None:
        kept = record_cache.load()
        self.cold_ms = kept.cold_ms if kept is not None else None
        self._record = kept.record if kept is not None else None
        self._command = command
        self._words = launch_spec.words
        self._launch_spec = launch_spec
        self._folder = Path.cwd()
        self._record_cache = record_cache
        self._bus = bus
        self._manager = ForkServerManager(self._say)
        self._recording: Recording | None = None
        self._listening = contextlib.ExitStack()
        self._environment: Mapping[str, str] = {}  # of the last cold start

    async def run(self) -> None:
        """Have a fork server as soon as it is known what for, until cancelled."""
        if self._record is not None:
            with contextlib.suppress(UserError):  # the first start tells it
                self._want(self._record, self._launch_spec.environment())
        with self._listening:
            await self._manager.run()

    def status(self) -> PreloadStatus:
        manager = self._manager
        return PreloadStatus(
            ready=manager.server is not None,
            off=manager.off or None,
            modules=len(self._record.modules) if self._record is not None else None,
            memory_bytes=manager.memory_bytes,
        )

    # What the launcher asks (spawn.Warmth)

    async def fork(self, stdio: tuple[int, int, int], terminal: str) -> int | None:
        server = self._manager.server
        if server is None or not server.is_ready:
            return None
        environment = self._launch_spec.environment()
        if not self._is_that_of_the_server(environment):
            assert self._record is not None, "there is a server"
            self._say("the environment has changed: preloading anew, this start is cold", "info")
            self._want(self._record, environment)
            return None
        command, recording = self._understood(environment), self._listen(environment)
        inherited = self._launch_spec.inherited
        passed_on = {INHERITED_FD: inherited.fd} if inherited is not None else {}
        try:
            pid = await server.fork(
                command,
                environment,
                Stdio(*stdio, terminal),
                descriptors={**passed_on, **recording.descriptors},
                pid_variables=("LISTEN_PID",) if self._launch_spec.needs_its_pid else (),
            )
        except ForkError as error:
            self._manager.failed(str(error))
            return None
        self._manager.worked()
        return pid

    def listen(self) -> Recording | None:
        self._listening.close()
        return None if self._manager.off else self._listen(self._launch_spec.environment())

    def give_up(self, why: str) -> None:
        self._manager.give_up(why)

    def state_changed(self, event: StateChanged) -> None:
        """Learn from a start that has answered."""
        if event.state == State.RUNNING.value and self._recording is not None:
            cold_ms = _cold_ms(event.start)
            record = self._recording.read()
            if cold_ms is not None:
                self._learn(record, cold_ms)
            elif record is not None:
                self._learn_more(record)
        if event.state != State.LOADING.value:
            self._listening.close()

    def _listen(self, environment: Mapping[str, str]) -> Recording:
        self._listening.close()
        self._environment = environment
        recording = self._listening.enter_context(Recording(self._understood(environment)))
        self._listening.callback(setattr, self, "_recording", None)
        self._recording = recording
        return recording

    def _learn_more(self, record: ImportRecord) -> None:
        """A warm start has loaded more than it found: the next ones shall find that, too."""
        assert self._record is not None, "it was warm"
        if set(record.modules) - set(self._record.modules):
            self._learn(self._record | record, self.cold_ms)

    def _learn(self, record: ImportRecord | None, cold_ms: float | None) -> None:
        if record is None:
            self._manager.give_up("it cannot be seen what the server imports")
            return
        self.cold_ms = cold_ms
        self._record_cache.save(CachedRecord(record, cold_ms))
        before, self._record = self._record, record
        is_more = before is None or not set(record.modules) <= set(before.modules)
        if is_more or self._manager.wish is None:
            self._want(record, self._environment)

    # Help

    def _want(self, record: ImportRecord, environment: Mapping[str, str]) -> None:
        command = self._understood(environment)
        self._manager.want(PreloadOptions(command, record, environment, self._folder))

    def _understood(self, environment: Mapping[str, str]) -> PythonCommand:
        """The command of this start; another port may make it another one."""
        words = self._launch_spec.words
        if words != self._words:
            understood = PythonCommand.of(words, environment, self._folder)
            assert not isinstance(understood, str), "a port does not change what a command is"
            self._command, self._words = understood, words
        return self._command

    def _is_that_of_the_server(self, environment: Mapping[str, str]) -> bool:
        wish = self._manager.wish
        return wish is not None and _lasting(wish.environment) == _lasting(environment)

    def _say(self, text: str, level: str) -> None:
        self._bus.publish(Notice(text=text, severity=level))


def _lasting(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in environment.items() if name not in _PASSING}


def _cold_ms(start: StartReport | None) -> float | None:
    return None if start is None or start.warm else start.ms
